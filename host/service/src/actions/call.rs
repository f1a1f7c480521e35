//! Calls an action of a connection, or the action that the connector's manifest names as its test.

use std::time::Duration;

use resly_core::{
    boxed,
    connector::{
        call::CallReport,
        connection::{Connection, Environment},
    },
    id::ConnectionId,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{ActionError, ManualCaller};
use crate::{App, connections};

/// How long an answer waits until the store has noted the passed test.
const NOTE_TIME: Duration = Duration::from_secs(5);

/// The result of a manual call.
#[derive(Debug)]
pub struct ManualCallReport {
    pub report: CallReport,
    /// The connection's environment. In the sandbox, the output is sample data.
    pub environment: Environment,
}

/// Calls an action. A failure of the action itself is in the report.
#[boxed]
pub async fn call(
    app: &App,
    by: ManualCaller,
    connection: ConnectionId,
    action: String,
    input: Value,
) -> Result<ManualCallReport, ActionError> {
    let connection = connections::find(app, by.organization, connection).await?;
    run(app, by, &connection, action, input).await
}

/// Calls the test that the connector's manifest names. `None` when it names none.
#[boxed]
pub async fn test(
    app: &App,
    by: ManualCaller,
    connection: ConnectionId,
) -> Result<Option<ManualCallReport>, ActionError> {
    let connection = connections::find(app, by.organization, connection).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    let Some(test) = prepared.installable.manifest.test.clone() else { return Ok(None) };
    run(app, by, &connection, test.action, test.input).await.map(Some)
}

async fn run(
    app: &App,
    by: ManualCaller,
    connection: &Connection,
    action: String,
    input: Value,
) -> Result<ManualCallReport, ActionError> {
    let input = if input.is_null() { json!({}) } else { input };
    let report = app.connectors.call(by.request(connection.id, action, input)).await?;
    if report.result.is_ok() {
        // The result matters more than this note, because the test can be repeated.
        let noted = timeout(NOTE_TIME, app.store.set_connection_tested(connection, app.clock.now())).await;
        if !matches!(noted, Ok(Ok(_))) {
            tracing::warn!(connection = %connection.id, "that a connection passed a test could not be noted");
        }
    }
    Ok(ManualCallReport { report, environment: connection.environment })
}
