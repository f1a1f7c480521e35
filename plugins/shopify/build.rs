//! Sets the guest's stack size. A small stack makes an instance cheap. This one suffices for the deepest JSON that
//! serde_json reads, which `tests/tests/guests/shopify.rs` tests.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Other targets' linkers don't know the option.
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=131072");
    }
}
