//! The part of jq's standard library that one filter reaches.

use std::collections::BTreeSet;

/// One standard definition and all that it reaches.
pub struct Definition {
    /// jq again, as `build/print.rs` prints it.
    pub source: &'static str,
    /// The definitions that it needs, itself among them, by their places in [`DEFINITIONS`].
    pub needs: &'static [u16],
    /// The native filters that those call.
    pub natives: &'static [&'static str],
}

// `DEFINITIONS` in the order of the standard library, in which a definition sees those before it; `BY_NAME`, their names
// in alphabetical order with the places of all that have it; `NATIVES`, the names of the native filters of each library.
include!(concat!(env!("OUT_DIR"), "/definitions.rs"));

/// What a filter reaches, itself or through a definition.
pub struct Reached<'f> {
    /// Whatever looks like a name in the filter or is called by a definition that it reaches.
    pub names: BTreeSet<&'f str>,
    /// The definitions' sources, in their own order.
    pub sources: String,
}

/// A field, or a word in a text, brings in a definition too many, never one too few.
pub fn reached(filter: &str) -> Reached<'_> {
    let mut names = BTreeSet::new();
    let mut needed: BTreeSet<u16> = BTreeSet::new();
    for name in filter.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '@')) {
        if name.is_empty() || !names.insert(name) {
            continue;
        }
        let Ok(found) = BY_NAME.binary_search_by_key(&name, |(name, _)| *name) else { continue };
        for place in BY_NAME[found].1 {
            needed.extend(DEFINITIONS[usize::from(*place)].needs);
        }
    }
    let mut sources = String::new();
    for place in needed {
        let definition = &DEFINITIONS[usize::from(place)];
        names.extend(definition.natives);
        sources.push_str(definition.source);
    }
    Reached { names, sources }
}

/// Whether any of the names is that of a native filter of a library.
pub fn wants(names: &BTreeSet<&str>, library: usize) -> bool {
    names.iter().any(|name| NATIVES[library].binary_search(name).is_ok())
}
