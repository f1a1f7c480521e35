//! Builds a definition's request. Every value is encoded for its place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use resly_sdk::{Fault, Result, http::Request};
use serde_json::{Map, Value};

use crate::{
    Scope,
    definition::{BodyType, ListStyle, RequestRule, Separator},
    list,
    template::{Piece, Templates, pieces, plain, required},
};

/// All characters but the unreserved ones (RFC 3986, section 2.3).
pub const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub fn build(rule: &RequestRule, scope: &Scope) -> Result<Request> {
    let templates = Templates::new(&scope.0);
    let method = rule.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
    let mut request = Request::new(method, url(&rule.url, &templates)?);
    for (name, value) in &rule.query {
        let values = scalars(templates.value(value)?, name)?;
        match rule.separators.query.get(name) {
            Some(_) if values.is_empty() => {}
            Some(separator) => add_encoded(&mut request.url, name, &list::encoded(&values, *separator, name)?),
            None => values.iter().for_each(|value| add_query(&mut request.url, name, value)),
        }
    }
    for (name, value) in &rule.headers {
        let values = scalars(templates.value(value)?, name)?;
        let values = match rule.separators.headers.get(name) {
            Some(separator) if !values.is_empty() => vec![list::plain(&values, *separator, name)?],
            _ => values,
        };
        for value in values {
            if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
                let message = format!("the header `{name}` holds printable ASCII only, and no line breaks");
                return Err(Fault::invalid_input(message));
            }
            request = request.header(name, value);
        }
    }
    if !has(&request, "accept") {
        request = request.header("accept", "application/json");
    }
    request.timeout_ms = rule.timeout_ms;
    body(rule, &templates, request)
}

fn has(request: &Request, header: &str) -> bool {
    request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header))
}

/// Builds the URL. A value in the host is one label from the settings, in the path one segment, and in the query one
/// value.
fn url(template: &str, templates: &Templates) -> Result<String> {
    let mut url = String::with_capacity(template.len() + 32);
    for piece in pieces(template)? {
        match piece {
            Piece::Literal(literal) => url.push_str(literal),
            Piece::Expression(expression) => {
                if in_authority(&url) {
                    url.push_str(&label(expression, templates.required(expression)?)?);
                    continue;
                }
                let in_path = !url.contains('?');
                let value = match templates.evaluate(expression)? {
                    Some(list @ Value::Array(_)) if in_path => {
                        list::encoded(&scalars(Some(list), expression.trim())?, Separator::Comma, expression.trim())?
                    }
                    value => utf8_percent_encode(&required(expression, value)?, ENCODED).to_string(),
                };
                // A segment of dots would climb the path, and percent-encoding doesn't prevent that.
                if value.is_empty() || (in_path && value.bytes().all(|byte| byte == b'.')) {
                    return Err(Fault::invalid_input(format!("`{}` can't be `{value}` here", expression.trim())));
                }
                url.push_str(&value);
            }
        }
    }
    Ok(url)
}

/// Whether the URL so far ends within its scheme or host.
fn in_authority(url: &str) -> bool {
    url.split_once("://").is_none_or(|(_, rest)| !rest.contains(['/', '?', '#']))
}

fn label(expression: &str, value: String) -> Result<String> {
    let is_label = (1..=63).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-');
    if !expression.trim().starts_with("settings.") || !is_label {
        return Err(Fault::invalid_input("only a setting that is one DNS label may stand in the host".to_owned()));
    }
    Ok(value)
}

/// The texts to send for a value: none when undefined or null, several for a list.
fn scalars(value: Option<Value>, name: &str) -> Result<Vec<String>> {
    let wrong = || Fault::invalid_input(format!("`{name}` takes a text, a number, a truth value or a list of them"));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| plain(item).ok_or_else(wrong)).collect(),
        Some(value) => Ok(vec![plain(&value).ok_or_else(wrong)?]),
    }
}

/// Adds a query parameter, before a fragment if there is one.
pub fn add_query(url: &mut String, name: &str, value: &str) {
    add_encoded(url, name, &utf8_percent_encode(value, ENCODED).to_string());
}

/// Adds a query parameter with an encoded value.
fn add_encoded(url: &mut String, name: &str, value: &str) {
    let fragment = url.find('#').map(|at| url.split_off(at)).unwrap_or_default();
    url.push(if url.contains('?') { '&' } else { '?' });
    url.extend(utf8_percent_encode(name, ENCODED));
    url.push('=');
    url.push_str(value);
    url.push_str(&fragment);
}

/// Sets a query parameter. A parameter with that name in the URL is replaced in its place.
pub fn set_query(url: &mut String, name: &str, value: &str) {
    let (rest, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let Some((path, query)) = rest.split_once('?') else { return add_query(url, name, value) };
    let is_named = |pair: &str| decoded(pair.split('=').next().unwrap_or_default()) == name;
    let replacement = format!("{}={}", utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED));
    let mut placed = false;
    let mut pairs: Vec<&str> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if !is_named(pair) {
            pairs.push(pair);
        } else if !placed {
            placed = true;
            pairs.push(&replacement);
        }
    }
    if !placed {
        pairs.push(&replacement);
    }
    *url = format!("{path}?{}{fragment}", pairs.join("&"));
}

/// Decodes a name in a form (WHATWG URL, "application/x-www-form-urlencoded").
fn decoded(name: &str) -> String {
    percent_decode_str(&name.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn body(rule: &RequestRule, templates: &Templates, request: Request) -> Result<Request> {
    let value = if rule.body.is_null() { None } else { templates.value(&rule.body)? };
    let value = match value {
        Some(value) => value,
        // An empty form is still sent as a form: some services refuse a request without the content type.
        None if rule.body_type == BodyType::Form && takes_body(&request) => Value::Object(Map::new()),
        None => return Ok(request),
    };
    let typed = has(&request, "content-type");
    let (content_type, bytes) = match rule.body_type {
        BodyType::Json => ("application/json", serde_json::to_vec(&value)?),
        BodyType::Text => {
            let text = plain(&value).ok_or_else(|| Fault::internal("a body of type `text` must be a string"))?;
            ("text/plain; charset=utf-8", text.into_bytes())
        }
        BodyType::Form => {
            let Value::Object(members) = &value else {
                return Err(Fault::invalid_input("a form is an object of names and values"));
            };
            ("application/x-www-form-urlencoded", form(members, rule)?.into_bytes())
        }
    };
    let request = if typed { request } else { request.header("content-type", content_type) };
    Ok(request.body(bytes))
}

/// Whether a request may have a body (RFC 9110, section 9.3).
fn takes_body(request: &Request) -> bool {
    !matches!(request.method.as_str(), "GET" | "HEAD")
}

fn form(members: &Map<String, Value>, rule: &RequestRule) -> Result<String> {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let mut fields = Vec::new();
    for (name, value) in members {
        if let (Some(separator), Value::Array(_)) = (rule.separators.form.get(name), value) {
            let items = scalars(Some(value.clone()), name)?;
            if !items.is_empty() {
                fields.push(format!("{}={}", encode(name), list::encoded(&items, *separator, name)?));
            }
            continue;
        }
        let mut pairs = Vec::new();
        flatten(name, value, rule.list_style, &mut pairs);
        fields.extend(pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))));
    }
    Ok(fields.join("&"))
}

/// `{"a": {"b": [1], "c": [{"d": 2}]}}` as `a[b][]=1` and `a[c][0][d]=2`.
fn flatten(name: &str, value: &Value, style: ListStyle, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(member, value)| flatten(&format!("{name}[{member}]"), value, style, pairs));
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                // Only a number tells which of several objects a member belongs to.
                let name = match (item, style) {
                    (Value::Array(_) | Value::Object(_), _) => format!("{name}[{at}]"),
                    (_, ListStyle::Brackets) => format!("{name}[]"),
                    (_, ListStyle::Repeat) => name.to_owned(),
                };
                flatten(&name, item, style, pairs);
            }
        }
        scalar => pairs.extend(plain(scalar).map(|text| (name.to_owned(), text))),
    }
}
