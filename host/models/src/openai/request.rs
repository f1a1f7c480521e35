//! What a server is asked: the body of `POST /v1/chat/completions` (OpenAI's API reference, "Create chat completion").

use std::borrow::Cow;

use resly_core::model::{ModelMessage, ModelRequest, ToolCall};
use serde::{Serialize, de::IgnoredAny};
use serde_json::Value;

use crate::prompt;

/// Under which name the limit on an answer's tokens goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimit {
    /// What everyone but OpenAI understands.
    MaxTokens,
    /// OpenAI's own reasoning models refuse the older name.
    MaxCompletionTokens,
}

impl TokenLimit {
    pub fn of(host: &str) -> Self {
        let theirs = ["api.openai.com", ".api.openai.com", ".openai.azure.com"];
        if theirs.iter().any(|name| host == *name || (name.starts_with('.') && host.ends_with(name))) {
            Self::MaxCompletionTokens
        } else {
            Self::MaxTokens
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    stream: bool,
    stream_options: StreamOptions,
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
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
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
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: Cow<'a, str>,
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

pub fn body(model: &str, limit: TokenLimit, request: &ModelRequest) -> serde_json::Result<Vec<u8>> {
    let system = prompt::system(&request.instructions, &request.passages);
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    messages.push(Message::System { content: &system });
    messages.extend(request.messages.iter().map(message));
    let tools = request.tools.iter().map(|tool| Tool {
        kind: "function",
        function: Function { name: &tool.name, description: &tool.description, parameters: &tool.parameters },
    });
    let max = Some(request.max_tokens);
    serde_json::to_vec(&Body {
        model,
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_tokens: max.filter(|_| limit == TokenLimit::MaxTokens),
        max_completion_tokens: max.filter(|_| limit == TokenLimit::MaxCompletionTokens),
        messages,
        tools: tools.collect(),
    })
}

fn message(message: &ModelMessage) -> Message<'_> {
    use resly_core::conversation::Role;
    match message {
        ModelMessage::Text { role: Role::User, text } => Message::User { content: text },
        ModelMessage::Text { role: Role::Assistant, text } => {
            Message::Assistant { content: Some(text), tool_calls: Vec::new() }
        }
        ModelMessage::ToolCalls { text, calls } => Message::Assistant {
            content: (!text.is_empty()).then_some(text),
            tool_calls: calls.iter().map(call).collect(),
        },
        ModelMessage::ToolResult { call_id, content, .. } => Message::Tool { tool_call_id: call_id, content },
    }
}

fn call(call: &ToolCall) -> Call<'_> {
    // Servers whose chat templates parse the arguments refuse a whole dialogue for one call that isn't JSON; the tool's
    // result tells the model what it did wrong.
    let arguments = match serde_json::from_str::<IgnoredAny>(&call.arguments) {
        Ok(_) => Cow::Borrowed(call.arguments.as_str()),
        Err(_) => Cow::Borrowed("{}"),
    };
    Call { id: &call.id, kind: "function", function: CalledFunction { name: &call.name, arguments } }
}

#[cfg(test)]
mod tests {
    use resly_core::{conversation::Role, model::ToolSpec};
    use serde_json::json;

    use super::*;

    fn written(limit: TokenLimit, request: &ModelRequest) -> Value {
        serde_json::from_slice(&body("m", limit, request).unwrap()).unwrap()
    }

    #[test]
    fn a_dialogue_with_tools_has_the_documented_shape() {
        let call = |id: &str, arguments: &str| ToolCall {
            id: id.into(),
            name: "call_connector".into(),
            arguments: arguments.into(),
        };
        let request = ModelRequest {
            instructions: "Be kind.".into(),
            passages: vec![],
            messages: vec![
                ModelMessage::Text { role: Role::User, text: "hi \"there\"".into() },
                ModelMessage::ToolCalls {
                    text: String::new(),
                    calls: vec![call("c1", "{\"a\":1}"), call("c2", "{\"a")],
                },
                ModelMessage::ToolResult { call_id: "c1".into(), name: "call_connector".into(), content: "ok".into() },
                ModelMessage::Text { role: Role::Assistant, text: "done".into() },
            ],
            tools: vec![ToolSpec {
                name: "call_connector".into(),
                description: "calls".into(),
                parameters: json!({"type": "object"}),
                actions: vec![],
            }],
            max_tokens: 77,
        };
        let body = written(TokenLimit::MaxTokens, &request);
        assert_eq!(body["stream"], true);
        assert_eq!(body["stream_options"], json!({"include_usage": true}));
        assert_eq!(body["max_tokens"], 77);
        assert!(body["messages"][0]["content"].as_str().unwrap().starts_with("Be kind."));
        let function = |arguments: &str| json!({"name": "call_connector", "arguments": arguments});
        let rest = json!([
            {"role": "user", "content": "hi \"there\""},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": function("{\"a\":1}")},
                {"id": "c2", "type": "function", "function": function("{}")},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            {"role": "assistant", "content": "done"},
        ]);
        assert_eq!(&body["messages"].as_array().unwrap()[1..], rest.as_array().unwrap().as_slice());
        assert_eq!(body["tools"][0]["function"]["parameters"], json!({"type": "object"}));
    }

    #[test]
    fn without_tools_there_is_no_list_of_them() {
        let request = ModelRequest {
            instructions: String::new(),
            passages: vec![],
            messages: vec![],
            tools: vec![],
            max_tokens: 5,
        };
        let body = written(TokenLimit::MaxCompletionTokens, &request);
        assert!(body.get("tools").is_none() && body.get("max_tokens").is_none());
        assert_eq!(body["max_completion_tokens"], 5);
    }

    #[test]
    fn only_openai_itself_gets_the_newer_name() {
        assert_eq!(TokenLimit::of("api.openai.com"), TokenLimit::MaxCompletionTokens);
        assert_eq!(TokenLimit::of("eu.api.openai.com"), TokenLimit::MaxCompletionTokens);
        assert_eq!(TokenLimit::of("127.0.0.1"), TokenLimit::MaxTokens);
        assert_eq!(TokenLimit::of("api.openai.com.example"), TokenLimit::MaxTokens);
    }
}
