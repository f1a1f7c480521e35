//! What the architecture page promises of the code's structure.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lines of a source file.
const MOST_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every source file below a folder of the repository, with its path from there.
pub fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["node_modules", "target"].contains(&name) {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// What a crate is built of, without what only its tests use.
fn dependencies(crate_name: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join("host").join(crate_name).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

pub fn crates() -> Vec<String> {
    let folders = fs::read_dir(root().join("host")).unwrap().map(|entry| entry.unwrap().path());
    let crates = folders.filter(|folder| folder.join("Cargo.toml").exists());
    let mut names: Vec<String> =
        crates.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn only_the_api_and_the_console_know_axum() {
    let mut with_axum = crates();
    with_axum.retain(|name| dependencies(name).contains(&"axum".to_owned()));
    assert_eq!(with_axum, ["console", "http"]);
}

#[test]
fn heavy_libraries_stay_in_one_crate() {
    for (library, home) in [
        ("sqlx", "store"),
        ("wasmtime", "sandbox"),
        ("chacha20poly1305", "vault"),
        ("jsonschema", "manifest"),
        ("tantivy", "search"),
        ("object_store", "objects"),
        ("lettre", "mail"),
        ("candle-core", "local-models"),
        ("tokenizers", "local-models"),
        ("plotters", "console"),
    ] {
        let mut users = crates();
        users.retain(|name| dependencies(name).contains(&library.to_owned()));
        assert_eq!(users, [home], "{library}");
    }
    for pure in ["manifest"] {
        let found = dependencies(pure);
        for heavy in ["tokio", "async-trait", "sqlx", "reqwest", "axum", "resly-core"] {
            assert!(!found.contains(&heavy.to_owned()), "{pure} uses {heavy}");
        }
    }
}

#[test]
fn every_body_has_a_type() {
    // In two parts, so that a search of the repository finds nothing, not even this.
    let untyped = concat!("body = ", "Object");
    for (path, text) in sources("host/http/src") {
        assert!(!text.contains(untyped), "{path}: a request or an answer is a struct with ToSchema");
    }
}

/// The functions of a file, each from its signature to the next one's.
fn functions(text: &str) -> Vec<String> {
    let starts = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.contains('=')).take(4).collect();
        words.contains(&"fn")
    };
    let mut functions = vec![String::new()];
    for line in text.lines() {
        if starts(line) {
            functions.push(String::new());
        }
        if let Some(function) = functions.last_mut() {
            function.push_str(line);
            function.push('\n');
        }
    }
    functions
}

#[test]
fn a_handler_calls_the_store_once_at_most() {
    let mut wrong = Vec::new();
    for (path, text) in sources("host/http/src") {
        for function in functions(&text) {
            let joined: String = function.split_whitespace().collect();
            if joined.matches(".store.").count() > 1 {
                let signature = function.lines().next().unwrap_or_default();
                wrong.push(format!(
                    "{path}: {signature}: what takes several calls of the store is a use case of `service`"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Functions that aren't boxed. A lifetime in their arguments' types, or a future that isn't `Send`, forbids it; the two of
/// `rates` are awaited by every chat request.
const UNBOXED: [(&str, &str); 9] = [
    ("host/service/src/accounts.rs", "revoke"),
    ("host/service/src/keys/change.rs", "change"),
    ("host/service/src/keys/create.rs", "create"),
    ("host/service/src/keys/delete.rs", "delete"),
    ("host/service/src/keys/rotate.rs", "rotate"),
    ("host/service/src/rates/mod.rs", "request"),
    ("host/service/src/rates/mod.rs", "refund"),
    ("host/store/src/open.rs", "open"),
    ("host/store/src/open.rs", "open_beside"),
];

/// A crate that awaits an async function of another crate compiles its body again, with all that it awaits in turn. That
/// was a third of the host's own compilation.
#[test]
fn use_cases_and_the_store_are_compiled_once() {
    let api: String =
        ["host/http/src", "host/server/src"].into_iter().flat_map(sources).map(|(_, text)| text).collect();
    let upper: String = sources("host/service/src").into_iter().map(|(_, text)| text).collect();
    let mut wrong = Vec::new();
    for (folder, callers) in [("host/service/src", &api), ("host/store/src", &format!("{api}{upper}"))] {
        for (path, text) in sources(folder) {
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let Some(name) = pair[1].trim().strip_prefix("pub async fn ") else { continue };
                let name = name.split(['(', '<']).next().unwrap();
                let called = callers.contains(&format!("{name}("));
                if called && pair[0].trim() != "#[boxed]" && !UNBOXED.contains(&(&path, name)) {
                    wrong.push(format!("{path}: {name} is awaited by another crate: make it #[boxed]"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a command does for its person is a use case, which the API calls as well. It may show an answer as the API does.
#[test]
fn commands_use_nothing_of_the_api_but_its_answers() {
    for (path, text) in sources("host/server/src") {
        let serves = ["main.rs", "command.rs", "lib.rs", "compose.rs", "serve.rs", "demo.rs", "config/mod.rs"];
        let command = !serves.iter().any(|file| path == format!("host/server/src/{file}"));
        let besides_answers = text.replace("resly_http::answers::", "");
        assert!(
            !(command && besides_answers.contains("resly_http")),
            "{path} uses more of the API's crate than answers"
        );
    }
}

#[test]
fn a_source_file_is_no_longer_than_it_may_be() {
    let mut wrong = Vec::new();
    for (path, text) in ["host", "plugins", "sdk", "tests"].into_iter().flat_map(sources) {
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{path} has {lines} lines of {MOST_LINES}: split it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
