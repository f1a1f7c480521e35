//! The reranker on cross-encoders of a few random numbers.

use serde_json::json;

use super::*;
use crate::testing::{Tiny, texts};

#[tokio::test]
async fn documents_come_best_first_and_a_score_depends_on_its_pair_alone() {
    for model_type in ["bert", "xlm-roberta"] {
        let reranker = LocalReranker::load(&Tiny::cross_encoder(model_type).path).unwrap();
        let ranked = reranker.rerank("the refund", &texts()).await.unwrap();
        assert_eq!(ranked.len(), texts().len());
        assert!(ranked.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{ranked:?}");
        let scores = ranked.iter().map(|(_, score)| *score);
        assert!(scores.clone().all(|score| (0.0..=1.0).contains(&score)));
        for (at, score) in ranked {
            let alone = reranker.rerank("the refund", &[texts()[at].clone()]).await.unwrap();
            assert!((alone[0].1 - score).abs() < 1e-5, "{at}: {score} {alone:?}");
        }
        let other = reranker.rerank("weather", &texts()[..1]).await.unwrap();
        let same = reranker.rerank("the refund", &texts()[..1]).await.unwrap();
        assert_ne!(other, same, "the question counts");
        assert!(reranker.rerank("the refund", &[]).await.unwrap().is_empty());
    }
}

#[test]
fn a_model_without_one_score_is_refused() {
    let refused = |tiny: &Tiny| LocalReranker::load(&tiny.path).err().expect("it was loaded").to_string();
    let embedder = refused(&Tiny::bert());
    assert!(embedder.contains("model.safetensors") && embedder.contains("pooler.dense"), "{embedder}");
    let labels = json!({"0": "no", "1": "maybe", "2": "yes"});
    let classifier = refused(&Tiny::cross_encoder("bert").with_config("id2label", labels));
    assert!(classifier.contains("config.json") && classifier.contains("3 results"), "{classifier}");
    let one = Tiny::cross_encoder("bert").with_config("id2label", json!({"0": "LABEL_0"}));
    LocalReranker::load(&one.path).unwrap();
}
