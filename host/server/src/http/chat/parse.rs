//! What a client may send to `/api/chat`: lenient about what it doesn't know, strict about what it does.
//!
//! Messages come as `{role, content}` with a text or a list of `{type: "text", text}` parts (the shape of OpenAI's chat
//! API), or as the AI SDK's UI messages `{id, role, parts}`. Every mistake is named with its path.
//!
//! The last message is the user's; or it is the assistant's, with what a person said about calls that wait for them (parts
//! in the state `approval-responded`, as the AI SDK sends them by itself).

use resly_core::{
    approval::Verdict,
    conversation::{ClientMessage, Role},
    id::ApprovalId,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::http::problem::{Mistake, Problem};

/// The most messages in one history.
pub const MESSAGES_CAP: usize = 1_000;
const NAME_CAP: usize = 200;
/// The most verdicts at once; an answer asks for fewer.
const VERDICTS_CAP: usize = 32;
/// Bytes of a person's reason; the rest is cut, with a mark.
const REASON_CAP: usize = 500;

/// A body that makes sense.
#[derive(Debug, PartialEq, Eq)]
pub struct ChatBody {
    /// What came as `role: system`. Instruction, not conversation.
    pub system: Vec<String>,
    pub messages: Vec<ClientMessage>,
    /// What a person said about the calls that the last message, then the assistant's, asks to confirm. An id that is none
    /// stays a text.
    pub verdicts: Vec<(Result<ApprovalId, String>, Verdict)>,
    pub conversation_id: Option<String>,
    pub visitor_id: Option<String>,
    /// The client's own name for the conversation.
    pub name: Option<String>,
}

impl ChatBody {
    /// SHA-256 of what the request means: two bodies that differ in spelling only are the same request.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |text: Option<&str>| {
            hash.update([u8::from(text.is_some())]);
            let text = text.unwrap_or_default();
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        for instruction in &self.system {
            field(Some(instruction));
        }
        field(None);
        field(self.conversation_id.as_deref());
        field(self.visitor_id.as_deref());
        field(self.name.as_deref());
        for message in &self.messages {
            field(message.id.as_deref());
            field(Some(message.role.name()));
            field(Some(&message.text));
        }
        for (id, verdict) in &self.verdicts {
            field(None);
            field(Some(&id.as_ref().map_or_else(Clone::clone, ToString::to_string)));
            match verdict {
                Verdict::Approve => field(Some("approved")),
                Verdict::Decline { reason } => field(reason.as_deref()),
            }
        }
        hash.finalize().into()
    }
}

/// Reads a body's JSON.
pub fn chat_body(json: Value) -> Result<ChatBody, Problem> {
    let Value::Object(mut body) = json else {
        return Err(Problem::invalid_at("$", "a JSON object is expected, with `messages`"));
    };
    let mut mistakes = Vec::new();
    let conversation_id = text_field(&mut body, "conversationId", &mut mistakes);
    let visitor_id = text_field(&mut body, "visitorId", &mut mistakes);
    let name = text_field(&mut body, "id", &mut mistakes);

    let mut system: Vec<String> = Vec::new();
    let mut messages = Vec::new();
    let mut verdicts = Vec::new();
    match body.remove("messages") {
        Some(Value::Array(items)) if items.len() > MESSAGES_CAP => mistakes.push(Mistake::new(
            "messages",
            format!(
                "at most {MESSAGES_CAP} messages are taken, not {}; send `conversationId` and the new ones only",
                items.len()
            ),
        )),
        Some(Value::Array(items)) => {
            messages.reserve(items.len());
            let last = items.len().saturating_sub(1);
            for (at, item) in items.into_iter().enumerate() {
                if at == last {
                    verdicts = verdicts_of(at, &item, &mut mistakes);
                }
                match message(at, item, &mut mistakes) {
                    Some(Said::System(text)) => system.push(text),
                    Some(Said::Message(message)) => messages.push(message),
                    None => {}
                }
                if mistakes.len() >= 20 {
                    break;
                }
            }
            if mistakes.is_empty() {
                match messages.last() {
                    None => mistakes.push(Mistake::new("messages", "at least one message of the user is needed")),
                    Some(last) if last.role != Role::User && verdicts.is_empty() => {
                        mistakes.push(Mistake::new("messages", "the last message must be the user's"));
                    }
                    Some(last) if last.role != Role::User => {}
                    Some(last) if last.text.trim().is_empty() => {
                        mistakes.push(Mistake::new("messages", "the last message is empty"));
                    }
                    Some(_) => {}
                }
            }
        }
        Some(_) => mistakes.push(Mistake::new("messages", "a list of messages is expected")),
        None => mistakes.push(Mistake::new("messages", "missing: a list of `{role, content}` is needed")),
    }
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    Ok(ChatBody { system, messages, verdicts, conversation_id, visitor_id, name })
}

/// What a person said in the AI SDK's client: `approval: {id, approved, reason?}` of the assistant's parts whose `state` is
/// `approval-responded`. Which calls these are about, only the stored approvals tell.
fn verdicts_of(at: usize, item: &Value, mistakes: &mut Vec<Mistake>) -> Vec<(Result<ApprovalId, String>, Verdict)> {
    let assistants = item.get("role").and_then(Value::as_str) == Some("assistant");
    let parts = item.get("parts").and_then(Value::as_array).filter(|_| assistants);
    let mut verdicts = Vec::new();
    for (part_at, part) in parts.into_iter().flatten().enumerate() {
        if part.get("state").and_then(Value::as_str) != Some("approval-responded") {
            continue;
        }
        let approval = &part["approval"];
        let path = |field: &str| format!("messages[{at}].parts[{part_at}].approval.{field}");
        let Some(id) = approval["id"].as_str().filter(|id| id.len() <= NAME_CAP) else {
            mistakes.push(Mistake::new(path("id"), "the approval's id is expected"));
            continue;
        };
        let verdict = match approval["approved"].as_bool() {
            Some(true) => Verdict::Approve,
            Some(false) => Verdict::Decline { reason: approval["reason"].as_str().and_then(reason) },
            None => {
                mistakes.push(Mistake::new(path("approved"), "true or false is expected"));
                continue;
            }
        };
        verdicts.push((id.parse().map_err(|_| id.to_owned()), verdict));
    }
    if verdicts.len() > VERDICTS_CAP {
        mistakes
            .push(Mistake::new(format!("messages[{at}].parts"), format!("at most {VERDICTS_CAP} approvals at once")));
    }
    verdicts
}

/// A person's reason for a no, without what isn't text, and not longer than anybody reads.
pub fn reason(text: &str) -> Option<String> {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match flat.trim() {
        "" => None,
        flat if flat.len() <= REASON_CAP => Some(flat.to_owned()),
        flat => Some(format!("{}…", &flat[..flat.floor_char_boundary(REASON_CAP)])),
    }
}

/// A short text, or nothing (`null` counts as nothing).
fn text_field(body: &mut Map<String, Value>, name: &str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    match body.remove(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if text.len() > NAME_CAP || text.chars().any(char::is_control) => {
            mistakes.push(Mistake::new(name, format!("at most {NAME_CAP} bytes without control characters")));
            None
        }
        Value::String(text) => Some(text),
        other => {
            mistakes.push(Mistake::new(name, format!("a text is expected, not {}", kind(&other))));
            None
        }
    }
}

enum Said {
    System(String),
    Message(ClientMessage),
}

fn message(at: usize, item: Value, mistakes: &mut Vec<Mistake>) -> Option<Said> {
    let path = |field: &str| format!("messages[{at}]{field}");
    let Value::Object(mut item) = item else {
        mistakes.push(Mistake::new(path(""), format!("an object is expected, not {}", kind(&item))));
        return None;
    };
    let before = mistakes.len();
    let id = match item.remove("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.is_empty() => None,
        Some(Value::String(id)) if id.len() <= NAME_CAP && !id.chars().any(char::is_control) => Some(id),
        Some(Value::String(_)) => {
            mistakes.push(Mistake::new(path(".id"), format!("at most {NAME_CAP} bytes without control characters")));
            None
        }
        Some(other) => {
            mistakes.push(Mistake::new(path(".id"), format!("a text is expected, not {}", kind(&other))));
            None
        }
    };
    let role = match item.remove("role") {
        Some(Value::String(role)) => match role.as_str() {
            "user" => Some(Some(Role::User)),
            "assistant" => Some(Some(Role::Assistant)),
            "system" => Some(None),
            other => {
                let other: String = other.chars().take(40).collect();
                mistakes
                    .push(Mistake::new(path(".role"), format!("`{other}` is none of `user`, `assistant`, `system`")));
                None
            }
        },
        Some(other) => {
            mistakes.push(Mistake::new(path(".role"), format!("a text is expected, not {}", kind(&other))));
            None
        }
        None => {
            mistakes.push(Mistake::new(path(".role"), "missing: one of `user`, `assistant`, `system`"));
            None
        }
    };
    let text = match (item.remove("parts"), item.remove("content")) {
        (Some(Value::Array(parts)), _) => ui_parts(at, parts, mistakes),
        (None | Some(Value::Null), Some(Value::String(text))) => text,
        (None | Some(Value::Null), Some(Value::Array(parts))) => content_parts(at, parts, mistakes),
        (Some(other), _) if !other.is_null() => {
            mistakes.push(Mistake::new(path(".parts"), format!("a list is expected, not {}", kind(&other))));
            String::new()
        }
        (_, Some(other)) => {
            let problem = format!("a text or a list of text parts is expected, not {}", kind(&other));
            mistakes.push(Mistake::new(path(".content"), problem));
            String::new()
        }
        (_, None) => {
            mistakes.push(Mistake::new(path(".content"), "missing: a text, or `parts`"));
            String::new()
        }
    };
    if mistakes.len() > before {
        return None;
    }
    Some(match role? {
        Some(role) => Said::Message(ClientMessage { id, role, text }),
        None => Said::System(text),
    })
}

/// `content: [{type: "text", text}]`: anything but text would be silently lost, so it is refused.
fn content_parts(at: usize, parts: Vec<Value>, mistakes: &mut Vec<Mistake>) -> String {
    let mut all = String::new();
    for (part_at, part) in parts.into_iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].content[{part_at}]{field}");
        match part.get("type").and_then(Value::as_str) {
            Some("text" | "input_text" | "output_text") => match part.get("text") {
                Some(Value::String(text)) => all.push_str(text),
                _ => mistakes.push(Mistake::new(path(".text"), "a text is expected")),
            },
            Some(_) => mistakes.push(Mistake::new(path(".type"), "only parts of type `text` are taken")),
            None => mistakes.push(Mistake::new(path(""), "`{\"type\": \"text\", \"text\": …}` is expected")),
        }
    }
    all
}

/// The AI SDK's parts. Its clients send an answer back with everything that came with it (steps, tools, sources,
/// reasoning): the text is the message, the rest is ours already. A file of the user's would be lost, so it is refused.
fn ui_parts(at: usize, parts: Vec<Value>, mistakes: &mut Vec<Mistake>) -> String {
    let mut all = String::new();
    for (part_at, part) in parts.into_iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].parts[{part_at}]{field}");
        match part.get("type").and_then(Value::as_str) {
            Some("text") => match part.get("text") {
                Some(Value::String(text)) => all.push_str(text),
                _ => mistakes.push(Mistake::new(path(".text"), "a text is expected")),
            },
            Some("file") => mistakes.push(Mistake::new(path(".type"), "files aren't taken")),
            Some(_) => {}
            None => mistakes.push(Mistake::new(path(".type"), "missing: a part has a type, such as `text`")),
        }
    }
    all
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistakes(body: Value) -> Vec<String> {
        let problem = chat_body(body).unwrap_err().to_json();
        assert_eq!(problem["status"], 422);
        let errors = problem["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|error| format!("{}: {}", error["path"].as_str().unwrap(), error["message"].as_str().unwrap()))
            .collect()
    }

    #[test]
    fn the_three_shapes_of_a_message_mean_the_same() {
        let shapes = [
            json!({"role": "user", "content": "hi there"}),
            json!({"role": "user", "content": [{"type": "text", "text": "hi "}, {"type": "text", "text": "there"}]}),
            json!({"role": "user", "parts": [{"type": "step-start"}, {"type": "text", "text": "hi there", "state": "done"}], "metadata": {}}),
        ];
        for shape in shapes {
            let body =
                chat_body(json!({"messages": [shape], "trigger": "submit-message", "conversationId": null})).unwrap();
            assert_eq!(body.messages, [ClientMessage { id: None, role: Role::User, text: "hi there".into() }]);
        }
    }

    #[test]
    fn system_messages_are_instructions() {
        let body = chat_body(json!({"messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]}))
        .unwrap();
        assert_eq!(body.system, ["Be brief."]);
        assert_eq!(body.messages.len(), 1);
    }

    #[test]
    fn every_mistake_is_named() {
        let found = mistakes(json!({"conversationId": 5, "messages": [
            {"role": "robot", "content": "x"}, {"content": 4}, 7, {"role": "user", "content": [{"type": "image_url"}]}]}));
        assert_eq!(found.len(), 6, "{found:#?}");
        assert!(found[0].starts_with("conversationId: a text is expected, not a number"));
        assert!(found[1].starts_with("messages[0].role: `robot` is none of"));
        assert!(found[5].starts_with("messages[3].content[0].type"));
    }

    #[test]
    fn empty_and_enormous_histories() {
        assert!(mistakes(json!({"messages": []}))[0].contains("at least one"));
        assert!(mistakes(json!({}))[0].contains("missing"));
        assert!(mistakes(json!({"messages": "hi"}))[0].contains("a list"));
        assert!(mistakes(json!({"messages": [{"role": "user", "content": " "}]}))[0].contains("empty"));
        assert!(
            mistakes(json!({"messages": [{"role": "assistant", "content": "a"}]}))[0].contains("must be the user's")
        );
        let many: Vec<_> = (0..1_001).map(|_| json!({"role": "user", "content": "x"})).collect();
        assert!(mistakes(json!({"messages": many}))[0].contains("at most 1000"));
        assert!(chat_body(json!([])).is_err());
    }

    #[test]
    fn a_person_s_verdicts_come_in_the_last_message_only() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let answered = |approval: Value| {
            json!({"role": "assistant", "parts": [{"type": "dynamic-tool", "toolName": "call_connector", "toolCallId": "c",
                "state": "approval-responded", "input": {}, "approval": approval}]})
        };
        let body = chat_body(json!({"messages": [answered(json!({"id": id, "approved": true}))]})).unwrap();
        assert_eq!(body.verdicts, [(Ok(id.parse().unwrap()), Verdict::Approve)]);
        let no =
            chat_body(json!({"messages": [answered(json!({"id": "x", "approved": false, "reason": "too\ndear"}))]}));
        let reason = Some("too dear".to_owned());
        assert_eq!(no.unwrap().verdicts, [(Err("x".to_owned()), Verdict::Decline { reason })]);
        // Whatever else a history says, it says nothing about approvals.
        let approved = answered(json!({"id": id, "approved": true}));
        let later = chat_body(json!({"messages": [approved, {"role": "user", "content": "hi"}]})).unwrap();
        assert!(later.verdicts.is_empty());
        let mut users = approved_by("user", id);
        users["parts"][1] = json!({"type": "text", "text": "hi"});
        assert!(chat_body(json!({"messages": [users]})).unwrap().verdicts.is_empty());
        let wrong = mistakes(json!({"messages": [answered(json!({"id": 5, "approved": true})),
            answered(json!({"id": id, "approved": "yes"}))]}));
        assert_eq!(wrong, ["messages[1].parts[0].approval.approved: true or false is expected"]);
    }

    fn approved_by(role: &str, id: &str) -> Value {
        json!({"role": role, "parts": [{"type": "dynamic-tool", "state": "approval-responded",
            "approval": {"id": id, "approved": true}}, {}]})
    }

    #[test]
    fn a_fingerprint_is_of_the_meaning() {
        let read = |body| chat_body(body).unwrap().fingerprint();
        let plain = read(json!({"messages": [{"role": "user", "content": "hi"}]}));
        assert_eq!(
            plain,
            read(json!({"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}], "extra": 1}))
        );
        assert_ne!(plain, read(json!({"messages": [{"role": "user", "content": "hi"}], "visitorId": "v"})));
        assert_ne!(plain, read(json!({"messages": [{"role": "user", "content": "hi!"}]})));
    }
}
