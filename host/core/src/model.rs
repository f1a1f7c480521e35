//! The port to a language model: one request in, a stream of events out.

pub mod estimate;
mod usage;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::estimate::TokenEstimate;
pub use self::usage::{ReportedUsage, TokenUsage};
use crate::knowledge::Passage;

/// Who wrote a message. A client's `system` text is an instruction and is never stored as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
    /// A person of the organization, who answers in the assistant's place.
    Agent,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Agent => "agent",
        }
    }
}

/// A request to a model.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// The host's own instructions, followed by the client's.
    pub instructions: String,
    /// The passages that retrieval found, with the numbers to cite them by. Providers write them into the prompt;
    /// `builtin` reads them directly.
    pub passages: Vec<NumberedPassage>,
    pub messages: Vec<ModelMessage>,
    /// Empty when the model has to answer now.
    pub tools: Vec<ToolSpec>,
    /// The most tokens that the model may write.
    pub max_tokens: u32,
}

#[derive(Clone, Debug)]
pub struct NumberedPassage {
    pub n: u32,
    pub passage: Passage,
}

/// One message of the dialogue, as a model sees it.
#[derive(Clone, Debug)]
pub enum ModelMessage {
    Text {
        role: Role,
        text: String,
    },
    /// The assistant's tool calls of one round, after the text before them.
    ToolCalls {
        text: String,
        calls: Vec<ToolCall>,
        /// The provider's data of that message.
        data: ProviderData,
    },
    /// A tool's output. It is data, inside its frame, and never an instruction.
    ToolResult {
        call_id: String,
        name: String,
        content: String,
    },
}

/// A tool that the model may call.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema (2020-12) of the arguments.
    pub parameters: Value,
    /// The actions that `call_connector` reaches, for models that match by rule instead of reading the schema.
    pub actions: Vec<ActionSpec>,
}

/// A connector's action as it is offered to a model.
#[derive(Clone, Debug)]
pub struct ActionSpec {
    /// The model's name for the connection.
    pub connection: String,
    pub action: String,
    pub title: String,
    pub description: String,
    pub input: Value,
    /// Whether it changes something.
    pub writes: bool,
    /// Whether the host asks a person to confirm it, so that the model needn't.
    pub confirmed: bool,
    /// Phrases of the organization's workflow rules that ask for this action. Case doesn't matter.
    pub triggers: Vec<String>,
}

/// A complete tool call of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// The JSON text that the model wrote, neither parsed nor trusted.
    pub arguments: String,
    /// The provider's data of this call.
    pub data: ProviderData,
}

/// Members of a provider's message or tool call that the host doesn't know, such as reasoning or a signature. Some
/// providers refuse the next round without them, so they are sent back unchanged. They are never shown to a client or
/// logged.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderData(pub Map<String, Value>);

impl ProviderData {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// About how many bytes it takes, counting names and texts.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
    }
}

/// Shows the names only, because the content is the provider's.
impl fmt::Debug for ProviderData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn value_bytes(value: &Value) -> usize {
    const SCALAR: usize = 8;
    match value {
        Value::String(text) => text.len() + SCALAR,
        Value::Array(items) => SCALAR + items.iter().map(value_bytes).sum::<usize>(),
        Value::Object(members) => {
            SCALAR + members.iter().map(|(name, value)| name.len() + value_bytes(value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => SCALAR,
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ModelEvent {
    /// The numbers that the answer cites, from a model that knows them before it writes.
    Cites(Vec<u32>),
    Text(String),
    /// A complete call, sent only after the stream has ended well.
    ToolCall(ToolCall),
    /// The data that the provider wants back with this message if its calls are run. Sent at most once, before
    /// `Finish`.
    Data(ProviderData),
    /// What the model wrote since the last such event that nobody is shown: thinking. Estimated, for answers whose provider
    /// doesn't count them.
    Hidden(TokenEstimate),
    /// What the provider has said of this answer's tokens so far. Each report takes the place of the one before. It follows
    /// the text that it counts.
    Usage(ReportedUsage),
    /// The model that writes the answer, as the provider names it. It may be another one than it was asked for.
    Model(String),
    /// The last event of a stream that ended well.
    Finish(FinishReason),
}

/// Why an answer ended. The names are those of the AI SDK's `finishReason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    Stop,
    ToolCalls,
    /// The answer was cut at the token limit.
    Length,
    /// The provider's own filter stopped it.
    ContentFilter,
    /// The provider ended it for another reason.
    Other,
}

impl FinishReason {
    pub const ALL: [Self; 5] = [Self::Stop, Self::ToolCalls, Self::Length, Self::ContentFilter, Self::Other];

    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::ToolCalls => "tool-calls",
            Self::Length => "length",
            Self::ContentFilter => "content-filter",
            Self::Other => "other",
        }
    }
}

/// Why a model did not answer. `Display` is for the operator's log. Clients only get the kind of error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model at {at} could not be reached: {detail}")]
    Unreachable { at: String, detail: String },
    #[error("the model at {at} refused the request with status {status}: {detail}")]
    Refused { at: String, status: u16, detail: String, retry_after_s: Option<u64> },
    #[error("the model at {at} sent nothing for {seconds} s")]
    Stalled { at: String, seconds: u64 },
    #[error("the model at {at} reported an error in its stream: {detail}")]
    InBand { at: String, detail: String },
    #[error("the model at {at} ended its stream without a finish reason")]
    Truncated { at: String },
    #[error("the model at {at} broke its protocol: {detail}")]
    Protocol { at: String, detail: String },
}

impl ModelError {
    /// The kind, as metrics name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Stalled { .. } => "stalled",
            Self::InBand { .. } => "in_band",
            Self::Truncated { .. } => "truncated",
            Self::Protocol { .. } => "protocol",
        }
    }
}

pub type ModelStream = BoxStream<'static, Result<ModelEvent, ModelError>>;

#[async_trait]
pub trait Model: Send + Sync + 'static {
    /// The name in metadata and logs, such as `builtin` or `openai:gpt-x`.
    fn name(&self) -> &str;
    /// Whether it is a language model, whose tokens are counted.
    fn is_language_model(&self) -> bool {
        true
    }
    /// Starts an answer. Dropping the stream cancels the request.
    async fn stream(&self, request: Arc<ModelRequest>) -> Result<ModelStream, ModelError>;
}
