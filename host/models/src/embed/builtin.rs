//! The embedder that needs no download and no network.
//!
//! It is no language model. It hashes what a text is made of (word stems, pairs of neighbouring stems, and the letters
//! of each word in threes and fours) into a vector, so texts are near each other when they share words. It sees through
//! word forms ("refunded", "refunds") and most typos ("adress"), and it is the same on every machine. It doesn't know
//! that "money back" and "refund" mean the same, and its stems and stop words are English; other languages are compared
//! by their words and letters as they are. An embedding model behind `/v1/embeddings` does better on both.

use std::collections::HashMap;

use async_trait::async_trait;
use resly_core::{
    error::EmbedError,
    knowledge::{EmbedAs, Embedder},
};

use super::normalise;
use crate::words::words;

/// In 384, two texts that share nothing come out as near as two that share a word; here they don't.
const DIMENSIONS: usize = 1024;
/// Each feature goes to this many places, so that one collision can't make two texts look alike.
const PLACES: u32 = 4;
/// Says which features are hashed how: to be raised with every change that moves a vector.
const NAME: &str = "builtin-lexical-v1-1024";

const STEM: f32 = 1.0;
const PAIR: f32 = 0.5;
/// For all of a word's letter groups together.
const LETTERS: f32 = 0.8;

/// Measured on two hundred passages of technical handbooks: the best of them for a question about something else stays
/// under it, and one that shares the question's topic is over it.
const FLOOR: f32 = 0.13;

/// Feature-hashed stems, pairs and letter groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinEmbedder;

impl BuiltinEmbedder {
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl Embedder for BuiltinEmbedder {
    fn name(&self) -> &str {
        NAME
    }

    fn floor(&self) -> Option<f32> {
        Some(FLOOR)
    }

    fn is_lexical(&self) -> bool {
        true
    }

    async fn embed(&self, texts: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for (n, text) in texts.iter().enumerate() {
            if n % 8 == 7 {
                // Ingest embeds many; answers that stream on this thread shouldn't wait for all of them.
                tokio::task::yield_now().await;
            }
            vectors.push(vector(text));
        }
        Ok(vectors)
    }
}

fn vector(text: &str) -> Vec<f32> {
    // Counted before they are weighed, so that the tenth mention adds little.
    let mut features: HashMap<u64, (f32, f32)> = HashMap::new();
    let mut add = |feature: u64, weight: f32| {
        let (count, most) = features.entry(feature).or_default();
        *count += 1.0;
        *most = most.max(weight);
    };
    let mut before: Option<u64> = None;
    for word in words(text).filter(|word| !word.stop && !word.stem.is_empty()) {
        let stem = hash(b's', word.stem.as_bytes(), 0);
        add(stem, STEM);
        if let Some(before) = before {
            add(hash(b'p', &stem.to_le_bytes(), before), PAIR);
        }
        before = Some(stem);
        letters(&word.stem, &mut add);
    }
    let mut vector = vec![0.0; DIMENSIONS];
    // Summed in the order of their hashes, so that the same text gives the same bits.
    let mut features: Vec<_> = features.into_iter().collect();
    features.sort_unstable_by_key(|(feature, _)| *feature);
    for (feature, (count, weight)) in features {
        let weight = weight * (1.0 + count.ln());
        for place in 0..PLACES {
            // Sixteen bits of the hash for each place: one is the sign.
            let bits = (feature >> (16 * place)) & 0xffff;
            let at = (bits >> 1) as usize % DIMENSIONS;
            vector[at] += if bits & 1 == 0 { weight } else { -weight };
        }
    }
    if !normalise(&mut vector) {
        // A text without a word has to point somewhere: to where hardly any text does.
        vector[0] = 1.0;
    }
    vector
}

/// Threes and fours of a word's letters, its ends marked.
fn letters(stem: &str, add: &mut impl FnMut(u64, f32)) {
    let marked: Vec<char> = std::iter::once('^').chain(stem.chars().take(48)).chain(std::iter::once('$')).collect();
    if marked.len() < 5 {
        return;
    }
    let groups = || [3, 4].into_iter().flat_map(|size| marked.windows(size));
    #[expect(clippy::cast_precision_loss, reason = "a word has few letters")]
    let weight = LETTERS / (groups().count() as f32).sqrt();
    let mut bytes = Vec::with_capacity(16);
    for group in groups() {
        bytes.clear();
        for letter in group {
            bytes.extend_from_slice(&u32::from(*letter).to_le_bytes());
        }
        add(hash(b'l', &bytes, 0), weight);
    }
}

/// FNV-1a with a finish that spreads its high bits: the same everywhere and for good, unlike the standard library's.
fn hash(kind: u8, bytes: &[u8], seed: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in std::iter::once(&kind).chain(bytes) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &str, b: &str) -> f32 {
        vector(a).iter().zip(vector(b)).map(|(a, b)| a * b).sum()
    }

    const REFUND: &str = "Refunds are paid within fourteen days after the parcel has come back to our warehouse. \
        Write to us with the order number, and we will send a label for the return.";
    const LOGIN: &str = "To reset a forgotten password, open the sign-in page and follow the link below the form. \
        The mail with the new password arrives within a minute.";

    #[tokio::test]
    async fn vectors_have_unit_length_and_are_the_same_every_time() {
        let texts: Vec<String> =
            ["", "?!", "a", "refund", REFUND, "Grüße aus Köln", "注文の状態"].map(String::from).to_vec();
        let first = BuiltinEmbedder::new().embed(&texts, EmbedAs::Document).await.unwrap();
        let again = BuiltinEmbedder::new().embed(&texts, EmbedAs::Query).await.unwrap();
        assert_eq!(first, again);
        for vector in first {
            assert_eq!(vector.len(), DIMENSIONS);
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
    }

    #[test]
    fn a_question_is_nearest_to_what_shares_its_words() {
        for question in ["How do I get a refund?", "return label", "was my parcel refunded"] {
            assert!(near(question, REFUND) > FLOOR, "{question}: {}", near(question, REFUND));
            assert!(near(question, REFUND) > near(question, LOGIN) + 0.1, "{question}");
        }
        assert!(near("what is the weather like on mars", REFUND).abs() < FLOOR);
        assert!(near("what is the weather like on mars", LOGIN).abs() < FLOOR);
    }

    #[test]
    fn word_forms_and_typos_stay_near() {
        assert!(near("cancelled subscriptions", "cancel a subscription") > 0.95);
        assert!(near("pasword reset", "password reset") > 0.5);
        assert!(near("pasword reset", "pasword reset") > near("pasword reset", "password rest"));
    }

    #[test]
    fn the_same_text_has_the_same_vector_for_good() {
        // Stored vectors outlive this code: a change here needs another name.
        let sum: f32 = vector("Where is my order?").iter().enumerate().map(|(n, x)| x * (n % 7) as f32).sum();
        assert!((sum - PINNED).abs() < 1e-4, "{sum}");
    }
    const PINNED: f32 = -1.131_578_7;
}
