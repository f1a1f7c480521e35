//! Reads the templates of a definition without running it: the host asks for this when a definition is posted, since what
//! users write is parsed in the sandbox only.

use serde_json::{Value, json};

use crate::template::{Piece, parse, pieces};

/// Templates nest no deeper than a body may.
const DEEPEST: usize = 64;

/// Whether the host asks for a check and not for a call.
pub fn is_asked(definition: &Value) -> bool {
    definition["check"] == true
}

/// Every template that can't be read, as JSON text: `[{"path", "message"}]`, with paths from the action on.
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
