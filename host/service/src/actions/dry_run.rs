//! Shows the first request that a call would send, with the credential masked. Nothing is dialled or counted toward a limit.

use resly_core::{
    boxed,
    connector::{
        call::{CallReport, ConnectorSchemas},
        connection::Connection,
        sandbox::LogLine,
        trial::{DryRunReport, UnsentRequest},
    },
    id::ConnectionId,
};
use serde_json::Value;

use super::{ActionError, ManualCaller};
use crate::{App, connections};

/// How far an action came without sending anything.
#[derive(Debug)]
pub struct DryRun {
    pub fuel: u64,
    pub log: Vec<LogLine>,
    pub outcome: DryRunOutcome,
}

#[derive(Debug)]
pub enum DryRunOutcome {
    /// The action wanted to send this.
    Request(UnsentRequest),
    /// The action ended without a request.
    Output(Value),
}

/// Runs an action of a connection as far as its first request.
///
/// # Errors
/// Also when the action failed before it sent anything.
#[boxed]
pub async fn dry_run(
    app: &App,
    by: ManualCaller,
    connection: ConnectionId,
    action: String,
    input: Value,
) -> Result<DryRun, ActionError> {
    let connection = connections::find(app, by.organization, connection).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    dry_run_draft(app, by, &connection, &prepared, action, input).await
}

/// The same for a connection that needn't be stored.
pub(crate) async fn dry_run_draft(
    app: &App,
    by: ManualCaller,
    connection: &Connection,
    prepared: &ConnectorSchemas,
    action: String,
    input: Value,
) -> Result<DryRun, ActionError> {
    let request = by.request(connection.id, action, input);
    let DryRunReport { request, result, cost, log } = app.connectors.dry_run(connection, prepared, request).await?;
    let outcome = match (request, result) {
        (Some(request), _) => DryRunOutcome::Request(request),
        (None, Ok(output)) => DryRunOutcome::Output(output),
        (None, Err(fault)) => {
            let result = Err(fault.clone());
            let report = CallReport { result, limit: None, set_aside: None, cached: false, cost, log };
            return Err(ActionError::Failed(Box::new(fault), Box::new(report)));
        }
    };
    Ok(DryRun { fuel: cost.fuel, log, outcome })
}
