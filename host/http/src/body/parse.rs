//! Weighs a body's JSON, and parses it as a type.

use resly_core::json::without_bom;
use resly_manifest::json_weight::{WeighError, weigh};
use resly_service::FieldError;
use serde::de::DeserializeOwned;

use super::type_errors::type_errors;
use crate::problem::{Problem, kinds};

/// A smaller body is parsed where it arrives and isn't weighed, because it can't become large.
pub(super) const SMALL: usize = 4 << 10;
/// The most that a parsed body may weigh: see [`resly_manifest::json_weight`].
pub(super) const WEIGHT_CAP: usize = 48 << 20;
const LARGE_WEIGHT_CAP: usize = 256 << 20;
/// The bytes that a body takes after it is parsed. A body that isn't JSON takes none, and parsing it then fails.
pub(super) fn weight(bytes: &[u8], most: usize) -> Result<usize, Problem> {
    let Ok(text) = std::str::from_utf8(without_bom(bytes)) else { return Ok(0) };
    match weigh(text, most) {
        Ok(weight) => Ok(weight),
        Err(WeighError::NotJson) => Ok(0),
        Err(error @ WeighError::TooHeavy { .. }) => {
            Err(Problem::new(&kinds::BODY_TOO_LARGE, format!("the body can't be taken: {error}; send less at once")))
        }
    }
}

/// Parses a body of at most [`super::LARGE_BODY_CAP`]. Call it on a thread of [`super::ParserPools`], and drop the
/// result there.
pub fn parse_large<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    weight(bytes, LARGE_WEIGHT_CAP)?;
    parse_or_nothing(bytes)
}

/// The same for a body of at most [`super::BODY_CAP`].
pub fn parse_weighed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    weight(bytes, WEIGHT_CAP)?;
    parse(bytes)
}

/// Parses JSON: 400 when it isn't JSON, 422 when it is but doesn't fit.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // The whole text is checked first, because a parser skips over members that it doesn't keep.
    let text = std::str::from_utf8(without_bom(bytes)).map_err(|error| {
        Problem::new(&kinds::INVALID_JSON, format!("the body is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(Problem::new(&kinds::INVALID_JSON, "the body is empty; this route reads a JSON object"));
    }
    // `serde` would take a list for an object, and its items for the members in the order in which the code has them.
    if text.trim_start().starts_with('[') {
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| not_json(&error))?;
        return Err(Problem::invalid(vec![FieldError::new("$", "an object is expected, not a list")]));
    }
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() { Problem::invalid(type_errors::<T>(text, &error)) } else { not_json(&error) }
    })
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(&kinds::INVALID_JSON, format!("the body is not valid JSON: {error}"))
}

/// The same. An absent body is an object without members, if the type allows that.
pub(super) fn parse_or_nothing<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if !bytes.is_empty() {
        return parse(bytes);
    }
    parse(b"{}").map_err(|problem| {
        let detail = format!("the body is empty; this route reads a JSON object, and {}", problem.detail());
        Problem::new(&kinds::INVALID_JSON, detail)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_member_whose_name_is_a_key_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            #[serde(rename = "name")]
            _name: Option<String>,
        }
        let problem = parse::<Body>(br#"{"sk_live_4eC39HqLyjWDarjtT1zdp7dc": "x"}"#).unwrap_err();
        let told = format!("{problem:?}");
        assert!(told.contains("[masked]") && told.contains("`name`") && !told.contains("4eC39"), "{told}");
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Kind {
            Live,
        }
        type Fields = std::collections::BTreeMap<String, Kind>;
        for wrong in [
            r#""hunter2, expected or not""#,
            r#"{"a": "hunter2"}"#,
            r#"{"a": ["hunter2"]}"#,
            r#"["hunter2"]"#,
            "77123456789",
        ] {
            let problem = parse::<Fields>(wrong.as_bytes()).unwrap_err();
            let text = problem.to_json().to_string();
            assert!(!text.contains("hunter2") && !text.contains("7712") && text.contains("expected"), "{text}");
        }
        assert!(matches!(parse::<Fields>(br#"{"a": "live"}"#).unwrap()["a"], Kind::Live));
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        id: u32,
        lines: Vec<Line>,
        #[serde(default)]
        notes: std::collections::BTreeMap<String, String>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Line {
        count: u32,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Optional {
        overlap_s: Option<u64>,
    }

    #[test]
    fn a_mistake_is_told_at_its_path() {
        let mistake = |body: &str| {
            let problem = parse::<Order>(body.as_bytes()).unwrap_err().to_json();
            let told = problem["errors"][0].clone();
            (told["path"].as_str().unwrap().to_owned(), told["message"].as_str().unwrap().to_owned())
        };
        let told = |path: &str, message: &str| (path.to_owned(), message.to_owned());
        let good = parse::<Order>(br#"{"id": 1, "lines": [{"count": 2}]}"#).unwrap();
        assert_eq!((good.id, good.lines[0].count, good.notes.len()), (1, 2, 0));
        assert_eq!(mistake(r#"{"lines": []}"#), told("id", "it is missing"));
        assert_eq!(mistake(r#"{"id": 1, "lines": [{"count": 1}, {}]}"#), told("lines[1].count", "it is missing"));
        let wrong = "a whole number from 0 to 4294967295 is expected, not a text";
        assert_eq!(mistake(r#"{"id": 1, "lines": [{"count": "7"}]}"#), told("lines[0].count", wrong));
        assert_eq!(
            mistake(r#"{"id": 1, "lines": [], "notes": {"shop": 5}}"#),
            told("notes.shop", "a text is expected, not an integer")
        );
        let unknown = "unknown field `lnes`, expected one of `id`, `lines`, `notes`";
        assert_eq!(mistake(r#"{"id": 1, "lnes": []}"#), told("lnes", unknown));
        assert_eq!(mistake("[1, [], {}]"), told("$", "an object is expected, not a list"));
        let unsigned = "a whole number from 0 to 4294967295 is expected";
        assert_eq!(mistake(r#"{"id": -1, "lines": []}"#), told("id", unsigned));
        let fraction = "a whole number from 0 to 4294967295 is expected, not a number with a fraction";
        assert_eq!(mistake(r#"{"id": 2.5, "lines": []}"#), told("id", fraction));
    }

    #[test]
    fn no_body_is_an_object_without_members_where_that_is_enough() {
        assert_eq!(parse_or_nothing::<Optional>(b"").unwrap().overlap_s, None);
        assert_eq!(parse_or_nothing::<Value>(b"").unwrap(), serde_json::json!({}));
        assert_eq!(parse_or_nothing::<Optional>(br#"{"overlap_s": 5}"#).unwrap().overlap_s, Some(5));
        assert_eq!(parse_or_nothing::<Optional>(b" ").unwrap_err().kind().slug, "invalid-json");
        let problem = parse_or_nothing::<Order>(b"").unwrap_err();
        assert_eq!(problem.kind().slug, "invalid-json");
        assert_eq!(
            problem.detail(),
            "the body is empty; this route reads a JSON object, and 2 mistakes; the first is at id"
        );
    }

    #[test]
    fn what_is_no_json_is_400_and_what_does_not_fit_is_422() {
        let kind = |bytes: &[u8]| parse::<std::collections::BTreeMap<String, u32>>(bytes).err().unwrap().kind().slug;
        assert_eq!(kind(b""), "invalid-json");
        assert_eq!(kind(b"{"), "invalid-json");
        assert_eq!(kind(b"{\"a\":1}x"), "invalid-json");
        assert_eq!(kind(b"\xff\xfe"), "invalid-json");
        assert_eq!(kind(b"{\"a\":\"text\"}"), "invalid-request");
        assert_eq!(parse::<Value>("[".repeat(100_000).as_bytes()).err().unwrap().kind().slug, "invalid-json");
    }
}
