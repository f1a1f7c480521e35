//! Reads what a form sent back to JSON.

use resly_service::FieldError;
use serde_json::{Map, Number, Value};

use super::shape::{Line, Node, Shape, is_within, text_of};
use crate::fields::Fields;

/// The value of a whole form.
pub fn value(root: &Node<'_>, fields: &Fields) -> Result<Value, Vec<FieldError>> {
    let mut mistakes = Vec::new();
    let value = node(root, fields, &mut mistakes).unwrap_or_else(|| Value::Object(Map::new()));
    if mistakes.is_empty() { Ok(value) } else { Err(mistakes) }
}

/// One value. `None` when nothing was filled in, or when it is a mistake.
fn node(node: &Node<'_>, fields: &Fields, mistakes: &mut Vec<FieldError>) -> Option<Value> {
    let typed = fields.text(&node.path);
    let read = match &node.shape {
        Shape::Object(children) => return object(node, children, fields, mistakes),
        Shape::Flag => return Some(Value::Bool(fields.checked(&node.path))),
        Shape::Choices(values) => several(values, &fields.all(&node.path)),
        Shape::Text { long: true, .. } if !typed.is_empty() => Ok(Value::from(fields.raw(&node.path))),
        _ if typed.is_empty() => return None,
        Shape::Choice(values) => chosen(values, typed),
        Shape::OptionalFlag => Ok(Value::Bool(typed == "yes")),
        Shape::Number { whole } => number(typed, *whole),
        Shape::Text { .. } => Ok(Value::from(typed)),
        Shape::Lines(line) => lines(typed, *line),
        Shape::Json => serde_json::from_str(typed).map_err(|error| format!("this can't be read as JSON: {error}")),
    };
    match read {
        Ok(Value::Array(items)) if items.is_empty() && !node.needed => None,
        Ok(value) => Some(value),
        Err(message) => {
            mistakes.push(FieldError::new(&node.path, message));
            None
        }
    }
}

fn object(of: &Node<'_>, children: &[Node<'_>], fields: &Fields, mistakes: &mut Vec<FieldError>) -> Option<Value> {
    let before = mistakes.len();
    let mut members = Map::new();
    for child in children {
        if let Some(value) = node(child, fields, mistakes) {
            members.insert(child.name.to_owned(), value);
        }
    }
    let begun = !members.is_empty() || mistakes.len() > before;
    if !begun && !of.required {
        return None;
    }
    for child in children {
        let told = mistakes.iter().any(|mistake| is_within(&mistake.path, &child.path));
        if child.needed && !members.contains_key(child.name) && !told {
            mistakes.push(FieldError::new(&child.path, "this is needed"));
        }
    }
    Some(Value::Object(members))
}

fn chosen(values: &[&Value], typed: &str) -> Result<Value, String> {
    let found = values.iter().find(|value| text_of(value) == typed);
    found.map(|value| (*value).clone()).ok_or_else(|| "choose one of the values".to_owned())
}

fn several(values: &[&Value], ticked: &[&str]) -> Result<Value, String> {
    ticked.iter().map(|typed| chosen(values, typed)).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn number(typed: &str, whole: bool) -> Result<Value, String> {
    if whole {
        let read = typed.parse::<i64>().map(Value::from).or_else(|_| typed.parse::<u64>().map(Value::from));
        return read.map_err(|_| "a whole number is expected, such as 5".to_owned());
    }
    let read = serde_json::from_str::<Number>(typed).map(Value::Number);
    read.map_err(|_| "a number is expected, such as 5 or 1.5".to_owned())
}

fn lines(typed: &str, line: Line) -> Result<Value, String> {
    let filled = typed.lines().map(str::trim).enumerate().filter(|(_, text)| !text.is_empty());
    let read = |(at, text): (usize, &str)| match line {
        Line::Text => Ok(Value::from(text)),
        Line::Number { whole } => number(text, whole).map_err(|message| format!("line {}: {message}", at + 1)),
    };
    filled.map(read).collect::<Result<Vec<_>, _>>().map(Value::Array)
}
