//! Fields that a server refuses: found in its refusal, left out of the next request, and remembered.
//!
//! Servers name a field as OpenAI does (`error.param`), as FastAPI does (`detail[].loc`), or in a sentence.

use std::collections::BTreeSet;

use serde_json::Value;

/// A field of a request that can be left out, or replaced by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionalField {
    /// Without it the answer comes in one piece.
    Stream,
    StreamOptions,
    Temperature,
    MaxTokens,
    MaxCompletionTokens,
    /// Any limit on tokens, as high as it was.
    TokenLimit,
    Tools,
    /// A member of a message or call that the server sent itself.
    Returned(String),
}

impl OptionalField {
    pub fn name(&self) -> &str {
        match self {
            Self::Stream => "stream",
            Self::StreamOptions => "stream_options",
            Self::Temperature => "temperature",
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::TokenLimit => "token limit",
            Self::Tools => "tools",
            Self::Returned(name) => name,
        }
    }
}

/// What a server refused so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsupportedFields(BTreeSet<OptionalField>);

impl UnsupportedFields {
    pub fn has(&self, field: &OptionalField) -> bool {
        self.0.contains(field)
    }

    pub fn has_returned(&self, name: &str) -> bool {
        self.0.iter().any(|field| matches!(field, OptionalField::Returned(refused) if refused == name))
    }

    pub fn add(&mut self, fields: impl IntoIterator<Item = OptionalField>) {
        self.0.extend(fields);
    }

    /// Without what holds for one request only: how many tokens an answer may have depends on what was asked.
    pub fn without_request_limits(mut self) -> Self {
        self.0.remove(&OptionalField::TokenLimit);
        self
    }

    /// Adds what another request found.
    pub fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Which of the fields that were sent a refusal names.
pub fn named(refusal: &str, sent: &[OptionalField]) -> Vec<OptionalField> {
    let value = serde_json::from_str::<Value>(refusal).unwrap_or_else(|_| Value::String(refusal.to_owned()));
    let mut read = Read::default();
    read.value(&value, false);
    let text = read.text.to_lowercase();
    let is_named = |field: &&OptionalField| match field {
        OptionalField::Tools => takes_no_tools(&text),
        field if !read.places.is_empty() => read.places.contains(field.name()),
        field => mentions(&text, &field.name().to_lowercase()),
    };
    let found = sent.iter().filter(is_named).map(|field| match field {
        // The name is taken, and the number isn't: the other name would fare no better.
        OptionalField::MaxTokens | OptionalField::MaxCompletionTokens if !is_unknown(&text) => {
            OptionalField::TokenLimit
        }
        field => field.clone(),
    });
    let mut found: Vec<OptionalField> = found.collect();
    // A server that takes no tools is known by its words; what it takes otherwise isn't in doubt then.
    if found.contains(&OptionalField::Tools) {
        found.retain(|field| *field == OptionalField::Tools);
    }
    found
}

/// What a refusal says: where it says that the mistake is, and its sentences.
#[derive(Default)]
struct Read {
    places: BTreeSet<String>,
    text: String,
}

impl Read {
    /// `place` is whether the value tells a place.
    fn value(&mut self, value: &Value, place: bool) {
        match value {
            Value::String(text) if place => {
                let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                self.places.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
            }
            Value::String(text) => {
                self.text.push_str(text);
                self.text.push('\n');
                // Gateways hand on the refusal of another server as text.
                if let Ok(inner @ Value::Object(_)) = serde_json::from_str(text) {
                    self.value(&inner, false);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(item, place)),
            Value::Object(members) => {
                for (name, value) in members {
                    match name.as_str() {
                        // What was sent, told back.
                        "input" | "ctx" | "body" | "request" | "payload" | "url" => {}
                        "param" | "loc" | "field" | "path" | "property" => self.value(value, true),
                        _ => self.value(value, place),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Whether a sentence names a field. A name that is also a word has to be in quotes.
fn mentions(text: &str, name: &str) -> bool {
    const QUOTES: [char; 4] = ['\'', '"', '`', '\u{2019}'];
    let is_word = !name.contains('_') && name != OptionalField::Temperature.name();
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let quoted = |c: Option<char>| c.is_some_and(|c| QUOTES.contains(&c));
        !joined(before) && !joined(after) && (!is_word || (quoted(before) && quoted(after)))
    })
}

/// Whether a refusal says that it doesn't know the name, rather than that the value doesn't do.
fn is_unknown(text: &str) -> bool {
    const SIGNS: [&str; 14] = [
        "unsupported parameter",
        "not supported",
        "isn't supported",
        "does not support",
        "doesn't support",
        "unrecognized",
        "unknown",
        "unexpected",
        "not permitted",
        "not allowed",
        "additional propert",
        "extra_forbidden",
        "deprecated",
        "instead",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// Whether a refusal says that this model can't call tools at all.
fn takes_no_tools(text: &str) -> bool {
    let cant = ["does not support", "doesn't support", "not supported", "unsupported", "no support for"];
    let tools = [
        "support tools",
        "support tool ",
        "support function call",
        "tool use",
        "tool calling",
        "tools are not",
        "tools is not",
        "function calling",
    ];
    cant.iter().any(|sign| text.contains(sign)) && tools.iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent() -> Vec<OptionalField> {
        let returned = |name: &str| OptionalField::Returned(name.to_owned());
        vec![
            returned("reasoning_content"),
            returned("reasoning"),
            OptionalField::Tools,
            OptionalField::Stream,
            OptionalField::StreamOptions,
            OptionalField::Temperature,
            OptionalField::MaxTokens,
        ]
    }

    #[test]
    fn a_refusal_names_its_field_in_many_ways() {
        let returned = |name: &str| vec![OptionalField::Returned(name.to_owned())];
        let cases = [
            (
                json!({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                    'max_completion_tokens' instead.", "type": "invalid_request_error", "param": "max_tokens",
                    "code": "unsupported_parameter"}}),
                vec![OptionalField::MaxTokens],
            ),
            (
                json!({"error": {"message": "Unsupported value: 'temperature' does not support 0.2 with this model. Only the \
                    default (1) value is supported.", "param": "temperature", "code": "unsupported_value"}}),
                vec![OptionalField::Temperature],
            ),
            (
                json!({"error": {"message": "stream_options: extra field", "param": null}}),
                vec![OptionalField::StreamOptions],
            ),
            (
                json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                    "msg": "Extra inputs are not permitted", "input": {"temperature": 1}}]}),
                vec![OptionalField::StreamOptions],
            ),
            (
                json!({"error": {"message": "Your organization must be verified to stream this model.", "param": "stream"}}),
                vec![OptionalField::Stream],
            ),
            (json!({"message": "The parameter 'stream' can't be true"}), vec![OptionalField::Stream]),
            (
                json!({"error": {"message": "'messages.2' : for 'role:assistant' property 'reasoning' is unsupported"}}),
                returned("reasoning"),
            ),
            (
                json!({"error": {"param": "messages[2].reasoning_content", "message": "Unknown"}}),
                returned("reasoning_content"),
            ),
            (json!({"error": "registry.example/library/small:1b does not support tools"}), vec![OptionalField::Tools]),
            (
                json!({"error": {"message": "{\"error\": {\"message\": \"bad\", \"param\": \"temperature\"}}"}}),
                vec![OptionalField::Temperature],
            ),
            (
                json!({"error": {"message": "max_tokens is too large: 4096. This model supports at most 2048 completion \
                    tokens.", "param": "max_tokens"}}),
                vec![OptionalField::TokenLimit],
            ),
            (json!({"error": {"message": "messages: at least one is required", "param": "messages"}}), vec![]),
            (json!({"error": {"message": "The stream of reasoning tools broke"}}), vec![]),
            (json!({"error": {"message": "Invalid schema for function 'f' in tools[0]"}}), vec![]),
            (json!({}), vec![]),
        ];
        for (refusal, expected) in cases {
            assert_eq!(named(&refusal.to_string(), &sent()), expected, "{refusal}");
        }
        assert_eq!(named("unknown field `stream_options` at line 1", &sent()), [OptionalField::StreamOptions]);
        assert_eq!(named("<html>Bad Request</html>", &sent()), []);
    }

    #[test]
    fn only_what_was_sent_counts() {
        let refusal = r#"{"error": {"message": "Unsupported parameter: 'max_tokens'", "param": "max_tokens"}}"#;
        assert_eq!(named(refusal, &[OptionalField::MaxCompletionTokens, OptionalField::Stream]), []);
    }

    #[test]
    fn a_number_that_was_too_high_is_not_remembered() {
        let mut refused = UnsupportedFields::default();
        refused.add([OptionalField::TokenLimit, OptionalField::Stream]);
        let lasting = refused.without_request_limits();
        assert!(lasting.has(&OptionalField::Stream) && !lasting.has(&OptionalField::TokenLimit));
    }
}
