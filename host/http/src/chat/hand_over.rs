//! `/api/chat/{id}/hand-over` and `/api/chat/{id}/messages`: a visitor asks for a person, and reads what they say.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
};
use resly_core::{
    conversation::handover::{ConversationState, HandoverSource},
    id::{ConversationId, MessageId},
};
use resly_service::{App, inbox::conversations};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, person};
use crate::{guard::ChatKey, openapi_enums, problem::Problem, rates::RateGate};

/// The most messages in one answer.
const MOST: u32 = 100;

/// Who answers in a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandedOver {
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    #[schema(value_type = openapi_enums::ConversationState)]
    state: ConversationState,
    /// For the visitor: who will answer, in the language of what the visitor wrote.
    notice: &'static str,
}

/// The messages of a conversation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationMessages {
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    #[schema(value_type = openapi_enums::ConversationState)]
    state: ConversationState,
    /// Oldest first, 100 at most, without those that an edit replaced. What an agent wrote has the role `agent`.
    messages: Vec<Answer>,
}

/// Asks for a person, who then answers in the assistant's place.
///
/// An answer that is being written ends. Asking again changes nothing. A person who has the conversation gives it back.
#[utoipa::path(
    post, path = "/api/chat/{id}/hand-over", tag = "chat", operation_id = "handOverChat",
    params(
        ("id" = String, Path, description = "The conversation's id, or the client's name for it"),
        ("visitorId" = Option<String>, Query, description = "The visitor whose conversation it is, when it has one"),
    ),
    responses((status = 200, description = "Who answers now", body = HandedOver)),
)]
pub async fn request(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<HandedOver>, Problem> {
    let person = person(&principal, request.uri().query())?;
    RateGate::pass_visitor(request.extensions(), person.visitor.as_deref()).await?;
    let conversation_id = app.turns.store.find_conversation(&person, &id).await?.ok_or_else(missing)?;
    let by = HandoverSource::Visitor;
    let handed = conversations::hand_over(&app, principal.organization, conversation_id, by).await?;
    let handed = handed.ok_or_else(missing)?;
    Ok(Json(HandedOver { conversation_id, state: handed.state, notice: handed.notice }))
}

/// The messages of a conversation, or those after one of them: how a client hears what an agent says.
#[utoipa::path(
    get, path = "/api/chat/{id}/messages", tag = "chat", operation_id = "listChatMessages",
    params(
        ("id" = String, Path, description = "The conversation's id, or the client's name for it"),
        ("after" = Option<String>, Query, description = "The id of the last message that the client has"),
        ("visitorId" = Option<String>, Query, description = "The visitor whose conversation it is, when it has one"),
    ),
    responses((status = 200, description = "The messages, and who answers", body = ConversationMessages)),
)]
pub async fn messages(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ConversationMessages>, Problem> {
    let query = request.uri().query();
    let person = person(&principal, query)?;
    let after = after(query)?;
    RateGate::pass_visitor(request.extensions(), person.visitor.as_deref()).await?;
    let heard = conversations::messages_after(&app, &person, &id, after, MOST).await?.ok_or_else(missing)?;
    let messages = heard.messages.iter().map(Answer::stored).collect();
    Ok(Json(ConversationMessages { conversation_id: heard.conversation, state: heard.state, messages }))
}

fn after(query: Option<&str>) -> Result<Option<MessageId>, Problem> {
    let named = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "after").then_some(value));
    let id = named.filter(|text| !text.is_empty()).map(|text| text.parse());
    id.transpose().map_err(|_| Problem::invalid_at("after", "the id of a message is expected"))
}

fn missing() -> Problem {
    Problem::not_found("there is no such conversation")
}
