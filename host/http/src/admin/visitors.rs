//! `/api/admin/connections/{id}/visitors/{visitor}`: one visitor's own account at a service. The company's app says who its
//! visitor is; the visitor agrees in a browser, or the app hands in a key.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use resly_core::{
    connector::{
        account::{AccountKey, AccountStore, AccountTerms, Renewed},
        connection::{Connection, Owner},
    },
    principal::Principal,
    time::Timestamp,
};
use resly_manifest::Auth;
use resly_service::{App, accounts::Revocation, connections::fit};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    connections::{
        self,
        view::{Authorization, Disconnected},
    },
    oauth::{self, AuthorizationLink},
};
use crate::{
    body,
    guard::Admin,
    problem::{Problem, kinds},
    query::{NoParameters, Query},
};

/// As long as a chat's `visitorId` may be.
const LONGEST: usize = 200;

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
    let (_, key) = find(&app, &principal, &id, visitor).await?;
    view(&app, &key).await
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
    let (connection, key) = find(&app, &principal, &id, visitor).await?;
    oauth::begin(&app, &principal, &connection, key.visitor).await
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
    let (connection, key) = find(&app, &principal, &id, visitor).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    let auth = connection.auth_in(&prepared.installable.manifest);
    if matches!(auth, Auth::Oauth2(_)) {
        return Err(Problem::invalid_at("auth", "this connection authenticates by `oauth2`: use …/oauth/start"));
    }
    let mistakes = fit::check_credentials(&prepared.installable.manifest, auth, &credentials);
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    let sealed = app.safe.seal_account(&key, credentials).await.map_err(|error| Problem::internal(&error))?;
    let new = Renewed { sealed, terms: AccountTerms::default() };
    if !app.store.put_account(key.clone(), connection.revision, new, app.clock.now()).await? {
        return Err(Problem::new(&kinds::CONFLICT, "the connection was changed at the same moment; try again"));
    }
    view(&app, &key).await
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
    let (connection, key) = find(&app, &principal, &id, visitor).await?;
    let account = app.store.delete_account(key.clone()).await?;
    let account = account.ok_or_else(|| Problem::not_found("this visitor has no account here"))?;
    // A connector that is gone from the catalogue can't say where its tokens are revoked.
    let prepared = app.connectors.prepare(&connection).await.ok();
    let spec =
        prepared.and_then(|prepared| app.accounts.spec(&connection, &prepared.installable, key.visitor.as_deref()));
    Ok(connections::revoked(match spec {
        Some(spec) => app.accounts.revoke_one(&spec, &account).await,
        None => Revocation::Done,
    }))
}

async fn find(
    app: &App,
    principal: &Principal,
    id: &str,
    visitor: String,
) -> Result<(Connection, AccountKey), Problem> {
    let connection = connections::find(app, principal, id).await?;
    if connection.owner != Owner::Visitor {
        return Err(Problem::invalid_at("owner", "this connection has one account, the organization's own"));
    }
    if visitor.is_empty() || visitor.len() > LONGEST || visitor.chars().any(char::is_control) {
        let message = format!("1 to {LONGEST} bytes without control characters, as a chat's `visitorId`");
        return Err(Problem::invalid_at("visitor", message));
    }
    let key = AccountKey { organization: connection.organization, connection: connection.id, visitor: Some(visitor) };
    Ok((connection, key))
}

async fn view(app: &App, key: &AccountKey) -> Result<Json<VisitorAccount>, Problem> {
    let account = app.store.account(key).await?.filter(|account| account.sealed.is_some());
    let Authorization { authorized, authorized_at, expires_at, scopes } = Authorization::of(account.as_ref());
    Ok(Json(VisitorAccount { authorized, authorized_at, expires_at, scopes, visitor: key.visitor.clone() }))
}
