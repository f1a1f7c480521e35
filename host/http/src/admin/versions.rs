//! `/api/admin/connectors/{id}/versions/{version}`: approves, rejects and deletes a version.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::id::KeyId;
use resly_service::{
    App,
    connectors::{self, VersionDecision},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::connectors::view::Connector;
use crate::{body, guard::Admin, problem::Problem};

/// What a decision is about.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionRequest {
    /// The `sha256` of the file that you have seen. When the version has another file now, nothing is decided.
    sha256: Option<String>,
    /// Why it is rejected.
    reason: Option<String>,
}

impl DecisionRequest {
    fn decision(self, by: KeyId, connector: String, version: String) -> VersionDecision {
        VersionDecision { by: Some(by), connector, version, sha256: self.sha256, reason: self.reason }
    }
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
    let decision = request.decision(principal.key, id, version);
    Ok(Json((&connectors::approve(&app, principal.organization, decision).await?).into()))
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
    let decision = request.decision(principal.key, id, version);
    Ok(Json((&connectors::reject(&app, principal.organization, decision).await?).into()))
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
    connectors::delete(&app, principal.organization, id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}
