//! minijinja and serde_json recurse over what they are given: this stack fits the deepest that `src/template.rs` allows,
//! as `tests/tests/guests/http.rs` shows.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Other targets' linkers don't know the option.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=524288");
    }
}
