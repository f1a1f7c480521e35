//! Sizes the guest's stack.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Parsing filters and JSON recurses, and so does computing parts without alternatives. This stack suffices for the
    // depths that `src/parse.rs`, `src/code.rs` and `src/jq.rs` allow, which `tests/tests/guests/mapping.rs` tests.
    // Linkers of other targets don't know the option.
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=262144");
    }
}
