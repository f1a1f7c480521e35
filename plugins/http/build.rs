//! minijinja and serde_json recurse over what they are given: this stack fits the deepest that `src/template.rs` allows.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=524288");
}
