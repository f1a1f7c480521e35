//! The shapes of answers, for the OpenAPI document. Handlers write most of them as JSON by hand; a test sends requests
//! through the router and holds the answers against these.
#![expect(dead_code, reason = "these types are read by utoipa's derive, not built")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A question with its history, as `{role, content}` messages or as the AI SDK's UI messages.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ChatRequest {
    /// At most 1,000. The last one is the user's, or the assistant's with a person's answers to what it asks to confirm.
    messages: Vec<ChatMessage>,
    /// From `X-Conversation-Id`: goes on with that conversation.
    conversation_id: Option<String>,
    /// Your own id for the person who asks. A conversation that has a visitor needs it each time.
    visitor_id: Option<String>,
    /// Your own name for the conversation, under this key and visitor.
    id: Option<String>,
}

#[derive(ToSchema)]
pub struct ChatMessage {
    /// Your own id for the message.
    id: Option<String>,
    /// `user`, `assistant`, or, with a secret key, `system`.
    role: String,
    /// A text, or a list of `{type: "text", text}`.
    content: Option<String>,
    /// The AI SDK's parts, in place of `content`.
    parts: Option<Vec<MessagePart>>,
}

#[derive(ToSchema)]
pub struct MessagePart {
    r#type: String,
    text: Option<String>,
}

/// A message with what came with it.
#[derive(ToSchema)]
pub struct Answer {
    id: String,
    #[schema(rename = "conversationId")]
    conversation_id: String,
    /// `user` or `assistant`.
    role: String,
    content: String,
    /// `streaming`, `complete`, `cancelled`, `failed` or `interrupted`.
    status: String,
    /// Why an answer ended: `stop`, `tool-calls` when it asks to confirm something, or, when it is cut, `length`,
    /// `content-filter` or `other`.
    #[schema(rename = "finishReason")]
    finish_reason: Option<String>,
    citations: Vec<Citation>,
    /// What the answer was made with: the tool calls, without their output, and what was left out of the history.
    steps: Vec<Step>,
    /// `null` while an answer is being written, and for the user's messages.
    usage: Option<TokenUsage>,
    /// What the answer asks to confirm; only in the answer itself.
    approvals: Option<Vec<Asked>>,
    /// Only at `GET /api/messages/{id}`.
    created_at: Option<String>,
    /// When an edit or a new answer took this message's place; only at `GET /api/messages/{id}`.
    #[schema(rename = "supersededAt")]
    superseded_at: Option<String>,
}

/// Tokens as the model's provider counted them; zero when it didn't say.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct TokenUsage {
    input_tokens: u64,
    output_tokens: u64,
}

/// What an answer asks a person to confirm.
#[derive(ToSchema)]
pub struct Asked {
    id: String,
    /// Connection and action.
    title: String,
    /// All that the person has to know, as the host wrote it from the call's own input.
    text: String,
    expires_at: String,
}

/// A call that a person was asked to confirm.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Approval {
    id: String,
    /// `pending`, `approved` (the call is being made, or its host died meanwhile), `declined`, `expired`, `executed` or
    /// `failed`.
    state: String,
    title: String,
    text: String,
    /// The connection's id.
    connection: String,
    action: String,
    /// What the action is called with, whole.
    input: serde_json::Value,
    conversation_id: String,
    /// The answer that asks.
    message_id: String,
    /// Your own id for the person who was asked.
    visitor_id: Option<String>,
    #[schema(rename = "created_at")]
    created_at: String,
    #[schema(rename = "expires_at")]
    expires_at: String,
    #[schema(rename = "decided_at")]
    decided_at: Option<String>,
    /// Why it was declined.
    reason: Option<String>,
    /// What came of the call: `{"output": …}` or `{"error": {"kind", "message"}}`.
    outcome: Option<serde_json::Value>,
}

/// What a person says.
#[derive(ToSchema)]
pub struct Verdict {
    approved: bool,
    /// Told to the model when it is a no.
    reason: Option<String>,
    /// The visitor who was asked, when one was.
    #[schema(rename = "visitorId")]
    visitor_id: Option<String>,
}

#[derive(ToSchema)]
pub struct Step {
    tool: String,
    ok: bool,
    reason: Option<String>,
    /// The approval that the call waits for or came from; in a stored message.
    approval: Option<String>,
    /// `{connection, visitor}` when this visitor has to connect an account first.
    authorize: Option<BTreeMap<String, String>>,
    /// `{messages, tokens}` of the step `history`: what the model wasn't sent of a long conversation.
    omitted: Option<BTreeMap<String, u64>>,
}

/// What an answer rests on.
#[derive(ToSchema)]
pub struct Citation {
    /// As in the text's `[1]`.
    n: u32,
    title: String,
    url: Option<String>,
    /// The knowledge source, or the connection that was called.
    source_id: String,
    snippet: String,
}

#[derive(ToSchema)]
pub struct SearchResults {
    results: Vec<Passage>,
}

#[derive(ToSchema)]
pub struct Passage {
    id: String,
    source_id: String,
    title: String,
    /// The headings above it, such as `Billing › Refunds`.
    section: String,
    url: Option<String>,
    text: String,
    /// Comparable within one answer only.
    score: f32,
}

/// RFC 9457. `type` is a path on this host, where the problem is explained.
#[derive(ToSchema)]
pub struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// Every mistake of a request that is well-formed but wrong.
    errors: Option<Vec<Mistake>>,
    /// Which limit of the plan was reached.
    limit: Option<Limit>,
    /// Which query parameter is wrong, and what it, or the route, allows.
    parameter: Option<String>,
    allowed: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub struct Mistake {
    path: String,
    message: String,
}

#[derive(ToSchema)]
pub struct Limit {
    meter: String,
    limit: u64,
    used: u64,
    resets_at: String,
}
