//! The body of a response: tells JSON, text, web pages and empty bodies apart, and checks whether it is what the action
//! expects.

use resly_sdk::{Fault, Result, http::Response};
use serde_json::{Value, json, value::RawValue};

use crate::definition::{Expected, ResponseRule};

/// A body as JSON text, for error rules and mappings.
pub struct Body {
    pub json: String,
    pub kind: Kind,
    /// Why a part of it may be wrong.
    pub doubt: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    /// Empty: null.
    Empty,
    /// Not JSON: `{"text"}`.
    Text,
    /// A web page, in the same form.
    Page,
    /// Declared as JSON but invalid, in the same form.
    Broken,
}

/// Reads a body by its charset and its media type.
pub fn read(response: &Response, expected: Expected) -> Body {
    let decoded = response.decode();
    let text = decoded.text.as_ref();
    let media = response
        .header("content-type")
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let media = media.as_deref().filter(|media| !media.is_empty());
    let (kind, json) = if expected == Expected::Text {
        (Kind::Text, wrapped(text))
    } else if text.trim().is_empty() {
        (Kind::Empty, "null".to_owned())
    } else if media.is_none_or(is_json) || text.trim_start().starts_with(['{', '[']) {
        // A page whose text is a number is a page. With another declared type, a body has to look like JSON.
        if serde_json::from_str::<&RawValue>(text).is_ok() {
            (Kind::Json, text.to_owned())
        } else if is_page(media, text) {
            (Kind::Page, wrapped(text))
        } else if media.is_some_and(is_json) {
            (Kind::Broken, wrapped(text))
        } else {
            (Kind::Text, wrapped(text))
        }
    } else if is_page(media, text) {
        (Kind::Page, wrapped(text))
    } else {
        (Kind::Text, wrapped(text))
    };
    let doubt = decoded.doubt.filter(|_| kind != Kind::Empty);
    Body { json, kind, doubt }
}

/// Whether a media type is JSON: `application/json` and its relatives (RFC 6839, section 3.1), and others that services
/// use.
fn is_json(media: &str) -> bool {
    media.ends_with("/json") || media.ends_with("+json") || media.contains("json")
}

fn is_page(media: Option<&str>, text: &str) -> bool {
    let head = text.trim_start();
    let begins = |with: &str| head.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    media.is_some_and(|media| matches!(media, "text/html" | "application/xhtml+xml"))
        || begins("<!doctype html")
        || begins("<html")
}

fn wrapped(text: &str) -> String {
    json!({"text": text}).to_string()
}

impl Body {
    /// Refuses a body that can't be a success: a page instead of data, or one that the action can't use.
    ///
    /// # Errors
    /// The service's fault.
    pub fn check(
        &self,
        response: &Response,
        rule: &ResponseRule,
        asks_for_pages: bool,
        filters: &[&str],
    ) -> Result<()> {
        let wrong = |what: &str| {
            let media = response.header("content-type").unwrap_or("no type").split(';').next().unwrap_or_default();
            let media: String = media.trim().chars().take(60).collect();
            let message =
                format!("the service answered {} with {what} ({media}), which this action can't read", response.status);
            Err(Fault::upstream(message).retryable(false))
        };
        match (rule.expect, self.kind) {
            (Expected::Any | Expected::Text, _) | (_, Kind::Json) => Ok(()),
            (_, Kind::Broken) => wrong("what says that it is JSON and isn't"),
            (Expected::Json, Kind::Empty) => wrong("no body"),
            (Expected::Usual, Kind::Empty) => Ok(()),
            (_, Kind::Page) if asks_for_pages && rule.expect == Expected::Usual => Ok(()),
            (_, Kind::Page) => wrong("a web page"),
            (Expected::Json, Kind::Text) => wrong("a text"),
            // A filter that reads a text uses its name.
            (Expected::Usual, Kind::Text)
                if filters.iter().any(|filter| reads_members(filter) && !names(filter, "text")) =>
            {
                wrong("a text")
            }
            (Expected::Usual, Kind::Text) => Ok(()),
        }
    }
}

/// Refuses an output in which the mapping found nothing: every member is null, and the service didn't say that there is
/// nothing.
///
/// # Errors
/// The service's fault.
pub fn check_output(output: &str, body: &str, filter: &str) -> Result<()> {
    // Only an object can lack members, and most outputs have values right away.
    if !output.contains("null") || !output.contains('{') {
        return Ok(());
    }
    let output: Value = serde_json::from_str(output)?;
    let mut members = 0;
    if !is_void(&output, &mut members) || members == 0 {
        return Ok(());
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    if says_nothing(&body, filter) {
        return Ok(());
    }
    let message = "the service's answer has nothing of what the mapping looks for: it is not the answer that this action \
                   expects, or its author has to mend the mapping";
    Err(Fault::upstream(message).retryable(false))
}

/// Whether a value holds nothing but null.
fn is_void(value: &Value, members: &mut usize) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(|item| is_void(item, members)),
        Value::Object(object) => {
            *members += object.len();
            object.values().all(|member| is_void(member, members))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether the service said that there is nothing: by an empty list, or by null or an empty list in a member that the
/// filter names.
fn says_nothing(body: &Value, filter: &str) -> bool {
    let is_nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match body {
        Value::Array(items) => items.is_empty() || items.iter().any(|item| says_nothing(item, filter)),
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| if is_nothing(member) { names(filter, name) } else { says_nothing(member, filter) }),
        _ => false,
    }
}

/// Whether a filter contains a word.
fn names(filter: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && filter
            .match_indices(word)
            .any(|(at, _)| !filter[..at].ends_with(is_word) && !filter[at + word.len()..].starts_with(is_word))
}

/// Whether a filter reads members: by `.name`, `."name"` or `.[0]`, or by the short form in `{name, other}`.
fn reads_members(filter: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
    let by_path = filter
        .match_indices('.')
        .any(|(at, _)| filter[at + 1..].starts_with(|c: char| is_name(c) || c == '"' || c == '['));
    by_path
        || filter.match_indices(['{', ',']).any(|(at, _)| {
            let rest = filter[at + 1..].trim_start();
            let after = rest.trim_start_matches(|c: char| is_name(c) || c.is_ascii_digit());
            after.len() < rest.len() && rest.starts_with(is_name) && after.trim_start().starts_with([',', '}'])
        })
}
