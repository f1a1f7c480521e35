//! A small stack makes an instance cheap; this one fits serde_json at the deepest that it reads, as
//! `tests/tests/guests/gmail.rs` shows.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Other targets' linkers don't know the option.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=131072");
    }
}
