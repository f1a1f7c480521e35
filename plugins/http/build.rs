//! Sets the guest's stack size. minijinja and serde_json recurse over their input. This stack suffices for the deepest
//! input that `src/template.rs` allows, which `tests/tests/guests/http.rs` tests.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Other targets' linkers don't know the option.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=524288");
    }
}
