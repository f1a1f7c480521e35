//! Finds where and why well-formed JSON doesn't fit a type, and describes it to the client.

use resly_service::FieldError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// The most unknown members that are told at once.
const MOST: usize = 10;
/// Only the first mistake of a longer body is told, because each further one means to read the body again.
const READ_AGAIN: usize = 64 << 10;

/// Finds every unknown member, up to [`MOST`], and the first mistake of another kind. Reading with paths is slower, so
/// it happens only after a failure.
pub(super) fn type_errors<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Vec<FieldError> {
    let mut found = Vec::new();
    let mut rest = std::borrow::Cow::Borrowed(text);
    while let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(&rest)) {
        let path = error.path().clone();
        let said = error.into_inner().to_string();
        found.push(type_error(&path, &said));
        // An unknown member hides the mistakes beside it, so it is removed.
        let unknown = said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let Some(name) = unknown.filter(|_| text.len() <= READ_AGAIN && found.len() < MOST) else { break };
        let Some(without) = without_member(&rest, &path, name) else { break };
        rest = without.into();
    }
    if found.is_empty() {
        found.push(FieldError::new("$", in_plain_words(&without_value(&error.to_string()))));
    }
    found
}

fn type_error(path: &Path, said: &str) -> FieldError {
    let path = Some(path.to_string()).filter(|path| path != ".").unwrap_or_default();
    // The path names the place, so the message needn't.
    let said = said.rfind(" at line ").map_or(said, |end| &said[..end]);
    if let Some(name) = said.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        return FieldError::new(path, "it is missing");
    }
    FieldError::new(if path.is_empty() { "$".to_owned() } else { path }, in_plain_words(&without_value(said)))
}

/// The JSON without one member: of the object at `path`, or of the object that holds the member at `path`.
fn without_member(text: &str, path: &Path, name: &str) -> Option<String> {
    let mut whole: Value = serde_json::from_str(text).ok()?;
    let mut at = &mut whole;
    for segment in path {
        if at.as_object().is_some_and(|members| members.contains_key(name)) {
            break;
        }
        at = match segment {
            Segment::Map { key } => at.get_mut(key)?,
            Segment::Seq { index } => at.get_mut(index)?,
            Segment::Enum { .. } | Segment::Unknown => at,
        };
    }
    at.as_object_mut()?.shift_remove(name)?;
    Some(whole.to_string())
}

/// Says what is expected, without the value, which may be a secret in the wrong place. `serde` says `invalid type:
/// string "the value", expected a map`.
fn without_value(said: &str) -> String {
    let start =
        ["invalid type: ", "invalid value: ", "unknown variant "].into_iter().find(|start| said.starts_with(start));
    let (Some(start), Some(expected)) = (start, said.rfind(", expected ")) else { return said.to_owned() };
    let value = said[start.len()..expected].find([' ', '`']).map_or(expected, |at| start.len() + at);
    format!("{}{}", said[..value].trim_end(), &said[expected..])
}

/// Replaces Rust's names of types by JSON's.
fn in_plain_words(said: &str) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("a sequence", "a list"),
        ("sequence", "list"),
        ("a map", "an object"),
        ("map", "object"),
        ("unit value", "null"),
        ("string", "text"),
        ("floating point", "number with a fraction"),
        ("boolean", "true or false"),
    ];
    let Some(rest) = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: ")) else {
        return said.to_owned();
    };
    let Some((got, wanted)) = rest.split_once(", expected ") else { return said.to_owned() };
    let plain = |word: &str| {
        let known = WORDS.iter().find(|(theirs, _)| *theirs == word || format!("a {theirs}") == word);
        known.map_or_else(|| word.to_owned(), |(_, ours)| (*ours).to_owned())
    };
    let wanted = match wanted {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number that isn't negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "a borrowed string" => "a text".to_owned(),
        // The names of our own types mean nothing to a client.
        wanted if wanted.starts_with("struct ") || wanted.starts_with("internally tagged enum ") => {
            "an object".to_owned()
        }
        wanted => plain(wanted),
    };
    format!("{wanted} is expected, not {}", article(&plain(got)))
}

fn article(noun: &str) -> String {
    match noun {
        "null" | "true or false" => noun.to_owned(),
        noun if noun.starts_with("a ") || noun.starts_with("an ") => noun.to_owned(),
        noun if noun.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {noun}"),
        noun => format!("a {noun}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(rename = "id")]
        _id: u32,
        #[serde(rename = "lines")]
        _lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[serde(rename = "count")]
        _count: u32,
    }

    fn told(text: &str) -> Vec<(String, String)> {
        let error = serde_json::from_str::<Order>(text).unwrap_err();
        type_errors::<Order>(text, &error).into_iter().map(|one| (one.path, one.message)).collect()
    }

    #[test]
    fn unknown_members_do_not_hide_other_mistakes() {
        let mistakes = told(r#"{"ids": 1, "lines": [{"cont": 2, "count": 1}, {"count": "x"}], "line": []}"#);
        let paths: Vec<&str> = mistakes.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["ids", "lines[0].cont", "lines[1].count"], "{mistakes:?}");
        let paths: Vec<String> =
            told(r#"{"ids": 1, "id": 1, "line": [], "lines": 5}"#).into_iter().map(|it| it.0).collect();
        assert_eq!(paths, ["ids", "line", "lines"]);
    }

    #[test]
    fn what_is_told_at_once_is_bounded() {
        let many: String = (0..50).map(|n| format!("\"x{n}\": 1,")).collect();
        assert_eq!(told(&format!("{{{many} \"id\": 1}}")).len(), MOST);
    }
}
