//! Checks `separators` of a declarative request, which names the lists that are sent as one value.

use serde_json::{Map, Value};

use super::{Violations, object::members, step};

/// The separators that are allowed between the items of a list.
const SEPARATORS: [&str; 4] = [",", " ", "|", "\t"];

pub fn check(path: &str, request: &Map<String, Value>, violations: &mut Violations) {
    let given = |of: &Map<String, Value>, name: &str| of.get(name).filter(|value| !value.is_null()).cloned();
    let Some(separators) = given(request, "separators") else { return };
    let path = format!("{path}/separators");
    let Some(separators) = members(&path, &separators, &["query", "headers", "form"], violations) else { return };
    for (name, of) in [("query", "query"), ("headers", "headers"), ("form", "body")] {
        let Some(lists) = given(separators, name) else { continue };
        let path = format!("{path}/{name}");
        let Some(lists) = lists.as_object() else {
            violations.add(path, "separators are an object of names and characters");
            continue;
        };
        // When the body is one expression, its names aren't known before the call.
        let named = request.get(of).filter(|of| !of.is_null());
        let known = |list: &String| match named {
            Some(Value::Object(named)) => named.contains_key(list),
            Some(_) => name == "form",
            None => false,
        };
        for (list, separator) in lists {
            let path = step(&path, list);
            let is_one = separator.as_str().is_some_and(|text| SEPARATORS.contains(&text));
            violations.require(is_one, &path, "a separator is a comma, a space, a `|` or a tab");
            violations.require(known(list), &path, format!("`{of}` of this request has no `{list}`"));
        }
    }
}
