//! `/api/admin/connections`: install a connector; change, enable, disable and delete the connection.

mod request;
pub(super) mod view;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use resly_core::{connector::connection::Connection, id::ConnectionId};
use resly_service::{
    App,
    accounts::Revocation,
    connections::{self, ConnectionError},
};
use serde::Serialize;
use utoipa::ToSchema;

use self::{
    request::{ConnectionPatch, InstallRequest},
    view::Disconnected,
};
use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Serialize, ToSchema)]
pub struct Connections {
    connections: Vec<view::Connection>,
}

/// Installs a connector.
#[utoipa::path(post, path = "/api/admin/connections", tag = "admin", operation_id = "createConnection",
    request_body = InstallRequest,
    responses((status = 201, description = "The connection", body = view::Connection)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<InstallRequest>,
) -> Result<(StatusCode, Json<view::Connection>), Problem> {
    let connection = connections::install(&app, principal.organization, request.into()).await?;
    Ok((StatusCode::CREATED, Json(view(&app, connection).await?)))
}

/// The organization's connections.
#[utoipa::path(get, path = "/api/admin/connections", tag = "admin", operation_id = "listConnections",
    responses((status = 200, description = "The connections", body = Connections)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Connections>, Problem> {
    let described = connections::list(&app, principal.organization).await?;
    Ok(Json(Connections { connections: described.into_iter().map(view::Connection::from).collect() }))
}

/// One connection.
#[utoipa::path(get, path = "/api/admin/connections/{id}", tag = "admin", operation_id = "getConnection",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "The connection", body = view::Connection)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<view::Connection>, Problem> {
    Ok(Json(connections::get(&app, principal.organization, parse(&id)?).await?.into()))
}

/// Changes a connection. Settings that lead to other hosts drop the credentials, unless new ones come along.
#[utoipa::path(patch, path = "/api/admin/connections/{id}", tag = "admin", operation_id = "changeConnection",
    params(("id" = String, Path, description = "The connection's id")),
    request_body = ConnectionPatch,
    responses((status = 200, description = "The connection as it is now", body = view::Connection)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body::Json(patch): body::Json<ConnectionPatch>,
) -> Result<Json<view::Connection>, Problem> {
    let changed = connections::change(&app, principal.organization, parse(&id)?, patch.into()).await?;
    let view = view(&app, changed.connection).await?;
    Ok(Json(match changed.revocation {
        Revocation::Done => view,
        Revocation::Unconfirmed(message) => view.with_revocation(message),
    }))
}

/// Deletes a connection with its credentials.
#[utoipa::path(delete, path = "/api/admin/connections/{id}", tag = "admin", operation_id = "deleteConnection",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 204, description = "It is gone, and its tokens are revoked"),
        (status = 200, description = "It is gone; the service did not confirm that its tokens are revoked", body = Disconnected)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    Ok(revoked(connections::revoke(&app, principal.organization, parse(&id)?).await?))
}

/// Offers the connection to chats.
#[utoipa::path(post, path = "/api/admin/connections/{id}/enable", tag = "admin", operation_id = "enableConnection",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "The connection", body = view::Connection)))]
pub async fn enable(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<view::Connection>, Problem> {
    Ok(Json(view(&app, connections::enable(&app, principal.organization, parse(&id)?).await?).await?))
}

/// Takes the connection away from chats; an admin can still call it.
#[utoipa::path(post, path = "/api/admin/connections/{id}/disable", tag = "admin", operation_id = "disableConnection",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "The connection", body = view::Connection)))]
pub async fn disable(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<view::Connection>, Problem> {
    Ok(Json(view(&app, connections::disable(&app, principal.organization, parse(&id)?).await?).await?))
}

/// A text that is no id looks like an id that doesn't exist.
pub(super) fn parse(id: &str) -> Result<ConnectionId, ConnectionError> {
    id.parse().map_err(|_| ConnectionError::Missing)
}

/// The notice after an account was disconnected.
pub(super) fn revoked(revocation: Revocation) -> Response {
    match revocation {
        Revocation::Done => StatusCode::NO_CONTENT.into_response(),
        Revocation::Unconfirmed(message) => Json(Disconnected::unconfirmed(message)).into_response(),
    }
}

/// A connection with its account, as an answer.
async fn view(app: &App, connection: Connection) -> Result<view::Connection, Problem> {
    Ok(connections::describe(app, connection).await?.into())
}
