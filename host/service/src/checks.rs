//! Checks on a schedule whether the connections that chats use work. A check calls the test of the connector's
//! manifest.
//!
//! Its result changes the connection's health as that of any call does (`core/src/connector/health.rs`). It is logged
//! with the caller `health`, counts toward no meter and no bill, and has the same limits as any call of that connector.
//! A host makes [`AT_ONCE`] checks at a time, so that customers' calls find places. A lease decides which host makes a
//! check.

use std::time::Duration;

use futures::future::join_all;
use resly_core::{
    boxed,
    connector::{
        call::{CallError, CallRequest, Caller, ConnectionStore},
        connection::CallerKind,
        health::{DueCheck, HealthSignal, HealthStore},
    },
    error::StoreError,
};
use serde_json::json;

use crate::App;

/// Checks that one host makes at a time.
const AT_ONCE: u32 = 4;
/// The lease on a check. A call takes a minute at most.
const LEASE: Duration = Duration::from_secs(180);
/// How long to wait after a check without a result, for example because the host was full.
const AGAIN: Duration = Duration::from_secs(60);

/// Makes every check that is due, and returns how many. Does nothing when the operator wants no checks.
#[boxed]
pub async fn run_due(app: &App) -> Result<usize, StoreError> {
    let mut made = 0;
    while app.schedule.is_some() {
        let now = app.clock.now();
        let due = app.store.take_due_checks(now, now.plus(LEASE), AT_ONCE).await?;
        if due.is_empty() {
            break;
        }
        made += due.len();
        for ended in join_all(due.into_iter().map(|check| check_connection(app, check))).await {
            ended?;
        }
    }
    Ok(made)
}

async fn check_connection(app: &App, check: DueCheck) -> Result<(), StoreError> {
    match run_check(app, check).await {
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(CallError::Store(error)) => return Err(error),
        Err(error) => tracing::warn!(%error, connection = %check.connection, "a connection can't be checked"),
    }
    app.store.postpone_check(check, app.clock.now().plus(AGAIN)).await
}

/// Returns whether the check had a result. A connection without a test in its manifest isn't called. Its health follows
/// from its traffic.
async fn run_check(app: &App, check: DueCheck) -> Result<bool, CallError> {
    let DueCheck { organization, connection, .. } = check;
    let connection = app.store.connection(organization, connection).await?.ok_or(CallError::NoConnection)?;
    let prepared = app.connectors.prepare(&connection).await?;
    let Some(test) = prepared.installable.manifest.test.clone() else {
        let every = app.schedule.unwrap_or_default().every;
        app.store.postpone_check(check, app.clock.now().plus(every)).await?;
        return Ok(true);
    };
    let request = CallRequest {
        organization,
        connection: connection.id,
        action: test.action,
        input: if test.input.is_null() { json!({}) } else { test.input },
        visitor: None,
        caller: Caller::Health,
        mapping: None,
    };
    let report = app.connectors.call(request).await?;
    let result = report.result.as_ref().map(drop);
    Ok(HealthSignal::of(CallerKind::Health, connection.owner, result).is_some())
}
