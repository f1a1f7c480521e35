//! What a server sends beside the members that the API documents: reasoning, signatures, and whatever comes next. It is put
//! together over a stream and goes back as it came, because some servers refuse the next round without it.
//!
//! The API doesn't say how such members are streamed. What servers do: a text that is streamed comes in pieces, an object
//! comes whole or in parts, and a list has items with an `index` that tells which item a part belongs to.

use serde_json::{Map, Value};

pub type Members = Map<String, Value>;

/// Adds what came with one more delta.
pub fn merge(members: &mut Members, more: Members) {
    for (name, value) in more {
        match members.get_mut(&name) {
            _ if is_nothing(&value) => {}
            Some(have) => join(&name, have, value),
            None => {
                members.insert(name, value);
            }
        }
    }
}

/// The thinking that a delta brings. Servers that send it as details, too, send the same there.
pub fn thinking(members: &Members) -> Option<&str> {
    ["reasoning_content", "reasoning"].into_iter().find_map(|name| members.get(name)?.as_str())
}

/// Null means absent, and an empty list or object says nothing. An empty text may be what a server wants back.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn join(name: &str, have: &mut Value, more: Value) {
    match (have, more) {
        (Value::String(have), Value::String(more)) => {
            let repeated = !have.is_empty() && (is_label(name) || (!is_streamed(name) && *have == more));
            if !repeated {
                have.push_str(&more);
            }
        }
        (Value::Object(have), Value::Object(more)) => merge(have, more),
        (Value::Array(have), Value::Array(more)) => {
            for item in more {
                match have.iter_mut().find(|one| is_same_item(one, &item)) {
                    Some(one) => join(name, one, item),
                    None => have.push(item),
                }
            }
        }
        (have, more) => *have = more,
    }
}

fn is_same_item(one: &Value, other: &Value) -> bool {
    let same = |name: &str| one.get(name) == other.get(name);
    one.get("index").is_some_and(|index| !index.is_null()) && same("index") && same("type")
}

/// Members that say what something is: they come with each part, and are not parts of a text.
fn is_label(name: &str) -> bool {
    matches!(name, "type" | "id" | "format" | "index" | "role" | "name" | "object" | "model" | "provider" | "language")
}

/// Members whose texts come in pieces, so that a piece that equals what came before is one more piece. Signatures come whole,
/// by some servers with each part.
fn is_streamed(name: &str) -> bool {
    let has = |part: &str| name.contains(part);
    ["reason", "think", "thought", "text", "content", "summary"].into_iter().any(has) && !has("signature")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(deltas: &[Value]) -> Value {
        let mut members = Members::new();
        for delta in deltas {
            merge(&mut members, delta.as_object().unwrap().clone());
        }
        Value::Object(members)
    }

    #[test]
    fn streamed_texts_are_joined_even_when_a_piece_is_repeated() {
        let pieces = ["", "ha", "ha", "!"].map(|piece| json!({"reasoning_content": piece}));
        assert_eq!(merged(&pieces), json!({"reasoning_content": "haha!"}));
        assert_eq!(merged(&[json!({"reasoning_content": ""})]), json!({"reasoning_content": ""}));
    }

    #[test]
    fn signatures_come_whole_or_in_pieces() {
        let whole = json!({"extra_content": {"google": {"thought_signature": "AbC="}}});
        assert_eq!(merged(&[whole.clone(), whole.clone()]), whole);
        let pieces = ["Ab", "C="].map(|piece| json!({"extra_content": {"google": {"thought_signature": piece}}}));
        assert_eq!(merged(&pieces), whole);
    }

    #[test]
    fn items_of_a_list_are_told_apart_by_index_and_type() {
        let detail = |index: u32, kind: &str, text: &str| json!({"type": kind, "index": index, "text": text});
        let deltas = [
            json!({"reasoning_details": [detail(0, "reasoning.text", "Let ")]}),
            json!({"reasoning_details": [detail(0, "reasoning.text", "me.")]}),
            json!({"reasoning_details": [{"type": "reasoning.text", "index": 0, "signature": "s"}]}),
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "index": 0, "data": "x"}]}),
            json!({"reasoning_details": [detail(1, "reasoning.text", "Then.")]}),
        ];
        let expected = json!({"reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "Let me.", "signature": "s"},
            {"type": "reasoning.encrypted", "index": 0, "data": "x"},
            {"type": "reasoning.text", "index": 1, "text": "Then."},
        ]});
        assert_eq!(merged(&deltas), expected);
    }

    #[test]
    fn nulls_are_absent_and_what_is_not_text_is_replaced() {
        let deltas =
            [json!({"refusal": null, "annotations": [], "n": 1, "flag": false}), json!({"n": 2, "flag": true})];
        assert_eq!(merged(&deltas), json!({"n": 2, "flag": true}));
    }
}
