//! `/api/admin/canned-replies`: texts that agents use again and again.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{id::RowId, time::Timestamp};
use resly_service::{App, inbox::canned_replies};
use resly_store::CannedReply as StoredReply;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Serialize, ToSchema)]
pub struct CannedReply {
    #[schema(value_type = String, format = "uuid")]
    id: RowId,
    /// What agents type after a slash.
    name: String,
    /// The text, with its placeholders `{{visitor.name}}` and `{{agent.name}}`.
    body: String,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<StoredReply> for CannedReply {
    fn from(StoredReply { id, name, body, updated_at }: StoredReply) -> Self {
        Self { id, name, body, updated_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct CannedReplies {
    /// By their names.
    canned_replies: Vec<CannedReply>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CannedReplyRequest {
    /// 1 to 40 letters, digits, `-` and `_`; kept in lower case.
    name: String,
    /// 1 to 4,000 bytes.
    body: String,
}

/// The organization's canned replies.
#[utoipa::path(get, path = "/api/admin/canned-replies", tag = "admin", operation_id = "listCannedReplies",
    responses((status = 200, description = "By their names", body = CannedReplies)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<CannedReplies>, Problem> {
    let found = canned_replies::list(&app, principal.organization).await?;
    Ok(Json(CannedReplies { canned_replies: found.into_iter().map(CannedReply::from).collect() }))
}

/// Keeps a canned reply.
#[utoipa::path(post, path = "/api/admin/canned-replies", tag = "admin", operation_id = "createCannedReply",
    request_body = CannedReplyRequest, responses((status = 201, description = "The canned reply", body = CannedReply)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    body::Json(CannedReplyRequest { name, body }): body::Json<CannedReplyRequest>,
) -> Result<(StatusCode, Json<CannedReply>), Problem> {
    let kept = canned_replies::put(&app, principal.organization, None, &name, &body).await?;
    Ok((StatusCode::CREATED, Json(kept.into())))
}

/// Replaces a canned reply.
#[utoipa::path(put, path = "/api/admin/canned-replies/{id}", tag = "admin", operation_id = "replaceCannedReply",
    params(("id" = String, Path, description = "The canned reply's id")),
    request_body = CannedReplyRequest, responses((status = 200, description = "The canned reply", body = CannedReply)))]
pub async fn replace(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(CannedReplyRequest { name, body }): body::Json<CannedReplyRequest>,
) -> Result<Json<CannedReply>, Problem> {
    let id = id_of(&id)?;
    Ok(Json(canned_replies::put(&app, principal.organization, Some(id), &name, &body).await?.into()))
}

/// Deletes a canned reply.
#[utoipa::path(delete, path = "/api/admin/canned-replies/{id}", tag = "admin", operation_id = "deleteCannedReply",
    params(("id" = String, Path, description = "The canned reply's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    canned_replies::delete(&app, principal.organization, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id_of(text: &str) -> Result<RowId, Problem> {
    text.parse().map_err(|_| Problem::not_found("there is no such canned reply"))
}
