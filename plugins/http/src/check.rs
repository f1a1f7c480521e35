//! Parses the templates of a definition without running it. The host asks for this when a definition is posted, because
//! what users write is parsed in the sandbox only.

use serde_json::{Value, json};

use crate::template::{Piece, parse, pieces};

/// The deepest nesting of templates, the same as for a body.
const DEEPEST: usize = 64;

/// Whether the host asks for a check instead of a call.
pub fn is_asked(definition: &Value) -> bool {
    definition["check"] == true
}

/// Every template that can't be parsed, as JSON text: `[{"path", "message"}]`. Paths start at the action.
pub fn mistakes(definition: &Value) -> String {
    let mut mistakes = Vec::new();
    for place in ["url", "query", "headers", "body"] {
        tree(&format!("/request/{place}"), &definition["request"][place], 0, &mut mistakes);
    }
    for (at, rule) in definition["response"]["errors"].as_array().into_iter().flatten().enumerate() {
        tree(&format!("/response/errors/{at}/message"), &rule["message"], 0, &mut mistakes);
    }
    Value::Array(mistakes).to_string()
}

fn tree(path: &str, value: &Value, depth: usize, mistakes: &mut Vec<Value>) {
    if depth > DEEPEST {
        return;
    }
    match value {
        Value::String(template) => {
            if let Some(message) = unreadable(template) {
                mistakes.push(json!({"path": path, "message": message}));
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| tree(&format!("{path}/{at}"), item, depth + 1, mistakes));
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                tree(&format!("{path}/{name}"), member, depth + 1, mistakes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn unreadable(template: &str) -> Option<String> {
    let pieces = match pieces(template) {
        Ok(pieces) => pieces,
        Err(fault) => return Some(fault.message),
    };
    pieces.into_iter().find_map(|piece| match piece {
        Piece::Literal(_) => None,
        Piece::Expression(expression) => parse(expression).err(),
    })
}
