//! Puts the best passages into the order of a reranker. A search never fails for it, and never waits long.

use std::time::Duration;

use resly_core::knowledge::{Passage, Reranker};

/// How long a search waits for the reranker. After that the order of the fused rankings stands.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 1500 });
/// The most passages that a reranker reads. Each costs it about as much as a short answer costs a small model.
pub const MOST_RERANKED: usize = 30;

/// Orders the first [`MOST_RERANKED`] passages anew; the others stay behind them.
pub async fn rerank(reranker: &dyn Reranker, query: &str, passages: &mut Vec<Passage>) {
    if passages.len() < 2 {
        return;
    }
    let text = |passage: &Passage| match passage.section.as_str() {
        "" => format!("{}\n{}", passage.title, passage.text),
        section => format!("{} › {section}\n{}", passage.title, passage.text),
    };
    let documents: Vec<String> = passages.iter().take(MOST_RERANKED).map(text).collect();
    let scored = match tokio::time::timeout(PATIENCE, reranker.rerank(query, &documents)).await {
        Ok(Ok(scored)) => scored,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the passages aren't reranked");
            return;
        }
        Err(_) => {
            tracing::warn!("the passages aren't reranked: the reranker is slow");
            return;
        }
    };
    let mut left: Vec<Option<Passage>> = passages.drain(..).map(Some).collect();
    let mut least = f32::INFINITY;
    for (at, score) in scored {
        if let Some(passage) = left.get_mut(at).and_then(Option::take) {
            least = least.min(score);
            passages.push(Passage { score, ..passage });
        }
    }
    // Those without a score come last, in their order.
    for passage in left.into_iter().flatten() {
        let score = if least.is_finite() { least } else { passage.score };
        passages.push(Passage { score, ..passage });
    }
}
