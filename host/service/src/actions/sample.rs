//! The last output of an action before the connection's mapping, from an admin's calls and tests and from the sandbox.

use resly_core::{
    boxed,
    connector::{
        connection::Connection,
        last_output::{LastOutput, TrialStore},
    },
    id::{ConnectionId, OrganizationId},
};

use super::{ActionError, require_action};
use crate::{App, connections};

/// The last output of an action.
#[boxed]
pub async fn sample(
    app: &App,
    organization: OrganizationId,
    connection: ConnectionId,
    action: &str,
) -> Result<LastOutput, ActionError> {
    let connection = connections::find(app, organization, connection).await?;
    require_action(app, &connection, action).await?;
    stored(app, &connection, action).await
}

pub(super) async fn stored(app: &App, connection: &Connection, action: &str) -> Result<LastOutput, ActionError> {
    let found = app.store.sample(connection.organization, connection.id, action).await?;
    found.ok_or(ActionError::NoSample)
}
