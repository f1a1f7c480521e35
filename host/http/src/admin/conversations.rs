//! `/api/admin/conversations`: the organization's conversations with their messages.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    conversation::{Message as StoredMessage, MessageStatus},
    id::{ConversationId, MessageId},
    knowledge::Citation as StoredCitation,
    model::{Role, TokenUsage as StoredUsage},
    time::Timestamp,
};
use resly_service::App;
use resly_store::ConversationSummary;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{NoParameters, Query},
};

/// A conversation without its messages.
#[derive(Serialize, ToSchema)]
pub struct ListedConversation {
    #[schema(value_type = String, format = "uuid")]
    id: ConversationId,
    #[schema(required)]
    visitor: Option<String>,
    #[schema(required)]
    first_question: Option<String>,
    /// How many there are.
    messages: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<ConversationSummary> for ListedConversation {
    fn from(summary: ConversationSummary) -> Self {
        let ConversationSummary { id, visitor, first_question, messages, created_at, updated_at } = summary;
        Self { id, visitor, first_question, messages, created_at, updated_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Conversations {
    conversations: Vec<ListedConversation>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// A conversation with its messages.
#[derive(Serialize, ToSchema)]
pub struct Conversation {
    #[schema(value_type = String, format = "uuid")]
    id: ConversationId,
    #[schema(required)]
    visitor: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Oldest first.
    messages: Vec<ConversationMessage>,
}

#[derive(Serialize, ToSchema)]
pub struct ConversationMessage {
    #[schema(value_type = String, format = "uuid")]
    id: MessageId,
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    /// The client's own id for it.
    #[schema(required)]
    client_id: Option<String>,
    #[schema(value_type = openapi_enums::Role)]
    role: Role,
    content: String,
    #[schema(value_type = openapi_enums::MessageStatus)]
    status: MessageStatus,
    citations: Vec<MessageCitation>,
    /// The tool calls, without their output: `{tool, ok}` and, where they apply, `connection`, `action`, `reason`,
    /// `approval`.
    #[schema(value_type = Vec<BTreeMap<String, Value>>)]
    steps: Vec<Value>,
    /// `null` while an answer is being written, and for the user's messages.
    #[schema(required)]
    usage: Option<MessageUsage>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Whether an edit or a new answer took its place.
    superseded: bool,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    superseded_at: Option<Timestamp>,
}

impl From<StoredMessage> for ConversationMessage {
    fn from(message: StoredMessage) -> Self {
        let StoredMessage { id, conversation_id, client_id, role, content, status, .. } = message;
        let StoredMessage { citations, steps, usage, created_at, superseded_at, .. } = message;
        let citations = citations.into_iter().map(MessageCitation::from).collect();
        let (usage, superseded) = (usage.map(MessageUsage::from), superseded_at.is_some());
        Self {
            id,
            conversation_id,
            client_id,
            role,
            content,
            status,
            citations,
            steps,
            usage,
            created_at,
            superseded,
            superseded_at,
        }
    }
}

/// What an answer rests on.
#[derive(Serialize, ToSchema)]
pub struct MessageCitation {
    /// As in the text's `[1]`.
    n: u32,
    title: String,
    #[schema(required)]
    url: Option<String>,
    /// The knowledge source, or the connection that was called.
    source_id: String,
    snippet: String,
}

impl From<StoredCitation> for MessageCitation {
    fn from(StoredCitation { n, title, url, source_id, snippet }: StoredCitation) -> Self {
        Self { n, title, url, source_id, snippet }
    }
}

/// The tokens of an answer over all its rounds, as the model's provider counted them.
#[derive(Serialize, ToSchema)]
pub struct MessageUsage {
    /// Cached input included.
    input_tokens: u64,
    /// The part of `input_tokens` that the provider read from its cache.
    cached_input_tokens: u64,
    /// Thinking included.
    output_tokens: u64,
    /// Whether a count is the host's estimate, wholly or in part, because the provider didn't say it.
    estimated: bool,
}

impl From<StoredUsage> for MessageUsage {
    fn from(StoredUsage { input, cached_input, output, estimated }: StoredUsage) -> Self {
        Self { input_tokens: input, cached_input_tokens: cached_input, output_tokens: output, estimated }
    }
}

/// The organization's conversations, newest first, without their messages.
#[utoipa::path(get, path = "/api/admin/conversations", tag = "admin", operation_id = "listConversations",
    params(
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = Conversations)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(page): Query<Page>,
) -> Result<Json<Conversations>, Problem> {
    let mut found = app.store.list_conversations(principal.organization, page.before, page.limit + 1).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |conversation| (conversation.created_at, conversation.id.0));
    Ok(Json(Conversations { conversations: found.into_iter().map(ListedConversation::from).collect(), next }))
}

/// One conversation with its messages, oldest first. What an edit or a new answer replaced has `superseded_at`.
#[utoipa::path(get, path = "/api/admin/conversations/{id}", tag = "admin", operation_id = "getConversation",
    params(("id" = String, Path, description = "The conversation's id")),
    responses((status = 200, description = "The conversation", body = Conversation)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<Conversation>, Problem> {
    let missing = || Problem::not_found("there is no such conversation");
    let id = id.parse().map_err(|_| missing())?;
    let found = app.store.conversation(principal.organization, id).await?.ok_or_else(missing)?;
    let messages = found.messages.into_iter().map(ConversationMessage::from).collect();
    Ok(Json(Conversation { id: found.id, visitor: found.visitor, created_at: found.created_at, messages }))
}
