//! What a server is asked: the body of `POST /v1/messages` (Anthropic's API documentation, "Create a Message").

use std::collections::BTreeSet;

use resly_core::model::{ModelMessage, ModelRequest, ProviderData, Role, ToolCall};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::blocks::BEFORE;
use crate::{
    prompt,
    server::EncodedRequest,
    unsupported::{OptionalField, UnsupportedFields},
};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    system: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Block<'a> {
    Own(OwnBlock<'a>),
    /// A block that the server sent.
    Returned(&'a Value),
    Call(Map<String, Value>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OwnBlock<'a> {
    Text { text: &'a str },
    ToolResult { tool_use_id: &'a str, content: &'a str },
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a Value,
}

#[derive(Serialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: &'static str,
}

pub fn body(
    model: &str,
    temperature: Option<f64>,
    refused: &UnsupportedFields,
    request: &ModelRequest,
) -> serde_json::Result<EncodedRequest> {
    let system = prompt::system(&request.instructions, &request.passages);
    let any = json!({"type": "object"});
    let mut tools: Vec<Tool<'_>> = request
        .tools
        .iter()
        .filter(|_| !refused.has(&OptionalField::Tools))
        .map(|tool| Tool { name: &tool.name, description: &tool.description, input_schema: &tool.parameters })
        .collect();
    let offered = !tools.is_empty();
    if !offered {
        // A dialogue with calls has to define their tools, even where the model is to answer without any.
        let called = called(&request.messages).into_iter();
        tools.extend(called.map(|name| Tool { name, description: "", input_schema: &any }));
    }
    let tool_choice = (!offered && !tools.is_empty()).then_some(ToolChoice { kind: "none" });
    let stream = !refused.has(&OptionalField::Stream);
    let temperature = temperature.filter(|_| !refused.has(&OptionalField::Temperature));
    let optional = [
        offered.then_some(OptionalField::Tools),
        stream.then_some(OptionalField::Stream),
        temperature.map(|_| OptionalField::Temperature),
    ];
    let body = serde_json::to_vec(&Body {
        model,
        max_tokens: request.max_tokens,
        stream,
        temperature,
        system: &system,
        messages: messages(&request.messages),
        tools,
        tool_choice,
    })?;
    Ok(EncodedRequest { body, optional: optional.into_iter().flatten().collect() })
}

/// The names of the tools that were called, each once.
fn called(messages: &[ModelMessage]) -> BTreeSet<&str> {
    let calls = messages.iter().flat_map(|message| match message {
        ModelMessage::ToolCalls { calls, .. } => calls.as_slice(),
        _ => &[],
    });
    calls.map(|call| call.name.as_str()).collect()
}

/// The dialogue. The results of a round are one message of the user's, because a call is refused whose result doesn't
/// follow at once.
fn messages(dialogue: &[ModelMessage]) -> Vec<Message<'_>> {
    let mut messages: Vec<Message<'_>> = Vec::new();
    for message in dialogue {
        let (role, content) = match message {
            ModelMessage::Text { role: Role::User, text } => ("user", Vec::from_iter(text_block(text))),
            ModelMessage::Text { role: Role::Assistant | Role::Agent, text } => {
                ("assistant", Vec::from_iter(text_block(text)))
            }
            ModelMessage::ToolCalls { text, calls, data } => {
                let said = before(data).chain(text_block(text));
                let called = calls.iter().flat_map(|call| before(&call.data).chain([Block::Call(call_block(call))]));
                ("assistant", said.chain(called).collect())
            }
            ModelMessage::ToolResult { call_id, content, .. } => {
                ("user", vec![Block::Own(OwnBlock::ToolResult { tool_use_id: call_id, content })])
            }
        };
        match messages.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(content),
            _ => messages.push(Message { role, content }),
        }
    }
    messages
}

/// A text that is blank is refused.
fn text_block(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Own(OwnBlock::Text { text }))
}

fn before(data: &ProviderData) -> impl Iterator<Item = Block<'_>> {
    data.0.get(BEFORE).and_then(Value::as_array).into_iter().flatten().map(Block::Returned)
}

fn call_block(call: &ToolCall) -> Map<String, Value> {
    // What isn't an object is refused; the tool's result tells the model what it did wrong.
    let input = serde_json::from_str::<Map<String, Value>>(&call.arguments).unwrap_or_default();
    let own =
        [("type", json!("tool_use")), ("id", json!(call.id)), ("name", json!(call.name)), ("input", json!(input))];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let others = call.data.0.iter().filter(|(name, _)| *name != BEFORE);
    own.chain(others.map(|(name, value)| (name.clone(), value.clone()))).collect()
}
