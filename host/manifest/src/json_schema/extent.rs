//! Measures a schema with each `$ref` followed, which bounds the work of checking a value with it.
//!
//! A schema of a few lines can require an endless number of steps, by references that double at each level or lead back
//! to themselves. So a referenced schema counts once for each reference to it, and a schema that contains itself is
//! refused.

use std::collections::HashMap;

use serde_json::Value;

/// The size of a schema with every reference followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Schemas and keywords, each as often as a value may be checked with it.
    pub places: u64,
    /// Regular expressions, counted in the same way.
    pub patterns: u64,
}

/// The most places of one schema.
pub const MOST_PLACES: u64 = 10_000;
/// The deepest nesting of schemas.
const MOST_DEPTH: usize = 100;

/// Keywords whose members are names, each with a schema (JSON Schema 2020-12, Core 10; `dependencies` before 2019-09).
const NAMED: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "dependencies"];
/// Keywords whose value is data and no schema.
const DATA: [&str; 5] = ["const", "enum", "default", "examples", "example"];
/// Keywords that change what a reference means, or refer to other documents.
const REFUSED: [&str; 6] =
    ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$anchor", "$vocabulary"];

/// Measures a schema. The error says why it can't be used.
pub fn measure(schema: &Value) -> Result<Extent, String> {
    let mut walk = Walk { root: schema, known: HashMap::new(), depth: 0 };
    let extent = walk.schema(schema, true)?;
    if extent.places > MOST_PLACES {
        return Err(format!("the schema has more than {MOST_PLACES} places when each `$ref` is followed"));
    }
    Ok(extent)
}

struct Walk<'a> {
    root: &'a Value,
    /// The size of each referenced schema, by reference; `None` while it is being measured.
    known: HashMap<&'a str, Option<Extent>>,
    depth: usize,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, is_root: bool) -> Result<Extent, String> {
        if self.depth > MOST_DEPTH {
            return Err(format!("schemas lie more than {MOST_DEPTH} deep in one another"));
        }
        self.depth += 1;
        let mut extent = Extent { places: 1, patterns: 0 };
        match schema {
            Value::Object(members) => {
                for (keyword, value) in members {
                    extent.add(self.keyword(keyword, value, is_root)?);
                }
            }
            // Keywords such as `allOf` have a list of schemas.
            Value::Array(schemas) => {
                for schema in schemas {
                    extent.add(self.schema(schema, false)?);
                }
            }
            _ => {}
        }
        self.depth -= 1;
        Ok(extent)
    }

    fn keyword(&mut self, keyword: &'a str, value: &'a Value, is_root: bool) -> Result<Extent, String> {
        match (keyword, value) {
            ("$ref", Value::String(reference)) => self.reference(reference),
            ("$id" | "id", Value::String(_)) if !is_root => {
                Err(format!("`{keyword}` inside a schema is not supported: it would change what `$ref` means"))
            }
            (keyword, Value::String(_)) if REFUSED.contains(&keyword) => {
                Err(format!("`{keyword}` is not supported; use `$ref` with a JSON Pointer, such as `#/$defs/address`"))
            }
            ("pattern", Value::String(_)) => Ok(Extent { places: 1, patterns: 1 }),
            // A definition costs nothing until it is referred to, but it has to be valid.
            ("$defs" | "definitions", Value::Object(members)) => {
                for schema in members.values() {
                    self.schema(schema, false)?;
                }
                Ok(Extent::default())
            }
            (keyword, Value::Object(members)) if NAMED.contains(&keyword) => {
                let patterns = if keyword == "patternProperties" { members.len() as u64 } else { 0 };
                let mut extent = Extent { places: 1, patterns };
                for schema in members.values() {
                    extent.add(self.schema(schema, false)?);
                }
                Ok(extent)
            }
            // A value is compared with each of these values.
            ("enum" | "const", value) => Ok(Extent { places: size(value), patterns: 0 }),
            (keyword, _) if DATA.contains(&keyword) => Ok(Extent { places: 1, patterns: 0 }),
            (_, schema) => self.schema(schema, false),
        }
    }

    fn reference(&mut self, reference: &'a str) -> Result<Extent, String> {
        match self.known.get(reference) {
            Some(Some(extent)) => return Ok(*extent),
            Some(None) => return Err(format!("`{reference}` contains itself, which is not supported")),
            None => {}
        }
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let Some(pointer) = pointer else {
            return Err(format!(
                "`{reference}` must be a JSON Pointer into the same schema, such as `#/$defs/address`"
            ));
        };
        // The root is already being measured.
        if pointer.is_empty() {
            return Err("`#` contains itself, which is not supported".to_owned());
        }
        let target = percent_encoding::percent_decode_str(pointer).decode_utf8();
        let target = target.ok().and_then(|pointer| self.root.pointer(&pointer));
        let Some(target) = target else { return Err(format!("`{reference}` leads to nothing")) };
        self.known.insert(reference, None);
        let extent = self.schema(target, false)?;
        self.known.insert(reference, Some(extent));
        Ok(extent)
    }
}

/// The number of values within a value. A long text counts as several.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<u64>(),
        Value::String(text) => 1 + text.len() as u64 / 64,
        _ => 1,
    }
}

impl Extent {
    fn add(&mut self, other: Self) {
        self.places = self.places.saturating_add(other.places);
        self.patterns = self.patterns.saturating_add(other.patterns);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    /// Each level refers to the next one twice.
    fn doubling(levels: usize) -> Value {
        let level = |n: usize| json!({"allOf": [{"$ref": format!("#/$defs/{}", n + 1)}, {"$ref": format!("#/$defs/{}", n + 1)}]});
        let mut defs: Map<String, Value> = (0..levels).map(|n| (n.to_string(), level(n))).collect();
        defs.insert(levels.to_string(), json!({"type": "integer"}));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    }

    #[test]
    fn what_is_referred_to_counts_as_often() {
        let once =
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"pattern": "^a"}}});
        let mut twice = once.clone();
        twice["properties"]["b"] = json!({"$ref": "#/$defs/a"});
        let (once, twice) = (measure(&once).unwrap(), measure(&twice).unwrap());
        assert_eq!((once.patterns, twice.patterns), (1, 2));
        assert!(twice.places > once.places);
        assert!(measure(&doubling(8)).is_ok());
        assert!(measure(&doubling(20)).unwrap_err().contains("10000 places"));
    }

    #[test]
    fn a_schema_that_contains_itself_is_refused_whichever_way() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"properties": {"next": {"$ref": "#"}}}),
            json!({"properties": {"next": {"$ref": "#/properties/next"}}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
            // The same place by two names.
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/%61"}}}}),
            json!({"$ref": "#/$defs", "$defs": {"allOf": [{"$ref": "#/$defs"}]}}),
        ] {
            let said = measure(&schema).unwrap_err();
            assert!(said.contains("contains itself") || said.contains("deep"), "{schema}: {said}");
        }
    }

    #[test]
    fn what_would_change_the_meaning_of_a_reference_is_refused() {
        for schema in [
            json!({"properties": {"a": {"$id": "https://a.example/", "$ref": "#/$defs/x"}}}),
            json!({"$dynamicRef": "#a"}),
            json!({"$anchor": "a", "$ref": "#a"}),
            json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
            json!({"$ref": "#/$defs/none"}),
        ] {
            assert!(measure(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn what_a_value_is_compared_with_counts() {
        let options: Vec<Value> = (0..6_000).map(|n| json!({"a": n})).collect();
        assert!(measure(&json!({"items": {"enum": options}})).unwrap_err().contains("places"));
        assert!(measure(&json!({"const": "x".repeat(700_000)})).is_err());
        let countries: Vec<String> = (0..300).map(|n| format!("C{n}")).collect();
        assert!(measure(&json!({"enum": countries})).unwrap().places < 400);
    }

    #[test]
    fn names_and_data_are_no_keywords() {
        let schema = json!({
            "$id": "https://a.example/root", "const": {"$ref": "#"}, "default": {"$anchor": "x"},
            "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}, "default": {"pattern": "a"}}
        });
        assert_eq!(measure(&schema).unwrap().patterns, 1);
    }
}
