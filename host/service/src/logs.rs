//! The log of connector calls.

use resly_core::{
    boxed,
    error::StoreError,
    id::{CallId, ConnectionId, OrganizationId},
};
use resly_store::{LogDay, LogPage, LogQuery, LoggedCall};

use crate::App;

/// A page of the log.
pub struct Logs {
    pub page: LogPage,
    /// How much of its budget the log has used today, in the sandbox and in production.
    pub today: [LogDay; 2],
}

/// The calls that match a query, newest first.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId, query: LogQuery) -> Result<Logs, StoreError> {
    let page = app.store.logs(organization, query).await?;
    let today = app.store.log_today(organization, app.clock.now()).await?;
    Ok(Logs { page, today })
}

/// The connections of an organization, by which the log is filtered: ids and names, as they are now.
#[boxed]
pub async fn connections(app: &App, organization: OrganizationId) -> Result<Vec<(ConnectionId, String)>, StoreError> {
    app.store.connection_names(organization).await
}

/// One call, with what is known of who asked for it.
pub struct CallStory {
    pub logged: LoggedCall,
    /// The connection's name. `None` when it was deleted.
    pub connection: Option<String>,
    /// The visitor of the call's conversation, by the id that the organization gave.
    pub visitor: Option<String>,
}

/// One call. `None` when the organization has no such call, or it is no longer kept.
#[boxed]
pub async fn find(app: &App, organization: OrganizationId, id: CallId) -> Result<Option<CallStory>, StoreError> {
    let Some(logged) = app.store.log(organization, id).await? else { return Ok(None) };
    let visitor = match logged.call.conversation {
        Some(conversation) => app.store.conversation_visitor(organization, conversation).await?,
        None => None,
    };
    let mut connections = connections(app, organization).await?.into_iter();
    let connection = connections.find(|(id, _)| *id == logged.call.connection).map(|(_, name)| name);
    Ok(Some(CallStory { logged, connection, visitor }))
}
