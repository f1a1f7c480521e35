//! Finding an action's inputs in a question, by what their schema says of them: enumerations, formats, patterns,
//! examples, types and names.

mod text;

use std::collections::HashSet;

use resly_manifest::json_schema::Schema;
use serde_json::{Map, Value};

use self::text::{Text, bare, is_code, is_email, shape};
use crate::words::{spaced, stems, words};

/// What was found.
#[derive(Debug, Default)]
pub struct FilledInput {
    pub input: Map<String, Value>,
    /// How many inputs were recognised by what they look like, rather than taken for want of anything else.
    pub sure: usize,
    /// What to ask for; empty when the input is whole.
    pub missing: String,
}

/// Fills an object schema from a question. `known` are the stems of the action's own name, which say what it does and
/// not what to look for.
pub fn fill(schema: &Value, known: &HashSet<String>, question: &str) -> FilledInput {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = names(schema.get("required"));
    let text = Text::new(question);
    let mut filled = FilledInput::default();
    let mut sure: HashSet<&str> = HashSet::new();
    for (name, property) in properties {
        let must = required.contains(&name.as_str());
        let found = Property { name, schema: property, must, known }.find(&text);
        if let Some(Found { value, certain }) = found.filter(|found| fits(property, &found.value)) {
            if certain {
                sure.insert(name);
            }
            filled.input.insert(name.clone(), value);
        } else if let Some(default) = property.get("default").or_else(|| property.get("const")).filter(|_| must) {
            filled.input.insert(name.clone(), default.clone());
        }
    }
    filled.sure = sure.len();
    filled.missing = missing(schema, properties, &required, &mut filled.input);
    if !filled.missing.is_empty() {
        filled.sure = 0;
    }
    filled
}

/// What is still to be asked for. Takes inputs away where the schema allows one of several only.
fn missing(
    schema: &Value,
    properties: &Map<String, Value>,
    required: &[&str],
    input: &mut Map<String, Value>,
) -> String {
    let wanted: Vec<&str> = required.iter().copied().filter(|name| !input.contains_key(*name)).collect();
    if !wanted.is_empty() {
        return list(&wanted, properties, "and");
    }
    let ways: Vec<Vec<&str>> = ["anyOf", "oneOf"]
        .iter()
        .filter_map(|way| schema.get(way)?.as_array())
        .flatten()
        .map(|way| names(way.get("required")))
        .filter(|names| !names.is_empty())
        .collect();
    if fits(schema, &Value::Object(input.clone())) {
        // With nothing required, an action that finds one thing by its number still wants the number.
        let identifiers: Vec<&str> = properties.keys().map(String::as_str).filter(|name| is_identifier(name)).collect();
        let nothing = required.is_empty() && ways.is_empty() && !identifiers.is_empty();
        return if nothing && !identifiers.iter().any(|name| input.contains_key(*name)) {
            list(&identifiers, properties, "or")
        } else {
            String::new()
        };
    }
    for way in &ways {
        let only =
            |name: &str| required.contains(&name) || way.contains(&name) || !ways.iter().flatten().any(|n| *n == name);
        let part: Map<String, Value> =
            input.iter().filter(|(name, _)| only(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        if fits(schema, &Value::Object(part.clone())) {
            *input = part;
            return String::new();
        }
    }
    let mut any: Vec<&str> = ways.into_iter().flatten().collect();
    any.dedup();
    if any.is_empty() {
        any = properties.keys().map(String::as_str).filter(|name| !input.contains_key(*name)).collect();
    }
    if any.is_empty() { "more about what you are looking for".to_owned() } else { list(&any, properties, "or") }
}

fn names(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn fits(schema: &Value, value: &Value) -> bool {
    Schema::new(schema).is_ok_and(|schema| schema.check(value).is_ok())
}

/// "the order number (for example #1001) or the email".
fn list(wanted: &[&str], properties: &Map<String, Value>, between: &str) -> String {
    let named = wanted.iter().map(|name| {
        let schema = properties.get(*name).unwrap_or(&Value::Null);
        let label = schema.get("title").and_then(Value::as_str).map_or_else(|| spaced(name), str::to_lowercase);
        match examples(schema).first() {
            Some(example) => format!("the {label} (for example {example})"),
            None => format!("the {label}"),
        }
    });
    let named: Vec<String> = named.collect();
    match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} {between} {last}", before.join(", ")),
        None => String::new(),
    }
}

/// Whether a name is of what tells one thing from all others.
fn is_identifier(name: &str) -> bool {
    spaced(name).split(' ').any(|part| {
        let part = part.to_lowercase();
        matches!(
            part.as_str(),
            "id" | "number" | "no" | "email" | "mail" | "order" | "sku" | "handle" | "phone" | "code"
        )
    })
}

fn is_free_text(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(name.as_str(), "q" | "query" | "search" | "text" | "term" | "terms" | "keyword" | "keywords" | "question")
        || name.ends_with("_query")
}

/// Example values: the schema's own, or what looks like one in its description ("such as #1001").
fn examples(schema: &Value) -> Vec<String> {
    let own = schema.get("examples").and_then(Value::as_array).into_iter().flatten().chain(schema.get("example"));
    let own: Vec<String> = own
        .filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect();
    if !own.is_empty() {
        return own;
    }
    let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let tokens = description.split_whitespace().map(bare);
    tokens.filter(|token| is_code(token) || token.contains('@')).map(str::to_owned).collect()
}

struct Found {
    value: Value,
    certain: bool,
}

fn certain(text: impl Into<String>) -> Option<Found> {
    Some(Found { value: Value::String(text.into()), certain: true })
}

struct Property<'a> {
    name: &'a str,
    schema: &'a Value,
    must: bool,
    known: &'a HashSet<String>,
}

impl Property<'_> {
    fn find(&self, text: &Text<'_>) -> Option<Found> {
        if let Some(allowed) = self.schema.get("enum").and_then(Value::as_array) {
            return one_of(allowed, text);
        }
        match self.kind() {
            "string" => self.string(text),
            "integer" | "number" => self.number(text),
            _ => None,
        }
    }

    fn kind(&self) -> &str {
        match self.schema.get("type") {
            Some(Value::String(kind)) => kind,
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("")
            }
            _ => "string",
        }
    }

    fn string(&self, text: &Text<'_>) -> Option<Found> {
        let format = self.schema.get("format").and_then(Value::as_str).unwrap_or_default();
        let name = self.name.to_lowercase();
        let token = |test: &dyn Fn(&str) -> bool| text.tokens.iter().map(|token| token.text).find(|text| test(text));
        if format == "email" || name.contains("email") || name == "mail" {
            return token(&is_email).and_then(certain);
        }
        match format {
            "uri" | "url" => return token(&|text| text.starts_with("http")).and_then(certain),
            "date" => return token(&|text| shape(text) == "0-0-0" && text.len() == 10).and_then(certain),
            "date-time" | "uuid" => {
                return token(&|text| is_code(text) && fits(self.schema, &text.into())).and_then(certain);
            }
            _ => {}
        }
        if let Some(found) = self.by_pattern(text).or_else(|| self.by_example(text)) {
            return Some(found);
        }
        if let Some(code) = text.after(&self.hints()) {
            return certain(self.like_examples(code));
        }
        if is_free_text(self.name) {
            return self.free_text(text);
        }
        if let Some(quoted) = text.quoted.first().filter(|_| self.must && !is_identifier(self.name)) {
            return certain(*quoted);
        }
        self.only_code(text).map(|code| Found { value: self.like_examples(code).into(), certain: false })
    }

    fn number(&self, text: &Text<'_>) -> Option<Found> {
        let parse = |code: &str| -> Option<Value> {
            let digits = code.trim_start_matches('#');
            let whole = digits.parse::<i64>().map(Value::from);
            whole.ok().or_else(|| (self.kind() == "number").then(|| digits.parse::<f64>().ok().map(Value::from))?)
        };
        if let Some(value) = text.after(&self.hints()).and_then(parse) {
            return Some(Found { value, certain: true });
        }
        self.only_code(text).and_then(parse).map(|value| Found { value, certain: false })
    }

    /// The words that announce this input: its own name's, and for a bare `id` or `number` those of the action's name.
    fn hints(&self) -> HashSet<String> {
        let general = ["id", "number", "no", "name", "code", "key", "value"];
        let mut hints: HashSet<String> =
            stems(&spaced(self.name)).filter(|stem| !general.contains(&stem.as_str())).collect();
        if hints.is_empty() && is_identifier(self.name) {
            hints.clone_from(self.known);
        }
        hints
    }

    /// Where there is one code only, and it is needed, it is likely meant.
    fn only_code<'t>(&self, text: &Text<'t>) -> Option<&'t str> {
        let mut codes = text.codes();
        let only = codes.next().filter(|_| codes.next().is_none())?;
        (self.must && is_identifier(self.name)).then_some(only.1)
    }

    fn by_pattern(&self, text: &Text<'_>) -> Option<Found> {
        self.schema.get("pattern").and_then(Value::as_str)?;
        let schema = Schema::new(self.schema).ok()?;
        let fits = |candidate: &str| schema.check(&candidate.into()).is_ok();
        // A pattern that any word fits says nothing of what is meant.
        if fits("word") || fits("WORD") {
            return None;
        }
        text.codes().map(|(_, code)| code).find_map(|code| {
            let bare = code.trim_start_matches('#');
            let ways = [code.to_owned(), bare.to_owned(), format!("#{bare}"), code.to_uppercase()];
            ways.into_iter().find(|way| fits(way)).and_then(certain)
        })
    }

    fn by_example(&self, text: &Text<'_>) -> Option<Found> {
        let examples = examples(self.schema);
        if examples.is_empty() {
            return None;
        }
        if examples.iter().any(|example| is_email(example)) {
            return text.tokens.iter().map(|token| token.text).find(|text| is_email(text)).and_then(certain);
        }
        let shapes: HashSet<String> =
            examples.iter().filter(|example| is_code(example)).map(|one| shape(one)).collect();
        // Digits alone look like everything: for those it takes a word before them.
        let tells = |shape: &str| shape != "0" && shapes.contains(shape);
        let found = text.codes().map(|(_, code)| code).find(|code| tells(&shape(code)))?;
        certain(found)
    }

    /// A code in the manner of the examples: with their `#`, or without.
    fn like_examples(&self, code: &str) -> String {
        let bare = code.trim_start_matches('#');
        let ways = [code.to_owned(), format!("#{bare}"), bare.to_owned()];
        let examples = examples(self.schema);
        let alike = |way: &&String| examples.iter().any(|example| shape(example) == shape(way));
        ways.iter().find(alike).unwrap_or(&ways[0]).clone()
    }

    /// What is asked about: quoted words, or those that are no part of the action's own name.
    fn free_text(&self, text: &Text<'_>) -> Option<Found> {
        if let Some(quoted) = text.quoted.first() {
            return certain(*quoted);
        }
        let general = ["find", "search", "look", "show", "list", "need", "buy", "sell", "thank", "offer", "avail"];
        let topic: Vec<&str> = words(text.whole)
            .filter(|word| !word.stop && !self.known.contains(&word.stem) && !general.contains(&word.stem.as_str()))
            .map(|word| word.text)
            .collect();
        let topic = topic.join(" ");
        (!topic.is_empty()).then_some(Found { value: topic.into(), certain: false })
    }
}

/// The allowed value that the question names, the longest first.
fn one_of(allowed: &[Value], text: &Text<'_>) -> Option<Found> {
    let mut named: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
    named.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let found = named.into_iter().find(|value| {
        let value = spaced(&value.to_lowercase());
        let whole = |at: usize| {
            let before = text.lower[..at].chars().next_back();
            let after = text.lower[at + value.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        };
        !value.is_empty() && text.lower.match_indices(&value).any(|(at, _)| whole(at))
    })?;
    certain(found)
}
