//! `/api/admin/conversations`: the organization's conversations with their messages.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    conversation::{
        Message as StoredMessage, MessageStatus,
        handover::{ConversationState, HandoverSource},
    },
    id::{ConversationId, MessageId, RowId},
    knowledge::Citation as StoredCitation,
    model::{Role, TokenUsage as StoredUsage},
    time::Timestamp,
};
use resly_service::{App, inbox::search};
use resly_store::{
    Assigned, ConversationNote as StoredNote, ConversationQuery, ConversationRecord, ConversationSummary,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
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
    #[schema(value_type = openapi_enums::ConversationState)]
    state: ConversationState,
    /// The member who has it.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    assignee: Option<Uuid>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    handed_over_at: Option<Timestamp>,
    /// Until when nobody has to look at it.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    snoozed_until: Option<Timestamp>,
    /// The conversation in which it goes on.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    merged_into: Option<ConversationId>,
    tags: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<ConversationSummary> for ListedConversation {
    fn from(summary: ConversationSummary) -> Self {
        let ConversationSummary { id, visitor, first_question, messages, state, .. } = summary;
        let ConversationSummary { assignee, handed_over_at, snoozed_until, merged_into, tags, .. } = summary;
        Self {
            id,
            visitor,
            first_question,
            messages,
            state,
            assignee,
            handed_over_at,
            snoozed_until,
            merged_into,
            tags,
            created_at: summary.created_at,
            updated_at: summary.updated_at,
        }
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
    handling: Handling,
    tags: Vec<String>,
    /// Conversations of the visitor that were merged into this one.
    #[schema(value_type = Vec<String>)]
    merged_from: Vec<ConversationId>,
    /// What agents told each other, oldest first.
    notes: Vec<ConversationNote>,
    /// Oldest first.
    messages: Vec<ConversationMessage>,
}

/// Who answers in a conversation.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationHandling)]
pub struct Handling {
    #[schema(value_type = openapi_enums::ConversationState)]
    state: ConversationState,
    /// The member who has it, or had it when it was closed.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    assignee: Option<Uuid>,
    /// Who asked for a person last.
    #[schema(required, value_type = Option<openapi_enums::HandoverSource>)]
    handed_over_by: Option<HandoverSource>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    handed_over_at: Option<Timestamp>,
    /// What it was about then, for the agent.
    #[schema(required)]
    summary: Option<String>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
    /// Until when nobody has to look at it. The visitor's next message ends that.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    snoozed_until: Option<Timestamp>,
    /// The conversation in which this one goes on.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    merged_into: Option<ConversationId>,
}

impl From<resly_store::Handling> for Handling {
    fn from(handling: resly_store::Handling) -> Self {
        let resly_store::Handling { state, assignee, handed_over, summary, closed_at, snoozed_until, merged_into } =
            handling;
        let (handed_over_by, handed_over_at) = handed_over.unzip();
        Self { state, assignee, handed_over_by, handed_over_at, summary, closed_at, snoozed_until, merged_into }
    }
}

/// What an agent told the others. Neither the visitor nor the assistant sees it.
#[derive(Serialize, ToSchema)]
pub struct ConversationNote {
    #[schema(value_type = String, format = "uuid")]
    id: RowId,
    /// The member who wrote it, when it is known.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    author: Option<Uuid>,
    body: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<StoredNote> for ConversationNote {
    fn from(StoredNote { id, author, body, created_at }: StoredNote) -> Self {
        Self { id, author, body, created_at }
    }
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
    /// The member who wrote an agent's message, when it is known.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    author: Option<Uuid>,
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
        let StoredMessage { id, conversation_id, client_id, role, author, content, status, .. } = message;
        let StoredMessage { citations, steps, usage, created_at, superseded_at, .. } = message;
        let citations = citations.into_iter().map(MessageCitation::from).collect();
        let (usage, superseded) = (usage.map(MessageUsage::from), superseded_at.is_some());
        Self {
            id,
            conversation_id,
            client_id,
            role,
            author,
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

/// Which conversations to list.
pub struct ConversationParameters {
    query: ConversationQuery,
    text: Option<String>,
    snoozed: Option<bool>,
}

impl FromQuery for ConversationParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        let Page { before, limit } = Page::from_query(parameters);
        let assigned = |text: &str| match text {
            "nobody" => Some(Assigned::Nobody),
            member => member.parse().ok().map(Assigned::To),
        };
        let query = ConversationQuery {
            state: parameters.choice("state", &ConversationState::ALL, ConversationState::name),
            assigned: parameters.parsed("assignee", assigned, "the id of a member, or `nobody`,"),
            visitor: parameters.text("visitor"),
            tag: parameters.text("tag"),
            connector: parameters.text("connector"),
            language: parameters.text("language"),
            key: parameters.id("key"),
            words: None,
            snoozed: None,
            since: parameters.time("since"),
            until: parameters.time("until"),
            before,
            limit,
        };
        let snoozed = |text: &str| text.parse().ok();
        Self {
            query,
            text: parameters.text("text"),
            snoozed: parameters.parsed("snoozed", snoozed, "`true` or `false`"),
        }
    }
}

/// The organization's conversations, newest first, without their messages.
#[utoipa::path(get, path = "/api/admin/conversations", tag = "admin", operation_id = "listConversations",
    params(
        ("state" = Option<String>, Query, description = "Who answers: `ai`, `waiting`, `agent` or `closed`"),
        ("text" = Option<String>, Query,
            description = "Words that were said in it, in any language; it has all of them. The newest messages are found after some seconds"),
        ("assignee" = Option<String>, Query, description = "The member who has it, or `nobody`"),
        ("visitor" = Option<String>, Query, description = "Your own id of the visitor"),
        ("tag" = Option<String>, Query, description = "A tag that it has"),
        ("connector" = Option<String>, Query, description = "A connector that was called in it"),
        ("language" = Option<String>, Query, description = "What the visitor writes in, such as `de`"),
        ("key" = Option<String>, Query, description = "The key that it began with, or one that it was rotated from"),
        ("snoozed" = Option<bool>, Query, description = "Whether it is snoozed now; all when absent"),
        ("since" = Option<String>, Query, description = "Begun at this time or later"),
        ("until" = Option<String>, Query, description = "Begun before this time"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = Conversations)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(ConversationParameters { query, text, snoozed }): Query<ConversationParameters>,
) -> Result<Json<Conversations>, Problem> {
    let limit = query.limit;
    let snoozed = snoozed.map(|snoozed| (snoozed, app.clock.now()));
    let one_more = ConversationQuery { limit: limit + 1, snoozed, ..query };
    let mut found = search::find(&app, principal.organization, text.as_deref(), one_more).await?;
    let more = pagination::cut(&mut found, limit);
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
    let mut found = app.store.conversation(principal.organization, id).await?.ok_or_else(missing)?;
    let messages = std::mem::take(&mut found.messages).into_iter().map(ConversationMessage::from).collect();
    let ConversationRecord { id, visitor, created_at, handling, tags, merged_from, notes, .. } = found;
    let notes = notes.into_iter().map(ConversationNote::from).collect();
    Ok(Json(Conversation { id, visitor, created_at, handling: handling.into(), tags, merged_from, notes, messages }))
}
