//! `/api/admin/conversations/{id}/…` and `/api/admin/conversations/bulk`: notes, tags, snoozing and merging, and the same for
//! many conversations.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::{ConversationId, RowId},
    time::Timestamp,
};
use resly_service::{
    App,
    inbox::handling::{self, BulkAction, BulkOutcome},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{conversations::ConversationNote, handover::id_of};
use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

/// What an agent tells the others.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteRequest {
    /// 1 to 10,000 bytes.
    note: String,
    /// The member who writes it, if the organization names them.
    #[schema(value_type = Option<String>, format = "uuid")]
    author: Option<RowId>,
}

/// A change of a conversation's tags.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagsRequest {
    /// At most 20, of 1 to 100 bytes.
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConversationTags {
    /// Those that the conversation has now.
    tags: Vec<String>,
}

/// Until when a conversation may rest.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnoozeRequest {
    /// Within the next year. `null` ends it.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Where a conversation goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeRequest {
    /// Another conversation of the same visitor.
    #[schema(value_type = String, format = "uuid")]
    into: ConversationId,
}

/// What to do with many conversations. One of `close`, `assign` and `tag`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// 1 to 200.
    #[schema(value_type = Vec<String>)]
    conversations: Vec<ConversationId>,
    #[serde(default)]
    close: bool,
    /// The member who gets them.
    #[schema(value_type = Option<String>, format = "uuid")]
    assign: Option<RowId>,
    /// A tag to add.
    tag: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct BulkResult {
    changed: usize,
    /// Those that don't exist, or that another member has.
    left: usize,
}

/// Adds a note to a conversation. Neither the visitor nor the assistant sees it.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/notes", tag = "admin", operation_id = "noteOnConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    request_body = NoteRequest, responses((status = 201, description = "The note", body = ConversationNote)))]
pub async fn note(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(NoteRequest { note, author }): body::Json<NoteRequest>,
) -> Result<(StatusCode, Json<ConversationNote>), Problem> {
    let author = author.map(|id| id.0);
    let kept = handling::note(&app, principal.organization, id_of(&id)?, author, &note).await?;
    Ok((StatusCode::CREATED, Json(kept.into())))
}

/// Adds tags to a conversation, and removes some.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/tags", tag = "admin", operation_id = "tagConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    request_body = TagsRequest, responses((status = 200, description = "Its tags", body = ConversationTags)))]
pub async fn tag(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(TagsRequest { add, remove }): body::Json<TagsRequest>,
) -> Result<Json<ConversationTags>, Problem> {
    let tags = handling::tag(&app, principal.organization, id_of(&id)?, add, remove).await?;
    Ok(Json(ConversationTags { tags }))
}

/// Lets a conversation rest until a time. The visitor's next message ends it earlier.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/snooze", tag = "admin", operation_id = "snoozeConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    request_body = SnoozeRequest, responses((status = 204, description = "It rests, or doesn't any more")))]
pub async fn snooze(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(SnoozeRequest { until }): body::Json<SnoozeRequest>,
) -> Result<StatusCode, Problem> {
    handling::snooze(&app, principal.organization, id_of(&id)?, until).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Merges a conversation into another one of the same visitor. It is closed and stays readable; what the visitor says in it
/// afterwards is said in the other one.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/merge", tag = "admin", operation_id = "mergeConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    request_body = MergeRequest,
    responses(
        (status = 204, description = "It goes on in the other one"),
        (status = 409, description = "One of them was merged before"),
    ))]
pub async fn merge(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(MergeRequest { into }): body::Json<MergeRequest>,
) -> Result<StatusCode, Problem> {
    handling::merge(&app, principal.organization, id_of(&id)?, into).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes, assigns or tags many conversations. One that can't be changed is left as it is.
#[utoipa::path(post, path = "/api/admin/conversations/bulk", tag = "admin", operation_id = "changeConversations",
    request_body = BulkRequest, responses((status = 200, description = "How many were changed", body = BulkResult)))]
pub async fn bulk(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    body::Json(BulkRequest { conversations, close, assign, tag }): body::Json<BulkRequest>,
) -> Result<Json<BulkResult>, Problem> {
    let action = match (close, assign, tag) {
        (true, None, None) => BulkAction::Close,
        (false, Some(member), None) => BulkAction::Assign(member.0),
        (false, None, Some(tag)) => BulkAction::Tag(tag),
        _ => return Err(Problem::invalid_at("close", "one of `close`, `assign` and `tag` is expected")),
    };
    let outcome = handling::change_many(&app, principal.organization, conversations, action).await?;
    let BulkOutcome { changed, left } = outcome;
    Ok(Json(BulkResult { changed, left }))
}
