//! Language models and embedders: one module per provider, one SSE reader, one renderer for what goes before a dialogue.
//!
//! [`openai`] speaks to anything with `/v1/chat/completions`; [`builtin`] needs nothing at all, and is no language model.
//! [`embed`] holds their counterparts for vectors. All of them are built once, by the composition root, and shared.

pub mod builtin;
pub mod embed;
pub mod openai;
pub mod prompt;
pub mod sse;
mod upstream;
mod words;

pub use upstream::ConfigError;
