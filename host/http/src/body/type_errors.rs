//! Finds where and why well-formed JSON doesn't fit a type, and describes it to the client.

use resly_service::FieldError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment};

/// The most mistakes that are told at once.
const MOST: usize = 10;
/// Only the first mistake of a longer body is told, because each further one means to read the body again.
const READ_AGAIN: usize = 64 << 10;

/// Finds the mistakes, up to [`MOST`]. A parser stops at the first one, so each is mended and the body read again. Reading
/// with paths is slower, so it happens only after a failure.
pub(super) fn type_errors<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Vec<FieldError> {
    let Ok(mut body) = serde_json::from_str::<Value>(text) else { return vec![of_all(error)] };
    let mut found: Vec<FieldError> = Vec::new();
    let mut next = mistake::<T>(&body);
    while let Some(mistake) = next {
        found.push(mistake.described());
        if text.len() > READ_AGAIN || found.len() == MOST {
            break;
        }
        next = mend::<T>(&mut body, &mistake);
    }
    if found.is_empty() {
        found.push(of_all(error));
    }
    found
}

fn of_all(error: &serde_json::Error) -> FieldError {
    FieldError::new("$", in_plain_words(&without_value(&error.to_string())))
}

/// Where a body doesn't fit first, and what `serde` says of it, without the line.
struct Mistake {
    path: Path,
    said: String,
}

fn mistake<T: DeserializeOwned>(body: &Value) -> Option<Mistake> {
    // A type may keep JSON as text, which it can only read from text.
    let text = body.to_string();
    let error = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(&text)).err()?;
    let path = error.path().clone();
    let mut said = error.into_inner().to_string();
    // The path names the place, so the message needn't.
    said.truncate(said.rfind(" at line ").unwrap_or(said.len()));
    Some(Mistake { path, said })
}

impl Mistake {
    /// The member that is missing from the object at the path.
    fn missing(&self) -> Option<&str> {
        self.said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
    }

    /// The path of the value that is wrong or missing; empty for the whole body.
    fn place(&self) -> String {
        let path = Some(self.path.to_string()).filter(|path| path != ".").unwrap_or_default();
        match self.missing() {
            Some(name) if path.is_empty() => name.to_owned(),
            Some(name) => format!("{path}.{name}"),
            None => path,
        }
    }

    /// As the client is told of it.
    fn described(&self) -> FieldError {
        let place = Some(self.place()).filter(|place| !place.is_empty());
        let message = match self.missing() {
            Some(_) => "it is missing".to_owned(),
            None => in_plain_words(&without_value(&self.said)),
        };
        FieldError::new(place.unwrap_or_else(|| "$".to_owned()), message)
    }

    /// Whether it is about this place or what is in it.
    fn is_within(&self, place: &str) -> bool {
        self.place().strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// Mends one mistake, so that it doesn't hide the others, and returns the next one. `None` when there is no other, or when
/// nothing mends it.
fn mend<T: DeserializeOwned>(body: &mut Value, mistake: &Mistake) -> Option<Mistake> {
    let Mistake { path, said } = mistake;
    if let Some(name) = said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        remove_member(body, path, name)?;
        return self::mistake::<T>(body);
    }
    let place = mistake.place();
    if place.is_empty() {
        return None;
    }
    // The first of the variants that are expected, when it is one of a few.
    let variant = said.rsplit_once(", expected ").and_then(|(_, rest)| rest.split('`').nth(1)).unwrap_or_default();
    for value in [json!(null), json!(variant), json!(""), json!(1), json!(false), json!([]), json!({})] {
        let mut mended = body.clone();
        let mut at = at(&mut mended, path)?;
        if let Some(name) = mistake.missing() {
            at = at.as_object_mut()?.entry(name).or_insert(Value::Null);
        }
        *at = value;
        let next = self::mistake::<T>(&mended);
        if next.as_ref().is_none_or(|next| !next.is_within(&place)) {
            *body = mended;
            return next;
        }
    }
    None
}

fn at<'a>(body: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.iter().try_fold(body, |at, segment| match segment {
        Segment::Map { key } => at.get_mut(key),
        Segment::Seq { index } => at.get_mut(index),
        Segment::Enum { .. } | Segment::Unknown => Some(at),
    })
}

/// Removes one member of the object at `path`, or of the object that holds the member at `path`.
fn remove_member(body: &mut Value, path: &Path, name: &str) -> Option<()> {
    let mut at = body;
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
    at.as_object_mut()?.shift_remove(name).map(drop)
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
    const WORDS: [(&str, &str); 7] = [
        ("a sequence", "a list"),
        ("sequence", "list"),
        ("a map", "an object"),
        ("map", "object"),
        ("unit value", "null"),
        ("string", "text"),
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
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" | "u128" | "usize" => "a whole number that isn't negative".to_owned(),
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
    match got {
        // It is a whole number, and out of range.
        "integer" if wanted.starts_with("a whole number") => format!("{wanted} is expected"),
        "floating" => format!("{wanted} is expected, not a number with a fraction"),
        got => format!("{wanted} is expected, not {}", article(&plain(got))),
    }
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
        assert_eq!(paths, ["ids", "lines[0].cont", "lines[1].count", "line", "id"], "{mistakes:?}");
        let paths: Vec<String> =
            told(r#"{"ids": 1, "id": 1, "line": [], "lines": 5}"#).into_iter().map(|it| it.0).collect();
        assert_eq!(paths, ["ids", "line", "lines"]);
    }

    #[test]
    fn a_mistake_hides_no_other() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Scope {
            Chat,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only what is told of it matters")]
        struct Key {
            name: String,
            scopes: Vec<Scope>,
            cap: Option<u64>,
            lines: Vec<Line>,
            limits: std::collections::BTreeMap<String, u32>,
        }
        let text = r#"{"scopes": ["chatt", "chat", "x"], "cap": -1, "lines": {}, "limits": {"a": "x", "b": 1, "c": []}, "x": 1}"#;
        let error = serde_json::from_str::<Key>(text).unwrap_err();
        let told = type_errors::<Key>(text, &error);
        let paths: Vec<&str> = told.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["scopes[0]", "scopes[2]", "cap", "lines", "limits.a", "limits.c", "x", "name"], "{told:?}");
    }

    #[test]
    fn what_nothing_mends_ends_the_list() {
        let text = r#"{"lines": [7, {"count": "x"}], "id": "x"}"#;
        let told: Vec<String> = told(text).into_iter().map(|one| one.0).collect();
        assert_eq!(told, ["lines[0]"], "an object with members isn't guessed");
    }

    #[test]
    fn what_is_told_at_once_is_bounded() {
        let many: String = (0..50).map(|n| format!("\"x{n}\": 1,")).collect();
        assert_eq!(told(&format!("{{{many} \"id\": 1}}")).len(), MOST);
    }
}
