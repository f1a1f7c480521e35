//! Language models and embedders: one module per provider, one SSE reader, one renderer for what goes before a dialogue.
//!
//! [`openai`] speaks to anything with `/v1/chat/completions`, [`anthropic`] to anything with `/v1/messages`; [`builtin`] needs nothing at all, and is no language model.
//! [`embed`] holds their counterparts for vectors, [`rerank`] the client of rerankers. [`provider`] has the table of them; [`model`] and [`embedder`] build what
//! a configuration names, once, for the composition root, which shares it.

mod answer;
pub mod anthropic;
pub mod builtin;
mod config;
pub mod embed;
pub mod openai;
pub mod prompt;
pub mod provider;
pub mod rerank;
mod retry;
mod server;
pub mod sse;
#[cfg(test)]
mod testing;
mod unsupported;
mod upstream;
mod words;

pub use config::Endpoint;
pub use provider::{EmbedderConfig, EmbedderProvider, ModelConfig, ModelProvider, embedder, model};
pub use upstream::{Authentication, ConfigError};
