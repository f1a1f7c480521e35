//! `/api/admin/connections/{id}/visitors/{visitor}`: a visitor's own account at a service. The company's app names the
//! visitor. The visitor then consents in a browser, or the app sends a key.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use resly_core::{
    connector::account::{Account, AccountKey},
    time::Timestamp,
};
use resly_service::{
    App,
    accounts::{authorization, visitor},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    connections::{
        self,
        view::{Authorization, Disconnected},
    },
    oauth::AuthorizationLink,
};
use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Serialize, ToSchema)]
pub struct VisitorAccount {
    /// Whether the visitor has connected an account.
    authorized: bool,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    authorized_at: Option<Timestamp>,
    /// When that ends unless the visitor renews it.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What the visitor agreed to.
    #[schema(required)]
    scopes: Option<Vec<String>>,
    #[schema(required)]
    visitor: Option<String>,
}

/// Whether a visitor has connected an account.
#[utoipa::path(get, path = "/api/admin/connections/{id}/visitors/{visitor}", tag = "admin", operation_id = "getVisitorAccount",
    params(("id" = String, Path, description = "The connection's id"), ("visitor" = String, Path, description = "What chats call the visitor (`visitorId`)")),
    responses((status = 200, description = "The account", body = VisitorAccount)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path((id, visitor)): Path<(String, String)>,
) -> Result<Json<VisitorAccount>, Problem> {
    Ok(view(visitor::account(&app, principal.organization, connections::parse(&id)?, visitor).await?))
}

/// Begins a visitor's authorization: the company's app sends its visitor to the link.
#[utoipa::path(post, path = "/api/admin/connections/{id}/visitors/{visitor}/oauth/start", tag = "admin", operation_id = "startVisitorAuthorization",
    params(("id" = String, Path, description = "The connection's id"), ("visitor" = String, Path, description = "What chats call the visitor (`visitorId`)")),
    responses((status = 200, description = "The link, for the visitor's own browser", body = AuthorizationLink)))]
pub async fn start(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, visitor)): Path<(String, String)>,
) -> Result<Json<AuthorizationLink>, Problem> {
    let link = authorization::start_visitor(&app, &principal, connections::parse(&id)?, visitor).await?;
    Ok(Json(link.into()))
}

/// Keeps a visitor's key, token, or user name and password, for services without OAuth.
#[utoipa::path(put, path = "/api/admin/connections/{id}/visitors/{visitor}/credentials", tag = "admin", operation_id = "putVisitorCredentials",
    params(("id" = String, Path, description = "The connection's id"), ("visitor" = String, Path, description = "What chats call the visitor (`visitorId`)")),
    request_body(content = BTreeMap<String, String>, description = "`{api_key}`, `{token}` or `{username, password}`"),
    responses((status = 200, description = "The account", body = VisitorAccount)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, visitor)): Path<(String, String)>,
    body::Json(credentials): body::Json<BTreeMap<String, String>>,
) -> Result<Json<VisitorAccount>, Problem> {
    let organization = principal.organization;
    let kept = visitor::put_credentials(&app, organization, connections::parse(&id)?, visitor, credentials).await?;
    Ok(view(kept))
}

/// Disconnects a visitor's account, here and, where the service revokes tokens, there.
#[utoipa::path(delete, path = "/api/admin/connections/{id}/visitors/{visitor}", tag = "admin", operation_id = "deleteVisitorAccount",
    params(("id" = String, Path, description = "The connection's id"), ("visitor" = String, Path, description = "What chats call the visitor (`visitorId`)")),
    responses((status = 204, description = "It is gone, and its tokens are revoked"),
        (status = 200, description = "It is gone; the service did not confirm that its tokens are revoked", body = Disconnected)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, visitor)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let revocation = visitor::disconnect(&app, principal.organization, connections::parse(&id)?, visitor).await?;
    Ok(connections::revoked(revocation))
}

fn view((key, account): (AccountKey, Option<Account>)) -> Json<VisitorAccount> {
    let Authorization { authorized, authorized_at, expires_at, scopes } = Authorization::of(account.as_ref());
    Json(VisitorAccount { authorized, authorized_at, expires_at, scopes, visitor: key.visitor })
}
