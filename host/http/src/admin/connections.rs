//! `/api/admin/connections`: install a connector, configure it, switch it on and off, take it out.

mod request;
pub(super) mod view;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use resly_core::{
    connector::connection::{Connection, ConnectionStatus, ConnectionStore, Environment},
    id::ConnectionId,
    principal::Principal,
};
use resly_manifest::{Auth, Manifest};
use resly_service::{App, FieldError, accounts::Revocation, install};
use resly_store::{ConnectionChange, CredentialsExpiry};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

pub(super) use self::request::present;
use self::{
    request::{ConnectionPatch, InstallRequest},
    view::Disconnected,
};
use super::health::Beside;
use crate::{
    body,
    guard::Admin,
    problem::{Problem, fault_problem, kinds},
    query::{Nothing, Query},
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
    let organization = principal.organization;
    let installable = app.catalogue.choose(organization, &request.connector, request.version.as_deref()).await?;
    let manifest = installable.manifest;
    let settings = install::with_defaults(&manifest, request.settings.unwrap_or_else(|| json!({})));
    let mut mistakes = install::check_settings(&manifest, &settings);
    let name = request.name.unwrap_or_else(|| manifest.name.clone());
    check_name(&name, &mut mistakes);
    let mappings = request.mappings.unwrap_or_default();
    check_mappings(&manifest, &mappings, &mut mistakes);
    examine_mappings(&app, &principal, &mappings, &mut mistakes).await?;
    match (install::choose_auth(&manifest, request.auth), &request.credentials) {
        (Err(mistake), _) => mistakes.push(mistake),
        (Ok(auth), credentials) => {
            mistakes.extend(install::check_owner(request.owner, auth, credentials.is_some()));
            let credentials = credentials.as_ref();
            mistakes.extend(
                credentials.map(|given| install::check_credentials(&manifest, auth, given)).unwrap_or_default(),
            );
        }
    }
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    let now = app.clock.now();
    let id = ConnectionId(app.random.uuid(now));
    let credentials = match request.credentials {
        Some(credentials) => Some(app.seal(organization, id, credentials).await?),
        None => None,
    };
    let connection = Connection {
        id,
        organization,
        connector: manifest.id.clone(),
        version: manifest.version.clone(),
        name,
        environment: request.environment,
        status: ConnectionStatus::Installed,
        settings,
        auth: request.auth,
        owner: request.owner,
        credentials,
        policy: request.policy.unwrap_or_default().into(),
        mappings,
        tested_at: None,
        created_at: now,
        revision: 1,
    };
    app.store.create_connection(connection.clone(), request.credentials_expire_at).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, connection).await?)))
}

/// The organization's connections.
#[utoipa::path(get, path = "/api/admin/connections", tag = "admin", operation_id = "listConnections",
    responses((status = 200, description = "The connections", body = Connections)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
) -> Result<Json<Connections>, Problem> {
    let connections = app.store.list_connections(principal.organization).await?;
    let accounts = app.store.own_accounts(principal.organization).await?;
    let beside = Beside::of(&app, principal.organization).await?;
    let view = |connection: Connection| {
        let account = accounts.get(&connection.id);
        view::Connection::new(connection, account, &beside)
    };
    Ok(Json(Connections { connections: connections.into_iter().map(view).collect() }))
}

/// One connection.
#[utoipa::path(get, path = "/api/admin/connections/{id}", tag = "admin", operation_id = "getConnection",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "The connection", body = view::Connection)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
    Path(id): Path<String>,
) -> Result<Json<view::Connection>, Problem> {
    Ok(Json(shown(&app, find(&app, &principal, &id).await?).await?))
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
    let organization = principal.organization;
    let connection = find(&app, &principal, &id).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    let before = Arc::clone(&prepared.installable.manifest);
    let manifest = match &patch.version {
        None => Arc::clone(&before),
        Some(version) => app.catalogue.choose(organization, &connection.connector, Some(version)).await?.manifest,
    };
    let check = if patch.settings.is_some() { install::check_settings } else { install::fit_settings };
    let settings = install::with_defaults(&manifest, patch.settings.unwrap_or_else(|| connection.settings.clone()));
    let mut mistakes = check(&manifest, &settings);
    if let Some(name) = &patch.name {
        check_name(name, &mut mistakes);
    }
    check_mappings(&manifest, patch.mappings.as_ref().unwrap_or(&connection.mappings), &mut mistakes);
    if let Some(mappings) = &patch.mappings {
        examine_mappings(&app, &principal, mappings, &mut mistakes).await?;
    }
    let chosen = patch.auth.or(connection.auth);
    let auth = install::choose_auth(&manifest, chosen);
    if let Ok(auth) = &auth {
        mistakes.extend(install::check_owner(connection.owner, auth, matches!(patch.credentials, Some(Some(_)))));
    }
    if let (Ok(auth), Some(Some(credentials))) = (&auth, &patch.credentials) {
        mistakes.extend(install::check_credentials(&manifest, auth, credentials));
    }
    let auth = match auth {
        Ok(auth) if mistakes.is_empty() => auth,
        Ok(_) => return Err(Problem::invalid(mistakes)),
        Err(mistake) => return Err(Problem::invalid(mistakes.into_iter().chain([mistake]).collect())),
    };
    let course = (&*before, connection.auth_in(&before), &connection.settings);
    let elsewhere = install::leads_elsewhere(course, (&manifest, auth, &settings));
    let credentials = match patch.credentials {
        Some(Some(credentials)) => Some(Some(app.seal(organization, connection.id, credentials).await?)),
        Some(None) => Some(None),
        // A credential is bound to hosts: it doesn't follow the settings to others.
        None => elsewhere.then_some(None),
    };
    let moved = patch.environment.is_some_and(|environment| environment != connection.environment);
    // What was authorized was authorized for this client, at these hosts.
    let oauth = |auth: &Auth| matches!(auth, Auth::Oauth2(_));
    let unauthorized = elsewhere || (credentials.is_some() && (oauth(course.1) || oauth(auth)));
    let accounts = if unauthorized { app.store.accounts(&connection).await? } else { Vec::new() };
    // A client alone convinces nobody where a person has to agree.
    let renewed = matches!(credentials, Some(Some(_))) && !auth.asks_a_person();
    let dropped = (matches!(credentials, Some(None)) && connection.credentials.is_some())
        || accounts.iter().any(|(key, _)| key.visitor.is_none());
    let ends = patch.credentials_expire_at.or_else(|| credentials.is_some().then_some(None));
    let production = patch.environment.unwrap_or(connection.environment) == Environment::Production;
    let change = ConnectionChange {
        renewed,
        // Chats get it back once it has a credential, and has passed a test as it is now.
        withdrawn: match production {
            true if dropped && !renewed => Some(ConnectionStatus::NeedsAuth),
            true if dropped || elsewhere || moved => Some(ConnectionStatus::Installed),
            _ => None,
        },
        // Who wanted it in the sandbox didn't speak of the real service.
        unwanted: production && moved,
        seen: Some(patch.revision.unwrap_or(connection.revision)),
        name: patch.name,
        settings: Some(settings),
        auth: patch.auth,
        credentials,
        untested: elsewhere || moved,
        unauthorized,
        policy: patch.policy.map(Into::into),
        mappings: patch.mappings,
        version: patch.version,
        environment: patch.environment,
        expiry: ends.map(|ends| CredentialsExpiry { ends, now: app.clock.now() }),
    };
    // Every change raises the revision, which voids pending approvals, so a patch that changes nothing returns early.
    if change.is_none(&connection) {
        return Ok(Json(shown(&app, connection).await?));
    }
    let changed = app.store.update_connection(organization, connection.id, change).await?;
    let Some(changed) = changed else {
        find(&app, &principal, &id).await?;
        return Err(changed_meanwhile());
    };
    let revocation = app.accounts.revoke(&connection, &prepared.installable, accounts).await;
    let view = shown(&app, changed).await?;
    Ok(Json(match revocation {
        Revocation::Done => view,
        Revocation::Unconfirmed(message) => view.with_revocation(message),
    }))
}

/// Takes a connection out, with its credentials.
#[utoipa::path(delete, path = "/api/admin/connections/{id}", tag = "admin", operation_id = "deleteConnection",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 204, description = "It is gone, and its tokens are revoked"),
        (status = 200, description = "It is gone; the service did not confirm that its tokens are revoked", body = Disconnected)))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let connection = find(&app, &principal, &id).await?;
    // A connector that is gone from the catalogue can't say where its tokens are revoked.
    let prepared = app.connectors.prepare(&connection).await.ok();
    let deleted = app.store.delete_connection(principal.organization, connection.id, app.clock.now()).await?;
    let accounts = deleted.ok_or_else(missing)?;
    let revocation = match prepared {
        Some(prepared) => app.accounts.revoke(&connection, &prepared.installable, accounts).await,
        None => Revocation::Done,
    };
    Ok(revoked(revocation))
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
    let connection = find(&app, &principal, &id).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    // What an organization trusts may have changed since it was installed.
    app.catalogue.choose(connection.organization, &connection.connector, Some(&connection.version)).await?;
    if !app.accounts.is_credentialed(&connection, &prepared.installable).await? {
        let (what, remedy) = app.accounts.lacks(&connection, &prepared.installable);
        let how = remedy.for_admin();
        let detail = format!("in production this connection needs {what}: {how}; then test it, and enable it");
        return Err(Problem::new(&kinds::CONNECTOR_NEEDS_AUTH, detail));
    }
    if connection.status == ConnectionStatus::NeedsAuth {
        return Err(Problem::new(
            &kinds::CONNECTOR_NEEDS_AUTH,
            "the service refused this connection's credential: renew it (PATCH its `credentials`, or authorize it with POST \
             /api/admin/connections/{id}/oauth/start), then test the connection; it goes back to chats when the test passes",
        ));
    }
    if connection.environment == Environment::Production && connection.tested_at.is_none() {
        return Err(Problem::new(
            &kinds::CONNECTION_UNTESTED,
            "run POST /api/admin/connections/{id}/test first, and mend what it tells; without a test in the manifest, \
             call one of its actions",
        ));
    }
    if !app.store.enable_connection(&connection).await? {
        find(&app, &principal, &id).await?;
        return Err(changed_meanwhile());
    }
    Ok(Json(shown(&app, Connection { status: ConnectionStatus::Enabled, ..connection }).await?))
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
    let connection = find(&app, &principal, &id).await?;
    if !app.store.disable_connection(connection.organization, connection.id, app.clock.now()).await? {
        return Err(missing());
    }
    Ok(Json(shown(&app, Connection { status: ConnectionStatus::Disabled, ..connection }).await?))
}

fn changed_meanwhile() -> Problem {
    Problem::new(&kinds::CHANGED_MEANWHILE, "the connection has been changed meanwhile; look at it and try again")
}

pub(super) async fn find(app: &App, principal: &Principal, id: &str) -> Result<Connection, Problem> {
    let id = id.parse().map_err(|_| missing())?;
    app.store.connection(principal.organization, id).await?.ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::not_found("there is no such connection")
}

fn check_name(name: &str, mistakes: &mut Vec<FieldError>) {
    if name.trim().is_empty() || name.chars().count() > 100 {
        mistakes.push(FieldError::new("name", "1 to 100 characters are expected"));
    }
}

fn check_mappings(manifest: &Manifest, mappings: &BTreeMap<String, String>, mistakes: &mut Vec<FieldError>) {
    for (action, filter) in mappings {
        if manifest.action(action).is_none() {
            mistakes.push(FieldError::new(format!("mappings.{action}"), "the connector has no such action"));
        }
        if let Some(message) = filter_size(filter) {
            mistakes.push(FieldError::new(format!("mappings.{action}"), message));
        }
    }
}

/// What is wrong with a filter's size.
pub(super) fn filter_size(filter: &str) -> Option<&'static str> {
    let fits = !filter.trim().is_empty() && filter.len() <= 16 << 10;
    (!fits).then_some("a jq filter of 1 to 16,384 bytes is expected")
}

/// Filters are parsed where they will run, and nowhere else.
async fn examine_mappings(
    app: &App,
    principal: &Principal,
    mappings: &BTreeMap<String, String>,
    mistakes: &mut Vec<FieldError>,
) -> Result<(), Problem> {
    for (action, filter) in mappings.iter().filter(|(_, filter)| filter_size(filter).is_none()) {
        let told = app.connectors.bad_filter(principal.organization, filter).await;
        let told = told.map_err(|fault| fault_problem(&fault))?;
        mistakes.extend(told.map(|message| FieldError::new(format!("mappings.{action}"), message)));
    }
    Ok(())
}

/// What an admin is told once something was disconnected.
pub(super) fn revoked(revocation: Revocation) -> Response {
    match revocation {
        Revocation::Done => StatusCode::NO_CONTENT.into_response(),
        Revocation::Unconfirmed(message) => Json(Disconnected::unconfirmed(message)).into_response(),
    }
}

/// A connection as it is now, with what is known of its account.
async fn shown(app: &App, connection: Connection) -> Result<view::Connection, Problem> {
    let account = app.accounts.own(&connection).await?;
    let beside = Beside::of(app, connection.organization).await?;
    Ok(view::Connection::new(connection, account.as_ref(), &beside))
}
