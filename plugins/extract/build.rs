//! Sizes the guest's stack.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The PDF parser recurses over nested arrays and dictionaries; most of the guest walks trees without recursion.
    // A document that nests deeper traps, which the host reports as such. Linkers of other targets don't know the option.
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=1048576");
    }
}
