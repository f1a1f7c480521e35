//! The shapes that servers send: a streamed chunk, with every quirk that is met in the wild read as what it means.
//!
//! Texts are borrowed from the event where their JSON has no escapes. Unknown members of a message and of a call are kept;
//! others are skipped without a copy.

use std::{borrow::Cow, fmt};

use resly_core::model::ReportedUsage;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::data::Members;

/// One chunk of an answer; or a whole answer, from servers that don't stream though they were asked to.
#[derive(Debug, Deserialize)]
pub struct Chunk<'a> {
    #[serde(borrow, default)]
    pub choices: DefaultOnNull<Vec<Choice<'a>>>,
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Present, whatever it holds, when the provider failed after it had answered 200.
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
    /// The model that writes the answer.
    #[serde(borrow, default)]
    pub model: Text<'a>,
    /// `error` in the errors of some servers.
    #[serde(borrow, default)]
    pub object: Text<'a>,
}

#[derive(Debug, Deserialize)]
pub struct Choice<'a> {
    #[serde(default)]
    pub index: Number,
    #[serde(borrow, default)]
    pub delta: DefaultOnNull<Delta<'a>>,
    /// What a server that doesn't stream sends in place of `delta`.
    #[serde(borrow, default)]
    pub message: DefaultOnNull<Delta<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Text<'a>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Delta<'a> {
    #[serde(borrow, default)]
    pub content: Text<'a>,
    /// What the model says in place of content when it declines.
    #[serde(borrow, default)]
    pub refusal: Text<'a>,
    #[serde(borrow, default)]
    pub tool_calls: DefaultOnNull<Vec<CallPart<'a>>>,
    /// The older shape of a single call.
    #[serde(borrow, default)]
    pub function_call: Option<FunctionPart<'a>>,
    #[serde(rename = "role", default)]
    _role: IgnoredAny,
    /// What the API doesn't document.
    #[serde(flatten)]
    pub data: Members,
}

#[derive(Debug, Default, Deserialize)]
pub struct CallPart<'a> {
    #[serde(default)]
    pub index: Number,
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub function: DefaultOnNull<FunctionPart<'a>>,
    #[serde(rename = "type", default)]
    _kind: IgnoredAny,
    #[serde(flatten)]
    pub data: Members,
}

#[derive(Debug, Default, Deserialize)]
pub struct FunctionPart<'a> {
    #[serde(borrow, default)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(flatten)]
    pub data: Members,
}

impl FunctionPart<'_> {
    /// The arguments' text: a string as the API says, or the JSON itself from servers that send it unquoted.
    pub fn arguments(&self) -> Cow<'_, str> {
        let raw = self.arguments.map_or("", RawValue::get);
        if raw.starts_with('"') {
            serde_json::from_str(raw).map_or(Cow::Borrowed(""), Cow::Owned)
        } else {
            Cow::Borrowed(raw)
        }
    }
}

/// The tokens of an answer so far (OpenAI's API reference, "The chat completion chunk object", `usage`).
#[derive(Debug, Default, Deserialize)]
pub struct Usage {
    #[serde(default)]
    prompt_tokens: Number,
    #[serde(default)]
    completion_tokens: Number,
    #[serde(default)]
    total_tokens: Number,
    #[serde(default)]
    prompt_tokens_details: DefaultOnNull<PromptDetails>,
    /// Where Kimi has what is in `prompt_tokens_details` elsewhere.
    #[serde(default)]
    cached_tokens: Number,
    /// DeepSeek's name for it.
    #[serde(default)]
    prompt_cache_hit_tokens: Number,
}

#[derive(Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Number,
}

impl Usage {
    /// What it says. Gemini's compatible API and xAI count thinking in the total alone, and bill it as output.
    pub fn reported(&self) -> ReportedUsage {
        let input = self.prompt_tokens.0;
        let beyond_input = self.total_tokens.0.zip(input).and_then(|(total, input)| total.checked_sub(input));
        let output = self.completion_tokens.0.max(beyond_input);
        let cached = [self.prompt_tokens_details.0.cached_tokens, self.cached_tokens, self.prompt_cache_hit_tokens];
        let cached = cached.into_iter().find_map(|number| number.0);
        ReportedUsage { input, cached_input: cached.map(|cached| cached.min(input.unwrap_or(cached))), output }
    }
}

/// A member that may be null, where null means absent.
#[derive(Debug, Default)]
pub struct DefaultOnNull<T>(pub T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for DefaultOnNull<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| Self(value.unwrap_or_default()))
    }
}

/// A count or index: a number, or whatever else, which is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number(pub Option<u64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let text = text.trim_matches('"').trim();
        Ok(Self(text.parse().ok().or_else(|| {
            // Counts written as floats; the range is checked, so nothing is cut off.
            let float = text.parse::<f64>().ok().filter(|value| (0.0..9e15).contains(value));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
            float.map(|value| value as u64)
        })))
    }
}

/// A text: a string, null for none, or an array of parts (`{"type":"text","text":…}`), which are joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, null, or text parts")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_owned())))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(value.to_string())))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(if value { "true" } else { "false" })))
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text<'de>, A::Error> {
                let mut all = Cow::Borrowed("");
                while let Some(Text(part)) = parts.next_element()? {
                    if all.is_empty() {
                        all = part;
                    } else {
                        all.to_mut().push_str(&part);
                    }
                }
                Ok(Text(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<Text<'de>, A::Error> {
                let mut text = Text::default();
                while let Some(Text(name)) = part.next_key()? {
                    if name == "text" {
                        text = part.next_value()?;
                    } else {
                        part.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(text)
            }
        }
        deserializer.deserialize_any(Seen).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_plain_delta_borrows_its_text() {
        let json =
            r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":null}]}"#;
        let chunk: Chunk<'_> = serde_json::from_str(json).unwrap();
        assert!(matches!(chunk.choices.0[0].delta.0.content.0, Cow::Borrowed("hi")));
        assert!(chunk.error.is_none());
    }

    #[test]
    fn nulls_are_absent_and_strangers_are_skipped() {
        for json in [
            r#"{"choices":null,"usage":null,"error":null}"#,
            r#"{"choices":[{"delta":null,"message":null,"logprobs":{"a":[1]},"finish_reason":null}]}"#,
            r#"{"choices":[{"index":null,"delta":{"content":null,"tool_calls":null,"function_call":null,"reasoning_content":"hm","refusal":null}}]}"#,
        ] {
            let chunk: Chunk<'_> = serde_json::from_str(json).unwrap();
            assert!(chunk.error.is_none());
            assert!(chunk.choices.0.iter().all(|choice| choice.delta.0.content.0.is_empty()));
        }
    }

    #[test]
    fn content_may_be_parts() {
        let json = r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a\n"},{"type":"image_url","image_url":{"url":"u"}},"b"]}}]}"#;
        let chunk: Chunk<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(chunk.choices.0[0].delta.0.content.0, "a\nb");
    }

    #[test]
    fn arguments_may_be_an_object() {
        let json = r#"{"tool_calls":[{"index":"2","id":7,"function":{"name":"f","arguments":{"a": [1]}}},{"function":{"arguments":"{\"a\":"}},{"function":null}]}"#;
        let delta: Delta<'_> = serde_json::from_str(json).unwrap();
        let parts = delta.tool_calls.0;
        assert_eq!(parts[0].index, Number(Some(2)));
        assert_eq!(parts[0].id.0, "7");
        assert_eq!(parts[0].function.0.arguments(), r#"{"a": [1]}"#);
        assert_eq!(parts[1].function.0.arguments(), r#"{"a":"#);
        assert_eq!(parts[2].function.0.arguments(), "");
    }

    #[test]
    fn members_that_nobody_documents_are_kept() {
        let json = r#"{"role":"assistant","content":"a","reasoning_content":"hm","tool_calls":[
            {"index":0,"id":"c","type":"function","extra_content":{"google":{"thought_signature":"s"}},
             "function":{"name":"f","arguments":"{}","parsed":true}}]}"#;
        let delta: Delta<'_> = serde_json::from_str(json).unwrap();
        let call = &delta.tool_calls.0[0];
        let kept = [&delta.data, &call.data, &call.function.0.data].map(|data| Value::Object(data.clone()));
        let google = json!({"extra_content": {"google": {"thought_signature": "s"}}});
        assert_eq!(kept, [json!({"reasoning_content": "hm"}), google, json!({"parsed": true})]);
        assert!(matches!(delta.content.0, Cow::Borrowed("a")));
    }

    #[test]
    fn counts_may_be_floats_or_missing() {
        let usage: Usage = serde_json::from_str(r#"{"prompt_tokens":12.0,"completion_tokens":null,"x":1}"#).unwrap();
        assert_eq!(usage.reported(), ReportedUsage { input: Some(12), ..ReportedUsage::default() });
    }

    #[test]
    fn a_total_may_count_thinking_that_the_parts_leave_out() {
        let read = |json: &str| serde_json::from_str::<Usage>(json).unwrap().reported();
        let said =
            |input, cached_input, output| ReportedUsage { input: Some(input), cached_input, output: Some(output) };
        assert_eq!(
            read(r#"{"prompt_tokens":20,"completion_tokens":198,"total_tokens":623}"#),
            said(20, None, 603),
            "as Gemini says it"
        );
        assert_eq!(read(r#"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":9}"#), said(9, None, 2));
        assert_eq!(read(r#"{"prompt_tokens":9,"total_tokens":11}"#), said(9, None, 2));
        for cached in [
            r#""prompt_tokens_details":{"cached_tokens":4}"#,
            r#""prompt_tokens_details":null,"cached_tokens":4"#,
            r#""prompt_cache_hit_tokens":4"#,
        ] {
            let usage = read(&format!(r#"{{"prompt_tokens":9,"completion_tokens":2,{cached}}}"#));
            assert_eq!(usage, said(9, Some(4), 2), "{cached}");
        }
    }
}
