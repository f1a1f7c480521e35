//! Cuts jq's standard definitions into a table, so that a mapping parses only those that its filter reaches: parsing them
//! all costs a fresh instance over a millisecond, and a usual filter reaches none.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a build script speaks to cargo by printing and by failing"
)]

mod print;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use jaq_core::{data::JustLut, native::Fun};
use jaq_json::Val;

/// What reaches out of the sandbox, or into its host, by name.
const HOST_EFFECTS: &str = include_str!("host_effects.txt");

struct Definition {
    name: &'static str,
    source: String,
    needs: BTreeSet<usize>,
    natives: BTreeSet<String>,
}

fn main() {
    println!("cargo::rerun-if-changed=build");
    // jq recurses over its input and its filters: what `src/jq.rs` allows fits this stack, as `tests/tests/guests/mapping.rs` shows.
    // Other targets' linkers don't know the option.
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=262144");
    }

    let denied: BTreeSet<&str> = HOST_EFFECTS.lines().collect();
    let libraries: [Vec<&str>; 3] = [
        names(jaq_core::funs::<JustLut<Val>>()),
        names(jaq_std::funs::<JustLut<Val>>()),
        names(jaq_json::funs::<JustLut<Val>>()),
    ];
    let is_native = |name: &str| libraries.iter().flatten().any(|native| *native == name);

    let mut definitions: Vec<Definition> = Vec::new();
    let mut dropped: BTreeSet<&str> = denied.clone();
    for def in jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()) {
        let (source, calls) = print::def(&def);
        if denied.contains(def.name) || calls.iter().any(|called| dropped.contains(called.as_str())) {
            dropped.insert(def.name);
            continue;
        }
        let here = definitions.len();
        let mut this = Definition { name: def.name, source, needs: BTreeSet::from([here]), natives: BTreeSet::new() };
        // A definition sees itself and those before it.
        for called in calls {
            for (place, definition) in definitions.iter().enumerate().filter(|(_, earlier)| earlier.name == called) {
                this.needs.insert(place);
                this.needs.extend(&definition.needs);
                this.natives.extend(definition.natives.iter().cloned());
            }
            if is_native(&called) {
                this.natives.insert(called);
            }
        }
        definitions.push(this);
    }
    // A name of several definitions, some of which could not be kept, would mean something else.
    assert!(definitions.iter().all(|definition| !dropped.contains(definition.name)), "half a name was dropped");

    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, definition) in definitions.iter().enumerate() {
        by_name.entry(definition.name).or_default().push(place);
    }
    let mut table = String::from("pub static DEFINITIONS: &[Definition] = &[\n");
    for Definition { name, source, needs, natives } in &definitions {
        let (needs, natives): (Vec<_>, Vec<_>) = (needs.iter().collect(), natives.iter().collect());
        table.push_str(&format!(
            "    // {name}\n    Definition {{ source: {source:?}, needs: &{needs:?}, natives: &{natives:?} }},\n"
        ));
    }
    table.push_str("];\npub static BY_NAME: &[(&str, &[u16])] = &[\n");
    for (name, places) in by_name {
        table.push_str(&format!("    ({name:?}, &{places:?}),\n"));
    }
    table.push_str("];\nstatic NATIVES: &[&[&str]] = &[\n");
    for natives in &libraries {
        table.push_str(&format!("    &{natives:?},\n"));
    }
    table.push_str("];\n");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("definitions.rs"), table).expect("OUT_DIR can be written");
}

fn names(funs: impl Iterator<Item = Fun<JustLut<Val>>>) -> Vec<&'static str> {
    let names: BTreeSet<&str> = funs.map(|(name, ..)| name).collect();
    names.into_iter().collect()
}
