//! Sizes the guest's stack.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Reading a filter and JSON recurses, and so does computing what has no alternatives. What `src/parse.rs`, `src/code.rs`
    // and `src/jq.rs` allow fits this stack, as `tests/tests/guests/mapping.rs` shows. Other targets' linkers don't know the
    // option.
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=262144");
    }
}
