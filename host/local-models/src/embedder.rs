//! The embedder of a local model.

use std::path::Path;

use async_trait::async_trait;
use resly_core::{
    error::EmbedError,
    knowledge::{EmbedAs, Embedder},
};

use crate::{
    encoder::{Encoder, weights},
    error::{LoadError, RunError},
    executor::Priority,
    folder::{Folder, Prompts},
    pooling::{Pooling, normalise},
    runtime::Runtime,
};

/// Tokens that are read of a text. Attention takes memory and time by their square, and a passage has fewer.
const MOST_TOKENS: usize = 512;
/// Texts that are computed before a question may go first.
const BATCH: usize = 4;

/// An embedding model in this process.
pub struct LocalEmbedder {
    name: String,
    runtime: Runtime<Model>,
}

struct Model {
    encoder: Encoder,
    pooling: Pooling,
    prompts: Prompts,
}

impl LocalEmbedder {
    /// Loads a model from its folder and computes with it once. This takes seconds, and memory for the file and for the
    /// weights in single precision; afterwards for the weights alone.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let mut folder = Folder::read(folder, MOST_TOKENS)?;
        let weights = weights(&mut folder)?;
        let encoder = Encoder::load(&folder, &weights)?;
        let model = Model { encoder, pooling: folder.pooling, prompts: std::mem::take(&mut folder.prompts) };
        let (runtime, vectors) = Runtime::start(&folder, model, |model| model.embed(&["a".to_owned(), String::new()]))?;
        let dimensions = vectors.first().map_or(0, Vec::len);
        // The folder may be moved or renamed: what it holds is what makes vectors comparable.
        Ok(Self { name: format!("local:{}:{dimensions}", folder.identity), runtime })
    }
}

impl Model {
    fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, RunError> {
        self.encoder.run(texts.iter().map(String::as_str), |states| {
            let mut vectors = self.pooling.pool(&states.states, &states.mask)?.to_vec2()?;
            if vectors.iter_mut().all(|vector| normalise(vector)) { Ok(vectors) } else { Err(RunError::NotFinite) }
        })
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn name(&self) -> &str {
        &self.name
    }

    async fn embed(&self, texts: &[String], embed_as: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        let prompts = &self.runtime.model().prompts;
        let (prompt, priority) = match embed_as {
            EmbedAs::Query => (&prompts.query, Priority::Question),
            EmbedAs::Document => (&prompts.document, Priority::Documents),
        };
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let batch: Vec<String> = batch.iter().map(|text| format!("{prompt}{text}")).collect();
            let made = self.runtime.run(priority, move |model| model.embed(&batch)).await;
            vectors.extend(
                made.map_err(|error| EmbedError::Failed { model: self.name.clone(), detail: error.to_string() })?,
            );
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests;
