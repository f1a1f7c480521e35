//! The AI SDK from npm talks to a running server in both its protocols, and its user confirms a write.

use resly_tests::app::binary;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

#[test]
fn the_ai_sdk_understands_both_protocols() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/ai-sdk");
    let modules = format!("{folder}/node_modules/ai");
    assert!(std::path::Path::new(&modules).exists(), "the AI SDK is not installed: run `make test`, which installs it");
    let data = tempfile::tempdir().unwrap();
    let mut server = Command::new(binary())
        .args(["demo", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary is built by `make test`");
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let output = Command::new("node")
        .args(["--test", "chat.test.mjs", "approvals.test.mjs", "stop.test.mjs"])
        .current_dir(folder)
        .env("RESLY_BINARY", binary())
        .env("RESLY_URL", ready["url"].as_str().unwrap())
        .env("RESLY_KEY", ready["api_key"].as_str().unwrap())
        .env("RESLY_ADMIN_KEY", ready["admin_key"].as_str().unwrap())
        .output()
        .expect("node is installed");
    server.kill().unwrap();
    server.wait().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
