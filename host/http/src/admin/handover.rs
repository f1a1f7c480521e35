//! `/api/admin/conversations/{id}/…`: who answers in a conversation, and what an agent says.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::id::{ConversationId, RowId};
use resly_service::{App, inbox::conversations};
use serde::Deserialize;
use utoipa::ToSchema;

use super::conversations::ConversationMessage;
use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

/// Who gets a conversation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignmentRequest {
    /// The member. Without one, the conversation is with somebody whom the organization doesn't name.
    #[schema(value_type = Option<String>, format = "uuid")]
    assignee: Option<RowId>,
    /// The member who has it now. It is taken from nobody else.
    #[schema(value_type = Option<String>, format = "uuid")]
    from: Option<RowId>,
}

/// What an agent says to the visitor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyRequest {
    /// 1 to 40,000 bytes.
    content: String,
    /// The member who says it, if the organization names them.
    #[schema(value_type = Option<String>, format = "uuid")]
    author: Option<RowId>,
}

/// Gives a conversation to a person, who answers in the assistant's place. An answer that is being written ends.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/assign", tag = "admin", operation_id = "assignConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    request_body = AssignmentRequest,
    responses((status = 204, description = "It is theirs"), (status = 409, description = "Another member has it")))]
pub async fn assign(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(AssignmentRequest { assignee, from }): body::Json<AssignmentRequest>,
) -> Result<StatusCode, Problem> {
    let (assignee, from) = (assignee.map(|id| id.0), from.map(|id| id.0));
    conversations::assign(&app, principal.organization, id_of(&id)?, assignee, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says something to the visitor, in a conversation that an agent has.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/reply", tag = "admin", operation_id = "replyInConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    request_body = ReplyRequest,
    responses(
        (status = 201, description = "The message, with the role `agent`", body = ConversationMessage),
        (status = 409, description = "No agent has the conversation, or another one has"),
    ))]
pub async fn reply(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
    body::Json(ReplyRequest { content, author }): body::Json<ReplyRequest>,
) -> Result<(StatusCode, Json<ConversationMessage>), Problem> {
    let author = author.map(|id| id.0);
    let message = conversations::reply(&app, principal.organization, id_of(&id)?, author, &content).await?;
    Ok((StatusCode::CREATED, Json(message.into())))
}

/// Gives a conversation back to the assistant, which answers the visitor's next message.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/return", tag = "admin", operation_id = "returnConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    responses((status = 204, description = "The assistant has it"), (status = 409, description = "It had it before")))]
pub async fn give_back(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    conversations::give_back(&app, principal.organization, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes a conversation. The visitor's next message opens it again, for the assistant.
#[utoipa::path(post, path = "/api/admin/conversations/{id}/close", tag = "admin", operation_id = "closeConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    responses((status = 204, description = "It is closed")))]
pub async fn close(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    conversations::close(&app, principal.organization, id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A text that is no id looks like an id that doesn't exist.
pub(super) fn id_of(text: &str) -> Result<ConversationId, Problem> {
    text.parse().map_err(|_| Problem::not_found("there is no such conversation"))
}
