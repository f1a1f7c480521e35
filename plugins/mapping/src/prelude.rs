//! The part of jq's standard library that one filter reaches.

use std::collections::BTreeSet;

/// One standard definition: its source, and the names of the filters that it calls.
pub struct Definition {
    pub name: &'static str,
    pub source: &'static str,
    pub reaches: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/definitions.rs"));

/// Every name that a filter may call, itself or through a definition, and the sources of the definitions among them, in
/// their own order, since a definition sees only those before it.
///
/// Whatever looks like a name counts: a field or a word in a string brings in a definition too many, never one too few.
pub fn reached(filter: &str) -> (BTreeSet<&str>, String) {
    let mut names: BTreeSet<&str> =
        filter.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '@')).collect();
    // A definition only calls those before it, or itself: one pass from the end finds all.
    let mut wanted: Vec<&Definition> = Vec::new();
    for definition in DEFINITIONS.iter().rev() {
        if names.contains(definition.name) {
            names.extend(definition.reaches);
            wanted.push(definition);
        }
    }
    let sources: String = wanted.iter().rev().map(|definition| definition.source).collect();
    (names, sources)
}
