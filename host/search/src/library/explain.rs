//! Says why passages were found and ranked as they were.

use std::sync::Arc;

use resly_core::{
    boxed,
    id::{OrganizationId, PassageId},
    knowledge::{Passage, RetrieveError},
};

use super::{Library, Ranked};
use crate::words::{LEAST_COVERAGE, Typing, WordMatch};

/// What a search found, and why.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The question's language, as a BCP-47 code.
    pub language: &'static str,
    /// The share of the question that the words of the best passage cover. Infinite where there is nothing to judge by.
    pub coverage: Option<f32>,
    /// The least share with which words are believed. More is needed when the nearest vector isn't near.
    pub least_coverage: f32,
    /// Whether words found anything that was believed.
    pub words_count: bool,
    /// The words that were looked for. `forms` is in the order of `passages`.
    pub words: Vec<WordMatch>,
    /// What the ranking by vector counts beside that by words.
    pub vector_weight: f32,
    /// The cosine of the nearest passage, also when it isn't near enough to be found by it.
    pub nearest: Option<f32>,
    /// Whether a reranker put them into their order.
    pub reranked: bool,
    /// Best first.
    pub passages: Vec<ExplainedPassage>,
}

/// A passage with its ranks, which count from 1.
#[derive(Clone, Debug)]
pub struct ExplainedPassage {
    /// `score` is the reranker's, or the sum of reciprocal rank fusion.
    pub passage: Passage,
    /// Its rank by words, and what it scored there.
    pub by_words: Option<(usize, f32)>,
    /// Its rank by vector.
    pub by_vector: Option<usize>,
    /// The cosine of its vector with the question's, when it is among the nearest.
    pub cosine: Option<f32>,
    /// Its rank after both were fused, before any reranker.
    pub fused: usize,
}

impl Library {
    /// As [`resly_core::knowledge::Retriever::retrieve`], with the reasons.
    #[boxed]
    pub async fn explain(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
    ) -> Result<Explanation, RetrieveError> {
        let query = query.trim();
        let Some(ranked) = self.rank(organization, query, limit, Typing::Finished).await? else {
            return Ok(Explanation { language: "und", least_coverage: LEAST_COVERAGE, ..Explanation::default() });
        };
        let words = words(&ranked, query).await;
        let Ranked { passages, rankings, fused, word_scores, near, coverage, language, snapshot: _ } = ranked;
        let rank = |list: &[PassageId], id: PassageId| list.iter().position(|other| *other == id);
        let explain = |passage: Passage| ExplainedPassage {
            by_words: rank(&rankings.by_words, passage.id)
                .map(|at| (at + 1, word_scores.get(at).copied().unwrap_or_default())),
            by_vector: rank(&rankings.by_vector, passage.id).map(|at| at + 1),
            cosine: near.iter().find(|(id, _)| *id == passage.id).map(|(_, cosine)| *cosine),
            fused: rank(&fused, passage.id).map_or(0, |at| at + 1),
            passage,
        };
        Ok(Explanation {
            language: language.code(),
            coverage,
            least_coverage: LEAST_COVERAGE,
            words_count: !rankings.by_words.is_empty(),
            words,
            vector_weight: rankings.vector_weight,
            nearest: near.first().map(|(_, cosine)| *cosine),
            reranked: self.reranker.is_some(),
            passages: passages.into_iter().map(explain).collect(),
        })
    }
}

/// The words that were looked for, with the passages that have them. None when the index can't be read.
async fn words(ranked: &Ranked, query: &str) -> Vec<WordMatch> {
    let Some(index) = ranked.snapshot.words.clone() else { return Vec::new() };
    let (query, synonyms) = (query.to_owned(), Arc::clone(&ranked.snapshot.synonyms));
    let ids: Vec<PassageId> = ranked.passages.iter().map(|passage| passage.id).collect();
    let explained = tokio::task::spawn_blocking(move || index.explain(&query, &synonyms, &ids)).await;
    match explained {
        Ok(Ok(words)) => words,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the words of a search can't be explained");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}
