//! What a server is asked: the body of `POST /v1/chat/completions` (OpenAI's API reference, "Create chat completion").

use std::borrow::Cow;

use resly_core::model::{ModelMessage, ModelRequest, ProviderData, ToolCall};
use serde::{Serialize, Serializer, de::IgnoredAny};
use serde_json::Value;

use super::calls::FUNCTION;
use crate::{
    prompt,
    server::EncodedRequest,
    unsupported::{OptionalField, UnsupportedFields},
};

/// Where the thinking is kept that a server left in a message's text. It goes back in the text that it was taken from. No
/// server names a member like that.
pub const THINKING: &str = "<think>";

/// Under which name the limit on an answer's tokens goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimit {
    /// What everyone but OpenAI understands.
    MaxTokens,
    /// OpenAI's own reasoning models refuse the older name, wherever they are served.
    MaxCompletionTokens,
}

impl TokenLimit {
    pub fn of(host: &str, model: &str) -> Self {
        let theirs = ["api.openai.com", ".api.openai.com", ".openai.azure.com"];
        let on_their_host = theirs.iter().any(|name| host == *name || (name.starts_with('.') && host.ends_with(name)));
        if on_their_host || is_reasoning(model) { Self::MaxCompletionTokens } else { Self::MaxTokens }
    }

    /// The name to use, as far as the server takes it.
    fn supported_name(self, refused: &UnsupportedFields) -> Option<OptionalField> {
        let names = match self {
            Self::MaxTokens => [OptionalField::MaxTokens, OptionalField::MaxCompletionTokens],
            Self::MaxCompletionTokens => [OptionalField::MaxCompletionTokens, OptionalField::MaxTokens],
        };
        names.into_iter().find(|name| !refused.has(name))
    }
}

/// Whether a model's name, as gateways write it too (`openai/o3-mini`), is one of OpenAI's reasoning models: `o` and a
/// number, or `gpt` from 5 on.
fn is_reasoning(model: &str) -> bool {
    let name = model.rsplit(['/', ':']).find(|part| !part.is_empty()).unwrap_or(model).to_ascii_lowercase();
    let name = name.rsplit_once("openai.").map_or(name.as_str(), |(_, name)| name);
    let number = |text: &str| -> Option<u32> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        // `o3-mini` and `gpt-5.1`, but not `o3d`.
        let whole = text[digits..].chars().next().is_none_or(|next| !next.is_ascii_alphabetic());
        text[..digits].parse().ok().filter(|_| whole)
    };
    name.strip_prefix('o').and_then(number).is_some_and(|n| n < 100)
        || name.strip_prefix("gpt-").and_then(number).is_some_and(|n| (5..30).contains(&n))
}

/// What the operator sets for every request.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub token_limit: TokenLimit,
    pub temperature: Option<f64>,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    messages: Vec<Message<'a>>,
    /// Some servers refuse an empty list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
        #[serde(flatten)]
        data: Returned<'a>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
    #[serde(flatten)]
    data: Returned<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: Cow<'a, str>,
    #[serde(flatten)]
    data: Returned<'a>,
}

/// Members that the server sent itself, without those that it refuses to be sent.
struct Returned<'a>(Vec<(&'a String, &'a Value)>);

impl Serialize for Returned<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

pub fn body(
    model: &str,
    settings: Settings,
    refused: &UnsupportedFields,
    request: &ModelRequest,
) -> serde_json::Result<EncodedRequest> {
    let mut optional = Vec::new();
    let system = prompt::system(&request.instructions, &request.passages);
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    messages.push(Message::System { content: &system });
    let mut writer = Writer { refused, returned: Vec::new() };
    messages.extend(request.messages.iter().map(|message| writer.message(message)));
    optional.extend(writer.returned.into_iter().map(OptionalField::Returned));
    let without_tools = refused.has(&OptionalField::Tools);
    let offered = request.tools.iter().filter(|_| !without_tools);
    let tools: Vec<Tool<'_>> = offered
        .map(|tool| Tool {
            kind: "function",
            function: Function { name: &tool.name, description: &tool.description, parameters: &tool.parameters },
        })
        .collect();
    if !tools.is_empty() {
        optional.push(OptionalField::Tools);
    }
    let stream = !refused.has(&OptionalField::Stream);
    let stream_options =
        (stream && !refused.has(&OptionalField::StreamOptions)).then_some(StreamOptions { include_usage: true });
    let temperature = settings.temperature.filter(|_| !refused.has(&OptionalField::Temperature));
    let limit = settings.token_limit.supported_name(refused).filter(|_| !refused.has(&OptionalField::TokenLimit));
    optional.extend(stream.then_some(OptionalField::Stream));
    optional.extend(stream_options.is_some().then_some(OptionalField::StreamOptions));
    optional.extend(temperature.is_some().then_some(OptionalField::Temperature));
    let max = |name: OptionalField| (limit.as_ref() == Some(&name)).then_some(request.max_tokens);
    let body = serde_json::to_vec(&Body {
        model,
        stream,
        stream_options,
        temperature,
        max_tokens: max(OptionalField::MaxTokens),
        max_completion_tokens: max(OptionalField::MaxCompletionTokens),
        messages,
        tools,
    })?;
    optional.extend(limit);
    Ok(EncodedRequest { body, optional })
}

struct Writer<'r> {
    refused: &'r UnsupportedFields,
    /// The names of members that go back to the server.
    returned: Vec<String>,
}

impl Writer<'_> {
    fn message<'a>(&mut self, message: &'a ModelMessage) -> Message<'a> {
        use resly_core::model::Role;
        match message {
            ModelMessage::Text { role: Role::User, text } => Message::User { content: text },
            ModelMessage::Text { role: Role::Assistant | Role::Agent, text } => Message::Assistant {
                content: Some(Cow::Borrowed(text)),
                tool_calls: Vec::new(),
                data: Returned(Vec::new()),
            },
            ModelMessage::ToolCalls { text, calls, data } => {
                let content = match data.0.get(THINKING).and_then(Value::as_str) {
                    Some(thinking) => Some(Cow::Owned(format!("{thinking}\n\n{text}"))),
                    None => (!text.is_empty()).then_some(Cow::Borrowed(text.as_str())),
                };
                Message::Assistant {
                    content,
                    tool_calls: calls.iter().map(|one| self.call(one)).collect(),
                    data: self.returned(data.0.iter().filter(|(name, _)| *name != THINKING)),
                }
            }
            ModelMessage::ToolResult { call_id, content, .. } => Message::Tool { tool_call_id: call_id, content },
        }
    }

    fn call<'a>(&mut self, call: &'a ToolCall) -> Call<'a> {
        // Servers whose chat templates parse the arguments refuse a whole dialogue for one call that isn't JSON; the tool's
        // result tells the model what it did wrong.
        let arguments = match serde_json::from_str::<IgnoredAny>(&call.arguments) {
            Ok(_) => Cow::Borrowed(call.arguments.as_str()),
            Err(_) => Cow::Borrowed("{}"),
        };
        let ProviderData(data) = &call.data;
        let of_function = data.get(FUNCTION).and_then(Value::as_object).into_iter().flatten();
        Call {
            id: &call.id,
            kind: "function",
            function: CalledFunction { name: &call.name, arguments, data: self.returned(of_function) },
            data: self.returned(data.iter().filter(|(name, _)| *name != FUNCTION)),
        }
    }

    fn returned<'a>(&mut self, members: impl Iterator<Item = (&'a String, &'a Value)>) -> Returned<'a> {
        let taken: Vec<_> = members.filter(|(name, _)| !self.refused.has_returned(name)).collect();
        for (name, _) in &taken {
            if !self.returned.contains(name) {
                self.returned.push((*name).clone());
            }
        }
        Returned(taken)
    }
}

#[cfg(test)]
mod tests;
