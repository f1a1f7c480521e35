//! Cuts a JSON value to a number of bytes so that the rest is valid JSON. Texts lose their end, lists lose their last
//! items, and an object's members share the space.

use serde_json::{Map, Value};

/// The last character of a cut text.
const MORE: char = '…';

/// Cuts a value to about `bytes` of JSON text. An object keeps the names of its members as far as they fit. A list
/// drops whole items, but its first item is cut rather than dropped.
pub fn shrink(value: &Value, bytes: usize) -> Value {
    if size(value, bytes) <= bytes {
        return value.clone();
    }
    match value {
        Value::String(text) => Value::String(text_within(text, bytes)),
        Value::Array(items) => Value::Array(items_within(items, bytes)),
        Value::Object(members) => Value::Object(members_within(members, bytes)),
        // Numbers, booleans and null can't be cut.
        scalar => scalar.clone(),
    }
}

/// The bytes of a value's JSON text, or any number over `most` when there are more. Counting stops there, so a large,
/// deep value isn't counted in full at each level.
fn size(value: &Value, most: usize) -> usize {
    let add = |sum: usize, one: usize| Some(sum + one).filter(|sum| *sum <= most);
    let parts = match value {
        Value::String(text) => return text_size(text, most),
        Value::Array(items) => items.iter().try_fold(2, |sum, item| add(sum, size(item, most) + 1)),
        Value::Object(members) => {
            members.iter().try_fold(2, |sum, (name, value)| add(sum, member_size(name, most) + size(value, most)))
        }
        scalar => return scalar.to_string().len(),
    };
    parts.unwrap_or(most + 1)
}

/// Bytes of a member's name with its quotes, colon and comma.
fn member_size(name: &str, most: usize) -> usize {
    text_size(name, most) + 2
}

fn text_size(text: &str, most: usize) -> usize {
    if text.len() > most { most + 1 } else { 2 + text.chars().map(escaped).sum::<usize>() }
}

/// Bytes that a character takes in a JSON text.
fn escaped(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        c => c.len_utf8(),
    }
}

fn text_within(text: &str, bytes: usize) -> String {
    let mut left = bytes.saturating_sub(2 + MORE.len_utf8());
    let kept = text.chars().take_while(|c| {
        let fits = escaped(*c) <= left;
        left = left.saturating_sub(escaped(*c));
        fits
    });
    kept.chain([MORE]).collect()
}

fn items_within(items: &[Value], bytes: usize) -> Vec<Value> {
    let mut left = bytes.saturating_sub(2);
    let mut kept = Vec::new();
    for item in items {
        let Some(after) = left.checked_sub(size(item, left) + 1) else { break };
        left = after;
        kept.push(item.clone());
    }
    match items.first() {
        Some(first) if kept.is_empty() && left > 2 => vec![shrink(first, left)],
        _ => kept,
    }
}

fn members_within(members: &Map<String, Value>, bytes: usize) -> Map<String, Value> {
    let mut left = bytes.saturating_sub(2);
    // Keep names in their order while there is space for each with a value of two bytes.
    let mut kept: Vec<(&String, &Value)> = Vec::new();
    for (name, value) in members {
        let Some(after) = left.checked_sub(member_size(name, left) + 2) else { break };
        left = after;
        kept.push((name, value));
    }
    left += kept.len() * 2;
    // Small values stay whole, and the large ones share the space that is left.
    let mut sizes: Vec<usize> = kept.iter().map(|(_, value)| size(value, left)).collect();
    sizes.sort_unstable();
    let mut share = 0;
    for (at, one) in sizes.iter().enumerate() {
        share = left / (sizes.len() - at);
        if *one > share {
            break;
        }
        left -= one;
    }
    kept.into_iter().map(|(name, value)| (name.clone(), shrink(value, share.max(2)))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fits_is_left_as_it_is() {
        let value = json!({"a": [1, 2.5, null, "x\n"], "b": {"c": "ä"}});
        assert_eq!(shrink(&value, value.to_string().len() + 4), value);
    }

    #[test]
    fn small_members_stay_whole_beside_a_large_one() {
        let value = json!({"id": "1001", "note": "n".repeat(500), "total": "59.90"});
        let cut = shrink(&value, 120);
        assert_eq!((&cut["id"], &cut["total"]), (&json!("1001"), &json!("59.90")));
        assert!(cut["note"].as_str().unwrap().ends_with("n…"), "{cut}");
    }

    #[test]
    fn a_list_loses_its_last_items() {
        let orders: Vec<Value> = (0..50).map(|n| json!({"number": format!("#{n}")})).collect();
        let cut = shrink(&json!({"orders": orders, "more": true}), 200);
        let kept = cut["orders"].as_array().unwrap();
        assert!((3..=10).contains(&kept.len()) && kept[0] == orders[0], "{cut}");
        assert_eq!(cut["more"], true);
    }

    #[test]
    fn the_first_item_of_a_list_is_cut_before_it_is_left_out() {
        assert!(shrink(&json!(["x".repeat(100)]), 40)[0].as_str().unwrap().starts_with("xxx"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(|value| json!(value)),
            any::<i64>().prop_map(|value| json!(value)),
            ".{0,60}".prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 40, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                proptest::collection::hash_map(".{0,8}", inner, 0..8).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_cut_value_is_within_its_size(value in any_json(), bytes in 40usize..400) {
            let cut = shrink(&value, bytes);
            // Numbers and names aren't cut, and nesting takes its brackets.
            prop_assert!(cut.to_string().len() <= bytes + 120, "{} of {bytes}: {cut}", cut.to_string().len());
        }
    }
}
