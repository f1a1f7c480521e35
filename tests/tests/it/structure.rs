//! What the architecture page promises of the code's structure.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lines of a source file.
const MOST_LINES: usize = 400;

/// Files that are longer, and how long they may be. Make the list shorter: a file that was split leaves it.
const LONGER: [(&str, usize); 32] = [
    ("host/core/src/turn/tests/approvals.rs", 440),
    ("host/core/src/turn/tests/fakes.rs", 610),
    ("host/egress/src/oauth/refresher.rs", 460),
    ("host/egress/tests/it/accounts.rs", 420),
    ("host/egress/tests/it/notations.rs", 430),
    ("host/manifest/src/manifest.rs", 480),
    ("host/manifest/src/manifest/check.rs", 440),
    ("host/manifest/src/manifest/check/declarative.rs", 460),
    ("host/manifest/src/manifest/compare.rs", 470),
    ("host/manifest/src/openapi/tests.rs", 450),
    ("host/models/src/builtin/input.rs", 420),
    ("host/models/src/builtin/tests.rs", 520),
    ("host/models/src/openai/answer.rs", 430),
    ("host/models/src/openai/request.rs", 420),
    ("host/models/src/openai/tests.rs", 690),
    ("host/server/src/cli.rs", 410),
    ("host/server/tests/http.rs", 490),
    ("host/store/src/accounts.rs", 410),
    ("host/store/src/catalogue.rs", 410),
    ("host/store/src/connections.rs", 500),
    ("host/store/src/keys.rs", 450),
    ("host/store/src/webhooks.rs", 410),
    ("host/store/tests/contract/calls.rs", 410),
    ("plugins/http/src/tests.rs", 750),
    ("plugins/mapping/src/machine.rs", 610),
    ("plugins/mapping/src/parse.rs", 700),
    ("plugins/mapping/src/regex/parse.rs", 610),
    ("tests/src/app.rs", 450),
    ("tests/src/oauth.rs", 440),
    ("tests/tests/it/declarative.rs", 430),
    ("tests/tests/it/health.rs", 440),
    ("tests/tests/it/vault.rs", 440),
];

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
fn only_the_api_knows_axum() {
    let mut with_axum = crates();
    with_axum.retain(|name| dependencies(name).contains(&"axum".to_owned()));
    assert_eq!(with_axum, ["http"]);
}

#[test]
fn heavy_libraries_stay_in_one_crate() {
    for (library, home) in [
        ("sqlx", "store"),
        ("wasmtime", "sandbox"),
        ("chacha20poly1305", "vault"),
        ("jsonschema", "manifest"),
        ("tantivy", "search"),
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
    for (path, text) in sources("host/http/src") {
        assert!(!text.contains("body = Object"), "{path}: a request or an answer is a struct with ToSchema");
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

/// What a command does for its person is a use case, which the API calls as well.
#[test]
fn commands_use_nothing_of_the_api() {
    for (path, text) in sources("host/server/src") {
        let serves = ["main.rs", "lib.rs", "compose.rs", "serve.rs", "demo.rs", "config/mod.rs"];
        let command = !serves.iter().any(|file| path == format!("host/server/src/{file}"));
        assert!(!(command && text.contains("resly_http")), "{path} uses the API's crate");
    }
}

#[test]
fn a_source_file_is_no_longer_than_it_may_be() {
    let mut wrong = Vec::new();
    for (path, text) in ["host", "plugins", "sdk", "tests"].into_iter().flat_map(sources) {
        let lines = text.lines().count();
        let most = LONGER.iter().find(|(longer, _)| *longer == path).map(|(_, most)| *most);
        match most {
            None if lines > MOST_LINES => wrong.push(format!("{path} has {lines} lines of {MOST_LINES}: split it")),
            Some(most) if lines > most => wrong.push(format!("{path} has {lines} lines of {most}: split it")),
            Some(_) if lines <= MOST_LINES => wrong.push(format!("{path} is short enough now: take it from the list")),
            _ => {}
        }
    }
    for (path, _) in LONGER {
        if !root().join(path).exists() {
            wrong.push(format!("{path} is gone: take it from the list"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
