//! Cuts jq's standard definitions into a table, so that a mapping parses only those that its filter reaches: parsing them
//! all costs a fresh instance over a millisecond, and a usual filter reaches none.

mod print;

use std::{collections::BTreeSet, env, fs, path::Path};

use jaq_core::load::parse::Def;

/// What reaches out of the sandbox, or into its host, by name.
const HOST_EFFECTS: &str = include_str!("host_effects.txt");

fn main() {
    println!("cargo::rerun-if-changed=build");
    // jq recurses over its input: the depth that `src/lib.rs` allows fits this stack, as a test shows.
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=1048576");

    let denied: BTreeSet<&str> = HOST_EFFECTS.lines().collect();
    let mut table = String::from("pub static DEFINITIONS: &[Definition] = &[\n");
    let mut dropped: BTreeSet<&str> = denied.clone();
    for def in jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()) {
        let Def { name, .. } = def;
        let (source, reaches) = print::def(&def);
        if denied.contains(name) || reaches.iter().any(|reached| dropped.contains(reached.as_str())) {
            dropped.insert(name);
            continue;
        }
        table.push_str(&format!("    Definition {{ name: {name:?}, source: {source:?}, reaches: &{reaches:?} }},\n"));
    }
    table.push_str("];\n");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("definitions.rs"), table).expect("OUT_DIR can be written");
}
