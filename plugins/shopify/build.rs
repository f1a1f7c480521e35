//! A small stack makes an instance cheap; this one fits serde_json at the deepest that it reads.

fn main() {
    println!("cargo::rustc-link-arg-cdylib=-zstack-size=131072");
}
