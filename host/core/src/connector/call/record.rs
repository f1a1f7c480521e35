//! What a call leaves behind: a log row, evidence of the connection's health, and a sample output to try mappings on.

use serde_json::Value;

use super::{CallError, CallReport, CallRequest, Caller, Connectors};
use crate::{
    connector::{
        call::{CallRecord, CallStatus},
        connection::{Connection, ConnectionStatus, Environment, Owner},
        fault::{Fault, FaultKind},
        health::{HealthObservation, HealthSignal},
        last_output::{LastOutput, fit},
        sandbox::Outcome,
    },
    error::StoreError,
    id::CallId,
    time::Timestamp,
};

impl Connectors {
    /// Logs a call that isn't counted, because it was refused or answered from the cache.
    pub(super) async fn log(
        &self,
        request: &CallRequest,
        connection: &Connection,
        report: CallReport,
    ) -> Result<CallReport, CallError> {
        let now = self.clock.now();
        let id = CallId(self.random.uuid(now));
        self.store.log_call(record(id, now, request, connection, &report, Vec::new())).await?;
        Ok(report)
    }

    /// Ends a call that isn't made, logs it and records what it says about the connection's health.
    pub(super) async fn refuse(
        &self,
        request: &CallRequest,
        connection: &Connection,
        fault: Fault,
    ) -> Result<CallReport, CallError> {
        let report = self.log(request, connection, CallReport::refused(fault)).await?;
        if connection.status != ConnectionStatus::NeedsAuth {
            self.observe(request, connection, &report).await?;
        }
        Ok(report)
    }

    /// Records what a call shows about its connection: a refused or missing credential, and its health. An error in
    /// storing the health is only logged, because the call's result matters more.
    pub(super) async fn observe(
        &self,
        request: &CallRequest,
        connection: &Connection,
        report: &CallReport,
    ) -> Result<(), StoreError> {
        if connection.environment == Environment::Sandbox {
            return Ok(());
        }
        // One visitor's account says nothing about other visitors' accounts.
        if connection.owner == Owner::Organization
            && matches!(&report.result, Err(fault) if fault.kind == FaultKind::NeedsAuth)
        {
            self.store.refuse_connection(connection).await?;
        }
        let result = report.result.as_ref().map(drop);
        let Some(evidence) = HealthSignal::of(request.caller.kind(), connection.owner, result) else { return Ok(()) };
        let mut chance = [0];
        self.random.fill(&mut chance);
        let observed = HealthObservation {
            organization: connection.organization,
            connection: connection.id,
            evidence,
            offered: connection.status == ConnectionStatus::Enabled,
            schedule: self.schedule,
            chance: chance[0],
            now: self.clock.now(),
        };
        if let Err(error) = self.store.observe(observed).await {
            tracing::error!(%error, connection = %connection.id, "a connection's health could not be noted");
        }
        Ok(())
    }

    /// The output to keep so that admins can try mappings on it. In production, only an admin's call of an
    /// organization's own account leaves one: other outputs hold customers' data.
    pub(super) fn sample(
        &self,
        request: &CallRequest,
        connection: &Connection,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<LastOutput> {
        let customers = !matches!(request.caller, Caller::Admin { .. }) || connection.owner == Owner::Visitor;
        if customers && connection.environment == Environment::Production {
            return None;
        }
        let (output, cut_from) = fit(outcome.result.as_ref().ok()?);
        let (organization, action) = (request.organization, request.action.clone());
        Some(LastOutput { organization, connection: connection.id, action, output, cut_from, at: now })
    }
}

/// The log row of a call.
pub(super) fn record(
    id: CallId,
    at: Timestamp,
    request: &CallRequest,
    connection: &Connection,
    report: &CallReport,
    requests: Vec<Value>,
) -> CallRecord {
    let fault = report.result.as_ref().err();
    CallRecord {
        id,
        organization: request.organization,
        connection: connection.id,
        connector: connection.connector.clone(),
        version: connection.version.clone(),
        action: request.action.clone(),
        environment: connection.environment,
        caller: request.caller.kind(),
        key: request.caller.key(),
        conversation: request.caller.conversation(),
        status: fault.map_or(CallStatus::Ok, |fault| CallStatus::Failed(fault.kind)),
        reason: fault.map(|fault| fault.kind.reason()),
        cached: report.cached,
        message: fault.map(Fault::for_admin),
        cost: report.cost.clone(),
        log: report.log.clone(),
        requests,
        created_at: at,
    }
}
