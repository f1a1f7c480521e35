//! The AI SDK from npm talks to a running server in both its protocols, and its user confirms a write.

use resly_tests::{demo::Demo, host::binary};

#[test]
fn the_ai_sdk_understands_both_protocols() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/ai-sdk");
    let modules = format!("{folder}/node_modules/ai");
    assert!(std::path::Path::new(&modules).exists(), "the AI SDK is not installed: run `make test`, which installs it");
    let demo = Demo::start().unwrap();
    let output = demo
        .command("node")
        .args(["--test", "chat.test.mjs", "approvals.test.mjs", "stop.test.mjs"])
        .current_dir(folder)
        .env("RESLY_BINARY", binary())
        .output()
        .expect("node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
