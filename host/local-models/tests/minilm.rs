//! A published model: all-MiniLM-L6-v2, which `make models` fetches.

use std::{env, path::Path, path::PathBuf};

use resly_core::knowledge::{EmbedAs, Embedder};
use resly_local_models::LocalEmbedder;

fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let folder = target.join("tools/models/minilm");
    assert!(folder.exists(), "{}: run `make models`", folder.display());
    folder
}

/// The first numbers of vectors that the formulas of BERT give, written down once more with NumPy.
const EXPECTED: [(&str, [f32; 6]); 3] = [
    ("How do I reset my password?", [0.0069, -0.06302, -0.07204, -0.0325, -0.04271, 0.07043]),
    ("You can return a parcel within 30 days.", [-0.00016, -0.01138, 0.08008, -0.00106, 0.01033, 0.00605]),
    ("Wie kündige ich mein Abo?", [-0.02923, 0.03285, 0.02712, 0.01114, -0.0277, 0.05258]),
];

#[tokio::test]
async fn its_vectors_are_the_published_ones_and_know_meanings() {
    let embedder = LocalEmbedder::load(&folder()).unwrap();
    let texts: Vec<String> = EXPECTED.iter().map(|(text, _)| (*text).to_owned()).collect();
    let vectors = embedder.embed(&texts, EmbedAs::Document).await.unwrap();
    for ((text, expected), vector) in EXPECTED.iter().zip(&vectors) {
        assert_eq!(vector.len(), 384);
        let same = expected.iter().zip(vector).all(|(a, b)| (a - b).abs() < 2e-5);
        assert!(same, "{text}: {:?}", &vector[..6]);
    }
    let texts = ["money back", "refund", "the weather on mars"].map(str::to_owned);
    let vectors = embedder.embed(&texts, EmbedAs::Query).await.unwrap();
    let cosine = |a: usize, b: usize| -> f32 { vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum() };
    assert!(cosine(0, 1) > 0.6 && cosine(0, 2) < 0.2, "{} {}", cosine(0, 1), cosine(0, 2));
}
