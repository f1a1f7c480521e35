//! `DELETE /api/admin/visitors/{visitor}` and `/api/admin/deletion-requests`: a visitor's data, deleted on request, and the
//! record that it was done.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use resly_core::{id::DeletionId, time::Timestamp};
use resly_service::{App, deletions};
use resly_store::{Deletion, DeletionQuery, DeletionState};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
};

/// A request to delete what is stored about a visitor. It doesn't name the visitor.
#[derive(Serialize, ToSchema)]
pub struct DeletionRequest {
    #[schema(value_type = String, format = "uuid")]
    id: DeletionId,
    /// `pending`: some of it may still be there.
    #[schema(value_type = openapi_enums::DeletionState)]
    status: DeletionState,
    /// The key that asked, or the person in the console.
    #[schema(value_type = String, format = "uuid")]
    requested_by: Uuid,
    /// What was deleted so far.
    deleted: DeletedData,
    /// Connected accounts whose service did not confirm that it revoked their tokens.
    unconfirmed_revocations: u64,
    #[schema(value_type = String, format = DateTime)]
    requested_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    completed_at: Option<Timestamp>,
}

/// Numbers of rows.
#[derive(Serialize, ToSchema)]
pub struct DeletedData {
    conversations: u64,
    messages: u64,
    tickets: u64,
    /// Calls that the visitor was asked to confirm.
    approvals: u64,
    /// Rows of the log of connector calls.
    connector_calls: u64,
    /// Results kept for repeated idempotency keys.
    idempotency_results: u64,
    /// The visitor's connected accounts.
    accounts: u64,
}

impl From<Deletion> for DeletionRequest {
    fn from(deletion: Deletion) -> Self {
        let Deletion { id, requested_by, state, deleted, accounts, .. } = deletion;
        let deleted = DeletedData {
            conversations: deleted.conversations,
            messages: deleted.messages,
            tickets: deleted.tickets,
            approvals: deleted.approvals,
            connector_calls: deleted.connector_calls,
            idempotency_results: deleted.idempotency_results,
            accounts,
        };
        Self {
            id,
            status: state,
            requested_by,
            deleted,
            unconfirmed_revocations: deletion.unconfirmed_revocations,
            requested_at: deletion.created_at,
            completed_at: deletion.completed_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct DeletionRequests {
    deletion_requests: Vec<DeletionRequest>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

pub struct DeletionParameters {
    visitor: Option<String>,
    page: Page,
}

impl FromQuery for DeletionParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self { visitor: parameters.text("visitor"), page: Page::from_query(parameters) }
    }
}

/// Deletes all that is stored about a visitor, within seconds: conversations with their messages, tickets, approvals and
/// connector calls, connected accounts, and the visitor.
#[utoipa::path(delete, path = "/api/admin/visitors/{visitor}", tag = "admin", operation_id = "deleteVisitor",
    params(("visitor" = String, Path, description = "What chats call the visitor (`visitorId`), or the row's id")),
    responses((status = 202, description = "It is being deleted; `Location` tells how far it is", body = DeletionRequest)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(visitor): Path<String>,
) -> Result<Response, Problem> {
    let deletion = deletions::request(&app, principal.organization, principal.key.0, visitor).await?;
    let place = [(header::LOCATION, format!("/api/admin/deletion-requests/{}", deletion.id))];
    Ok((StatusCode::ACCEPTED, place, Json(DeletionRequest::from(deletion))).into_response())
}

/// The requests to delete visitors' data, newest first.
#[utoipa::path(get, path = "/api/admin/deletion-requests", tag = "admin", operation_id = "listDeletionRequests",
    params(
        ("visitor" = Option<String>, Query, description = "Only those about this visitor (`visitorId`)"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = DeletionRequests)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(DeletionParameters { visitor, page }): Query<DeletionParameters>,
) -> Result<Json<DeletionRequests>, Problem> {
    let query = DeletionQuery { visitor_hash: None, before: page.before, limit: page.limit + 1 };
    let mut found = deletions::list(&app, principal.organization, visitor, query).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |deletion| (deletion.created_at, deletion.id.0));
    Ok(Json(DeletionRequests { deletion_requests: found.into_iter().map(DeletionRequest::from).collect(), next }))
}

/// How far a request is, and the record that it was done.
#[utoipa::path(get, path = "/api/admin/deletion-requests/{id}", tag = "admin", operation_id = "getDeletionRequest",
    params(("id" = String, Path, description = "The request's id")),
    responses((status = 200, description = "The request", body = DeletionRequest)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<DeletionRequest>, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found("there is no such request"))?;
    Ok(Json(deletions::find(&app, principal.organization, id).await?.into()))
}
