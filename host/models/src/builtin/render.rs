//! Showing what a tool returned: JSON as text that a person reads.

use resly_core::{
    approval::render::SAMPLE_DATA,
    connector::tool_error::ToolErrorKind,
    model::{ModelMessage, ModelRequest},
};
use serde_json::{Map, Value};

use crate::words::spaced;

/// Items that are shown of one list.
const ITEMS: usize = 5;
/// Lines that are shown of one result.
const LINES: usize = 60;
const DEPTH: usize = 6;
/// Bytes that are shown of one value.
const VALUE: usize = 400;

/// The answer out of the results of the last round.
pub fn results(request: &ModelRequest) -> String {
    let after = request.messages.iter().rposition(|message| !matches!(message, ModelMessage::ToolResult { .. }));
    let last = &request.messages[after.map_or(0, |at| at + 1)..];
    let told = last.iter().filter_map(|message| match message {
        ModelMessage::ToolResult { name, content, .. } => Some(result(request, name, content)),
        _ => None,
    });
    told.collect::<Vec<_>>().join("\n\n")
}

fn result(request: &ModelRequest, tool: &str, content: &str) -> String {
    let Fenced { n, title, connection, action, body } = unfence(content);
    let cite = n.map(|n| format!(" [{n}]")).unwrap_or_default();
    // Behind the value stand the host's and the connector's notes: that it was cut, that there is more.
    let mut values = serde_json::Deserializer::from_str(body).into_iter::<Value>();
    let Some(Ok(value)) = values.next() else { return format!("Nothing came back that I can show{cite}.") };
    // That it is sample data stands in the title.
    let notes = body[values.byte_offset()..].lines();
    let noted = notes.filter(|note| !note.contains(SAMPLE_DATA)).any(|note| !note.trim().is_empty());
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        // What was to change something says whether it is done.
        let kind = ToolErrorKind::from_name(error).unwrap_or(ToolErrorKind::Unavailable);
        let text = if value.get("done").is_some() { kind.write_for_customer() } else { kind.for_customer() };
        return text.to_owned();
    }
    if tool == "create_ticket" {
        let id = value.get("ticket_id").and_then(Value::as_str).unwrap_or_default();
        return format!("I've opened a ticket for a person to take over. Its number is {id}.");
    }
    let from = match (title, action) {
        ("", "") => heading(tool),
        ("", action) => heading(action),
        (title, _) => title.to_owned(),
    };
    // A change that is answered with nothing is made.
    let mut offered = request.tools.iter().flat_map(|tool| &tool.actions);
    if is_nothing(&value)
        && offered.any(|known| known.writes && known.connection == connection && known.action == action)
    {
        return format!("{from} is done{cite}.");
    }
    if is_nothing(&value) {
        return format!("{from} found nothing{cite}.");
    }
    let mut lines = Lines::default();
    lines.value(&value, 0);
    let more = if noted { "\n\nThis may not be all of it." } else { "" };
    format!("From {from}{cite}:\n\n{}{more}", lines.finish())
}

/// A tool result out of its fence.
struct Fenced<'a> {
    n: Option<u32>,
    /// Connection and action by their names.
    title: &'a str,
    connection: &'a str,
    action: &'a str,
    body: &'a str,
}

fn unfence(content: &str) -> Fenced<'_> {
    let whole = Fenced { n: None, title: "", connection: "", action: "", body: content };
    let Some(start) = content.find("<tool_result") else { return whole };
    let Some((attributes, body)) = content[start + "<tool_result".len()..].split_once('>') else { return whole };
    let body = body.rsplit_once("</tool_result").map_or(body, |(body, _)| body);
    let attribute = |name: &str| {
        let mut rest = attributes;
        while let Some(at) = rest.find(name) {
            let value = rest[at + name.len()..].trim_start().strip_prefix('=').map(|value| value.trim_start());
            let own = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
            if let (true, Some(value)) = (own, value) {
                return match value.strip_prefix('"') {
                    Some(quoted) => quoted.split('"').next().unwrap_or_default(),
                    None => value.split_whitespace().next().unwrap_or_default(),
                };
            }
            rest = &rest[at + name.len()..];
        }
        ""
    };
    Fenced {
        n: attribute("n").parse().ok(),
        title: attribute("title"),
        connection: attribute("connection"),
        action: attribute("action"),
        body,
    }
}

/// The lines of a result, bounded.
#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    left_out: usize,
}

impl Lines {
    fn push(&mut self, depth: usize, line: &str) {
        if self.lines.len() < LINES {
            self.lines.push(format!("{}- {line}", "  ".repeat(depth)));
        } else {
            self.left_out += 1;
        }
    }

    fn finish(mut self) -> String {
        if self.left_out > 0 {
            self.lines.push(format!("- … and {} more lines", self.left_out));
        }
        self.lines.join("\n")
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(members) => self.members(members, depth),
            Value::Array(items) => self.items(items, depth),
            scalar => self.push(depth, &one(scalar)),
        }
    }

    fn members(&mut self, members: &Map<String, Value>, depth: usize) {
        for (name, value) in members {
            let name = heading(name);
            match inline(value) {
                Some(text) if text.is_empty() => {}
                Some(text) => self.push(depth, &format!("{name}: {text}")),
                None if depth >= DEPTH => self.push(depth, &format!("{name}: …")),
                None => {
                    self.push(depth, &format!("{name}:"));
                    self.value(value, depth + 1);
                }
            }
        }
    }

    fn items(&mut self, items: &[Value], depth: usize) {
        for item in items.iter().take(ITEMS) {
            match (inline(item), item) {
                (Some(text), _) => self.push(depth, &text),
                (None, Value::Object(members)) => self.item(members, depth),
                (None, _) if depth >= DEPTH => self.push(depth, "…"),
                (None, other) => self.value(other, depth + 1),
            }
        }
        if items.len() > ITEMS {
            self.push(depth, &format!("… and {} more", items.len() - ITEMS));
        }
    }

    /// An object in a list: what is short on one line, the rest below it.
    fn item(&mut self, members: &Map<String, Value>, depth: usize) {
        let is_short = |value: &Value| inline(value).is_some();
        let brief: Vec<String> = members
            .iter()
            .filter_map(|(name, value)| Some((name, inline(value)?)))
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("{}: {text}", heading(name)))
            .collect();
        self.push(depth, &if brief.is_empty() { "…".to_owned() } else { brief.join("; ") });
        if depth < DEPTH {
            let rest = members.iter().filter(|(_, value)| !is_short(value));
            self.members(&rest.map(|(name, value)| (name.clone(), value.clone())).collect(), depth + 1);
        }
    }
}

/// A value that fits on a line: a scalar, an amount of money, a list of scalars. Empty for null.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Object(members) => money(members),
        Value::Array(items) if items.is_empty() => Some("none".to_owned()),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let shown: Vec<String> = items.iter().take(ITEMS * 2).map(one).collect();
            let more = items.len().saturating_sub(shown.len());
            let list = shown.join(", ");
            Some(if more > 0 { format!("{list} and {more} more") } else { list })
        }
        Value::Array(_) => None,
        scalar => Some(one(scalar)),
    }
}

/// `{"amount": "19.00", "currency": "EUR"}`, by the names that services use.
fn money(members: &Map<String, Value>) -> Option<String> {
    if members.len() != 2 {
        return None;
    }
    let amount = members.get("amount").filter(|value| value.is_string() || value.is_number())?;
    let currency =
        ["currency", "currency_code", "currencyCode"].iter().find_map(|name| members.get(*name)?.as_str())?;
    Some(format!("{} {currency}", one(amount)))
}

fn one(scalar: &Value) -> String {
    match scalar {
        Value::Null => String::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => short(&text.split_whitespace().collect::<Vec<_>>().join(" "), VALUE),
        other => other.to_string(),
    }
}

fn short(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.trim().is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        _ => false,
    }
}

/// `created_at` and `createdAt` as "Created At".
fn heading(name: &str) -> String {
    let mut words = String::new();
    let mut lower = false;
    for c in spaced(name).chars() {
        if c.is_uppercase() && lower {
            words.push(' ');
        }
        lower = c.is_lowercase() || c.is_ascii_digit();
        words.push(c);
    }
    let title = |word: &str| match word {
        "id" | "url" | "sku" | "vat" => word.to_uppercase(),
        _ => {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    };
    words.split_whitespace().map(title).collect::<Vec<String>>().join(" ")
}
