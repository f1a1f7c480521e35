//! Embedding and reranking models that run in the host's own process, on its processors, from a folder.
//!
//! A folder has what sentence-transformers writes: `config.json`, `model.safetensors` and `tokenizer.json`, and where they
//! are there, `sentence_bert_config.json`, `modules.json`, `1_Pooling/config.json` and
//! `config_sentence_transformers.json` (its `prompts`). Nothing is downloaded and no code of the folder is run. BERT and
//! RoBERTa, XLM-RoBERTa among them, are understood ([`LoadError::Unsupported`] names the rest).
//!
//! [`folder`] reads and checks the files, [`encoder`] turns texts into the states of their tokens by `candle`,
//! [`executor`] has the one thread that does it, and [`runtime`] a loaded model with it; [`LocalEmbedder`] and [`LocalReranker`] are the ports.

mod embedder;
mod encoder;
mod error;
mod executor;
mod folder;
mod pooling;
mod reranker;
mod runtime;
#[cfg(test)]
mod testing;

pub use embedder::LocalEmbedder;
pub use error::LoadError;
pub use reranker::LocalReranker;
