//! The bundled components, compiled, in the real sandbox: what they allow fits their stacks and their fuel, and what
//! goes beyond is told, not trapped.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod extract;
mod gmail;
mod http;
mod mapping;
mod shopify;

/// A value of `levels` lists or objects within one another.
fn nested(levels: usize, open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

const BRACKETS: [(&str, &str); 2] = [("[", "]"), (r#"{"a":"#, "}")];
