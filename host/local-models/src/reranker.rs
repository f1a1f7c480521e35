//! The reranker of a local model: a cross-encoder, which reads a question and a document together.

use std::path::Path;

use async_trait::async_trait;
use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder, linear};
use resly_core::{error::RerankError, knowledge::Reranker};

use crate::{
    encoder::{Encoder, weights, weights_error},
    error::{LoadError, RunError},
    executor::Priority,
    folder::{Architecture, Folder},
    runtime::Runtime,
};

/// Tokens of a question with a document. A search waits 1.5 seconds for thirty of them.
const MOST_TOKENS: usize = 256;
/// Documents that are computed at once.
const BATCH: usize = 8;

/// A reranking model in this process.
pub struct LocalReranker {
    name: String,
    runtime: Runtime<Model>,
}

struct Model {
    encoder: Encoder,
    /// BERT's pooler or RoBERTa's first layer of the head: the same computation under two names.
    dense: Linear,
    score: Linear,
}

impl LocalReranker {
    /// Loads a cross-encoder with one result from its folder and computes with it once.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let mut folder = Folder::read(folder, MOST_TOKENS)?;
        let labels = folder.config.labels();
        if labels != 1 {
            let what = format!("a model with {labels} results; a reranker has one, its score. That");
            return Err(LoadError::unsupported(&folder.path.join("config.json"), what));
        }
        let weights = weights(&mut folder)?;
        let model = Model::load(&folder, &weights)?;
        let first = |model: &Model| model.score("a", &["b".to_owned(), String::new()]);
        let (runtime, _) = Runtime::start(&folder, model, first)?;
        Ok(Self { name: format!("local:{}", folder.identity), runtime })
    }

    /// Names the model.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Model {
    fn load(folder: &Folder, weights: &VarBuilder) -> Result<Self, LoadError> {
        let size = folder.config.hidden_size;
        let head = || {
            Ok(match folder.architecture {
                Architecture::Bert => {
                    let pooler = weights.pp("bert").pp("pooler").pp("dense");
                    (linear(size, size, pooler)?, linear(size, 1, weights.pp("classifier"))?)
                }
                Architecture::Roberta => {
                    let head = weights.pp("classifier");
                    (linear(size, size, head.pp("dense"))?, linear(size, 1, head.pp("out_proj"))?)
                }
            })
        };
        let (dense, score) = head().map_err(|error| weights_error(folder, &error))?;
        Ok(Self { encoder: Encoder::load(folder, weights)?, dense, score })
    }

    /// A score for each document, in their order.
    fn score(&self, query: &str, documents: &[String]) -> Result<Vec<f32>, RunError> {
        let pairs = documents.iter().map(|document| (query, document.as_str()));
        let scores = self.encoder.run(pairs, |states| Ok(self.logits(&states.states)?))?;
        let finite = scores.iter().all(|score: &f32| score.is_finite());
        if finite { Ok(scores) } else { Err(RunError::NotFinite) }
    }

    fn logits(&self, states: &Tensor) -> candle_core::Result<Vec<f32>> {
        let first = states.narrow(1, 0, 1)?.squeeze(1)?;
        let logits = self.score.forward(&self.dense.forward(&first)?.tanh()?)?;
        candle_nn::ops::sigmoid(&logits)?.squeeze(1)?.to_vec1()
    }
}

#[async_trait]
impl Reranker for LocalReranker {
    async fn rerank(&self, query: &str, documents: &[String]) -> Result<Vec<(usize, f32)>, RerankError> {
        let mut scores = Vec::with_capacity(documents.len());
        for batch in documents.chunks(BATCH) {
            let (query, batch) = (query.to_owned(), batch.to_vec());
            let scored = self.runtime.run(Priority::Question, move |model| model.score(&query, &batch)).await;
            scores.extend(
                scored.map_err(|error| RerankError::Failed { model: self.name.clone(), detail: error.to_string() })?,
            );
        }
        let mut ranked: Vec<(usize, f32)> = scores.into_iter().enumerate().collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        Ok(ranked)
    }
}

#[cfg(test)]
mod tests;
