//! `/api/admin/connectors/{id}/versions/{version}`: an admin's decision about what an upload asks for, and its end.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    connector::{approval::Approval, connection::Origin},
    id::ConnectionId,
    principal::Principal,
};
use resly_service::App;
use resly_store::{Decided, Decision, VersionRemoval, VersionState};
use serde::Deserialize;
use utoipa::ToSchema;

use super::connectors::{show, view::Connector};
use crate::{
    body,
    guard::Admin,
    problem::{Problem, kinds, members::UsingConnection},
};

const REASON: usize = 1_000;

/// What a decision is about.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionRequest {
    /// The `sha256` of the file that was looked at. When it is another by now, nothing is decided.
    sha256: Option<String>,
    /// Why it is rejected.
    reason: Option<String>,
}

/// Approves what an uploaded version asks for, so that it can be installed.
#[utoipa::path(post, path = "/api/admin/connectors/{id}/versions/{version}/approve", tag = "admin",
    operation_id = "approveConnectorVersion",
    params(("id" = String, Path, description = "The connector's id"), ("version" = String, Path, description = "Its version")),
    request_body(content = Option<DecisionRequest>),
    responses((status = 200, description = "The connector", body = Connector)))]
pub async fn approve(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, version)): Path<(String, String)>,
    body::Json(request): body::Json<DecisionRequest>,
) -> Result<Json<Connector>, Problem> {
    decide(&app, &principal, (id, version), request, Approval::Approved).await
}

/// Rejects an uploaded version. It can't be installed, unless it is approved after all.
#[utoipa::path(post, path = "/api/admin/connectors/{id}/versions/{version}/reject", tag = "admin",
    operation_id = "rejectConnectorVersion",
    params(("id" = String, Path, description = "The connector's id"), ("version" = String, Path, description = "Its version")),
    request_body(content = Option<DecisionRequest>),
    responses((status = 200, description = "The connector", body = Connector),
        (status = 409, description = "Connections use it: `connections` lists them", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn reject(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, version)): Path<(String, String)>,
    body::Json(request): body::Json<DecisionRequest>,
) -> Result<Json<Connector>, Problem> {
    decide(&app, &principal, (id, version), request, Approval::Rejected).await
}

async fn decide(
    app: &App,
    principal: &Principal,
    (id, version): (String, String),
    request: DecisionRequest,
    approval: Approval,
) -> Result<Json<Connector>, Problem> {
    let organization = principal.organization;
    let versions = app.catalogue.versions(organization, &id).await?;
    let found = versions.iter().find(|listed| listed.installable.manifest.version == version).ok_or_else(missing)?;
    if found.installable.origin != Origin::Uploaded {
        return Err(Problem::new(&kinds::CONFLICT, "only uploaded components are approved; this connector needs none"));
    }
    if found.state == VersionState::Refused && approval.allows() {
        let reason = found.reason.as_deref().unwrap_or_default();
        return Err(Problem::new(&kinds::CONNECTOR_NOT_READY, format!("this version was refused: {reason}")));
    }
    let component = found.installable.component;
    if request.sha256.is_some_and(|sha256| !sha256.eq_ignore_ascii_case(&component.to_string())) {
        return Err(Problem::new(&kinds::CONFLICT, format!("the file is another by now; its SHA-256 is {component}")));
    }
    if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON) {
        return Err(Problem::invalid_at("reason", format!("at most {REASON} bytes")));
    }
    let reason = request.reason.filter(|_| !approval.allows());
    let (connector, version) = (id.clone(), version.clone());
    let (by, now) = (principal.key, app.clock.now());
    let decision = Decision { organization, connector, version: version.clone(), component, approval, reason, by, now };
    match app.store.decide_connector(decision).await? {
        Decided::Done => show(app, organization, &id, Some(&version)).await.map(|(shown, _)| Json(shown)),
        Decided::Missing => Err(missing()),
        Decided::InUse(connections) => Err(in_use(connections)),
    }
}

/// Deletes a version that no connection uses. Its number stays taken: it can only come back as the same content.
#[utoipa::path(delete, path = "/api/admin/connectors/{id}/versions/{version}", tag = "admin",
    operation_id = "deleteConnectorVersion",
    params(("id" = String, Path, description = "The connector's id"), ("version" = String, Path, description = "Its version")),
    responses((status = 204, description = "It is gone"),
        (status = 409, description = "Connections use it: `connections` lists them", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, version)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    if app.catalogue.is_bundled(&id) {
        return Err(Problem::new(&kinds::CONFLICT, format!("`{id}` is a bundled connector and comes with the host")));
    }
    match app.store.delete_connector(principal.organization, id, version).await? {
        VersionRemoval::Gone => Ok(StatusCode::NO_CONTENT),
        VersionRemoval::Missing => Err(missing()),
        VersionRemoval::InUse(connections) => Err(in_use(connections)),
    }
}

fn missing() -> Problem {
    Problem::not_found("there is no such version of this connector")
}

fn in_use(connections: Vec<(ConnectionId, String)>) -> Problem {
    let names: Vec<String> = connections.iter().map(|(_, name)| format!("`{name}`")).collect();
    let detail = format!("{} use it; move them to another version, or delete them, first", names.join(", "));
    let using = connections.into_iter().map(|(id, name)| UsingConnection { id, name }).collect();
    Problem::new(&kinds::CONNECTOR_IN_USE, detail).with(|members| members.connections = Some(using))
}
