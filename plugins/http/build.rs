//! minijinja and serde_json recurse over what they are given: this stack fits the deepest that `src/template.rs` allows.
#![expect(clippy::print_stdout, reason = "a build script speaks to cargo by printing")]

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=524288");
}
