//! No module of a crate depends on one that depends on it.

use std::collections::{BTreeMap, BTreeSet};

use super::structure::{crates, sources};

type Path = Vec<String>;

/// Modules of a crate and what each uses. A module and those within it are one for this purpose: a folder is a unit that
/// its parts may ask.
fn dependencies(crate_name: &str) -> BTreeMap<Path, BTreeSet<Path>> {
    let folder = format!("host/{crate_name}/src");
    let files: Vec<(Path, String)> = sources(&folder)
        .into_iter()
        .filter_map(|(file, text)| {
            let module = file.strip_prefix(&format!("{folder}/"))?.strip_suffix(".rs")?;
            let mut module: Path = module.split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let outside = |name: &String| ["tests", "testing", "bin", "lib", "main", "bench"].contains(&name.as_str());
            (!module.iter().any(outside)).then_some((module, text))
        })
        .collect();
    let known: BTreeSet<Path> = files.iter().map(|(module, _)| module.clone()).collect();
    let uses = |module: &Path, text: &str| -> BTreeSet<Path> {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: String =
            code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        let mut found = BTreeSet::new();
        for path in paths(&code) {
            let mut full = if path[0] == "crate" { Path::new() } else { module.clone() };
            for step in &path {
                match step.as_str() {
                    "crate" | "self" => {}
                    "super" => drop(full.pop()),
                    step => full.push(step.to_owned()),
                }
            }
            while !full.is_empty() && !known.contains(&full) {
                full.pop();
            }
            let within = full.starts_with(module) || module.starts_with(&full);
            if !within {
                found.insert(full);
            }
        }
        found
    };
    files.iter().map(|(module, text)| (module.clone(), uses(module, text))).collect()
}

/// Every path in code that begins at `crate`, `self` or `super`, those of nested `use` trees too.
fn paths(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && !"_:".contains(c)) {
                tree(&code[at..], &Path::new(), &mut found);
            }
        }
    }
    found
}

/// Reads one path, or one tree in braces, and returns where it ends.
fn tree(code: &str, before: &Path, found: &mut Vec<Path>) -> usize {
    let mut path = before.clone();
    let mut at = 0;
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if code[at..].starts_with('{') {
            at += 1;
            loop {
                at += code[at..].len() - code[at..].trim_start_matches([' ', '\n', ',']).len();
                if at >= code.len() || code[at..].starts_with('}') {
                    return (at + 1).min(code.len());
                }
                let read = tree(&code[at..], &path, found);
                if read == 0 {
                    return at;
                }
                at += read;
            }
        }
        let name = code[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len() - at);
        if name > 0 {
            path.push(code[at..at + name].to_owned());
        }
        at += name;
        if code[at..].starts_with("::") && name > 0 {
            at += 2;
            continue;
        }
        if path.len() > before.len() {
            found.push(path);
        }
        // An alias, or a star.
        let rest = code[at..].find([',', '}', ';', '\n', ')', '(', '<', '>', '{']).unwrap_or(0);
        return at + if before.is_empty() { 0 } else { rest };
    }
}

/// The modules that can be reached from themselves.
fn circles(uses: &BTreeMap<Path, BTreeSet<Path>>) -> BTreeSet<String> {
    let reach = |from: &Path| -> BTreeSet<Path> {
        let mut seen = BTreeSet::new();
        let mut next: Vec<Path> = uses[from].iter().cloned().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module.clone()) {
                next.extend(uses.get(&module).into_iter().flatten().cloned());
            }
        }
        seen
    };
    uses.keys().filter(|module| reach(module).contains(*module)).map(|module| module.join("::")).collect()
}

#[test]
fn trees_of_imports_are_read() {
    let code = "use crate::{a::{self, b::C as D}, e::*, f};\nuse super::g;\nlet x = crate::h::i(crate::j::K);";
    let mut read: Vec<String> = paths(code).into_iter().map(|path| path.join("::")).collect();
    read.sort();
    assert_eq!(
        read,
        ["crate::a::b::C", "crate::a::self", "crate::e", "crate::f", "crate::h::i", "crate::j::K", "super::g"]
    );
}

#[test]
fn modules_form_no_circles() {
    for name in crates() {
        let uses = dependencies(&name);
        let circles = circles(&uses);
        assert!(
            circles.is_empty(),
            "{name}: modules that depend on each other; put what both need into one below: {circles:?}"
        );
    }
}
