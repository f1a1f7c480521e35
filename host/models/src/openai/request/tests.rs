use resly_core::model::{Role, ToolSpec};
use serde_json::json;

use super::*;

fn settings(token_limit: TokenLimit) -> Settings {
    Settings { token_limit, temperature: None }
}

fn written(limit: TokenLimit, request: &ModelRequest) -> Value {
    let EncodedRequest { body, .. } = body("m", settings(limit), &UnsupportedFields::default(), request).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn a_dialogue_with_tools_has_the_documented_shape() {
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: "call_connector".into(),
        arguments: arguments.into(),
        data: ProviderData::default(),
    };
    let request = ModelRequest {
        instructions: "Be kind.".into(),
        passages: vec![],
        messages: vec![
            ModelMessage::Text { role: Role::User, text: "hi \"there\"".into() },
            ModelMessage::ToolCalls {
                text: String::new(),
                calls: vec![call("c1", "{\"a\":1}"), call("c2", "{\"a")],
                data: ProviderData::default(),
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
    let request =
        ModelRequest { instructions: String::new(), passages: vec![], messages: vec![], tools: vec![], max_tokens: 5 };
    let body = written(TokenLimit::MaxCompletionTokens, &request);
    assert!(body.get("tools").is_none() && body.get("max_tokens").is_none());
    assert_eq!(body["max_completion_tokens"], 5);
}

#[test]
fn the_name_of_the_token_limit_goes_by_host_and_by_model() {
    let newer = [
        ("api.openai.com", "gpt-4o"),
        ("eu.api.openai.com", "m"),
        ("me.openai.azure.com", "mine"),
        ("127.0.0.1", "o1"),
        ("127.0.0.1", "o3-mini-2025-01-31"),
        ("openrouter.ai", "openai/o4-mini"),
        ("127.0.0.1", "gpt-5"),
        ("127.0.0.1", "azure/gpt-5.1-chat"),
        ("127.0.0.1", "GPT-5-nano"),
    ];
    for (host, model) in newer {
        assert_eq!(TokenLimit::of(host, model), TokenLimit::MaxCompletionTokens, "{host} {model}");
    }
    let older = [
        ("127.0.0.1", "llama3"),
        ("api.openai.com.example", "gpt-4o"),
        ("127.0.0.1", "gpt-4.1"),
        ("127.0.0.1", "gpt-oss:20b"),
        ("127.0.0.1", "olmo-2"),
        ("127.0.0.1", "openai/gpt-oss-120b"),
        ("127.0.0.1", ""),
    ];
    for (host, model) in older {
        assert_eq!(TokenLimit::of(host, model), TokenLimit::MaxTokens, "{host} {model}");
    }
}

#[test]
fn what_a_server_sent_beside_its_message_goes_back_where_it_was() {
    let data = |value: Value| ProviderData(value.as_object().unwrap().clone());
    let request = ModelRequest {
        instructions: String::new(),
        passages: vec![],
        messages: vec![ModelMessage::ToolCalls {
            text: "Look.".into(),
            calls: vec![ToolCall {
                id: "c".into(),
                name: "f".into(),
                arguments: "{}".into(),
                data: data(json!({"extra_content": {"google": {"thought_signature": "s"}}, "function": {"note": 1}})),
            }],
            data: data(json!({"reasoning_content": "hm", "<think>": "<think>a</think>"})),
        }],
        tools: vec![],
        max_tokens: 5,
    };
    let expected = json!({"role": "assistant", "content": "<think>a</think>\n\nLook.", "reasoning_content": "hm", "tool_calls": [
        {"id": "c", "type": "function", "extra_content": {"google": {"thought_signature": "s"}},
         "function": {"name": "f", "arguments": "{}", "note": 1}}]});
    assert_eq!(written(TokenLimit::MaxTokens, &request)["messages"][1], expected);

    let mut refused = UnsupportedFields::default();
    refused.add([
        OptionalField::Returned("reasoning_content".to_owned()),
        OptionalField::MaxTokens,
        OptionalField::Stream,
    ]);
    let written = body("m", settings(TokenLimit::MaxTokens), &refused, &request).unwrap();
    let sent: Value = serde_json::from_slice(&written.body).unwrap();
    assert!(sent["messages"][1].get("reasoning_content").is_none());
    assert_eq!((&sent["max_completion_tokens"], &sent["stream"]), (&json!(5), &json!(false)));
    assert!(sent.get("stream_options").is_none() && sent.get("max_tokens").is_none());
    let returned = |name: &str| OptionalField::Returned(name.to_owned());
    assert_eq!(written.optional, [returned("note"), returned("extra_content"), OptionalField::MaxCompletionTokens]);
}
