//! Decides which of the passages that words and vectors propose are about the question.
//!
//! Any question shares a word with some passage, and has a nearest vector. So a question about something else is told by how
//! much of it words cover and how near the nearest vector is, where its [`Meaning`] is known.

use resly_core::id::PassageId;

use crate::{
    calibration::{Meaning, NEAR},
    words::{LEAST_COVERAGE, Matches},
};

/// What the ranking of an embedder that only compares words counts beside that of the words themselves. It knows word
/// forms of one language and no rarity. Measured with `make bench retrieval`: 1 finds fewer answers first.
const LEXICAL: f32 = 0.5;

/// How much more of a question words have to cover when its nearest vector isn't near. Measured on `tests/retrieval` with a
/// multilingual model: 0 leaves 23 % of the questions about something else with a result, 1 leaves 10 % and 3 leaves 3 %.
const DOUBT: f32 = 3.0;
/// The share of a question with which words are believed against any vector.
const ENOUGH_COVERAGE: f32 = 0.8;

/// The passages that are found, best first by each way.
#[derive(Debug, PartialEq)]
pub struct Rankings {
    pub by_words: Vec<PassageId>,
    pub by_vector: Vec<PassageId>,
    /// What the ranking by vector counts beside that by words.
    pub vector_weight: f32,
}

/// Judges passages by an embedder that only compares words. It finds nothing where no word does.
pub fn judge_lexical(matches: Option<Matches>, near: &[(PassageId, f32)], meaning: Meaning) -> Rankings {
    let nothing = matches.as_ref().is_some_and(|matches| matches.passages.is_empty());
    let near = near.iter().filter(|(_, cosine)| !nothing && meaning.is_near(*cosine));
    Rankings {
        by_vector: near.map(|(passage, _)| *passage).collect(),
        by_words: matches.map(|matches| matches.passages).unwrap_or_default(),
        vector_weight: LEXICAL,
    }
}

/// Judges passages by an embedder that knows meanings, in the languages that it knows. In others it has no say.
pub fn judge(matches: Option<Matches>, near: &[(PassageId, f32)], meaning: Meaning) -> Rankings {
    let nearest = near.first().and_then(|(_, cosine)| meaning.nearness(*cosine));
    let by_words = match matches {
        Some(matches) if matches.coverage >= required_coverage(nearest) => matches.passages,
        _ => Vec::new(),
    };
    let by_vector = near.iter().filter(|(_, cosine)| meaning.is_near(*cosine)).map(|(passage, _)| *passage).collect();
    Rankings { by_words, by_vector, vector_weight: 1.0 }
}

/// How much of a question words have to cover: the more, the farther the nearest vector is. Words that cover nearly all of a
/// question find what they do in any case, such as a part number, which no embedder knows.
fn required_coverage(nearest: Option<f32>) -> f32 {
    let missing = nearest.map_or(0.0, |nearest| (NEAR - nearest).max(0.0));
    (LEAST_COVERAGE * (1.0 + DOUBT * missing)).min(ENOUGH_COVERAGE)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::terms::Language;

    const KNOWN: Meaning = Meaning::Measured { unrelated: 0.8, related: 0.9 };

    fn id(n: u128) -> PassageId {
        PassageId(Uuid::from_u128(n))
    }

    /// Passages by their numbers.
    fn matches(coverage: f32, passages: &[u128]) -> Option<Matches> {
        let passages = passages.iter().map(|n| id(*n)).collect();
        Some(Matches { passages, scores: Vec::new(), coverage, language: Language::English })
    }

    fn near(cosines: &[(u128, f32)]) -> Vec<(PassageId, f32)> {
        cosines.iter().map(|(n, cosine)| (id(*n), *cosine)).collect()
    }

    fn numbers(passages: &[PassageId]) -> Vec<u128> {
        passages.iter().map(|passage| passage.0.as_u128()).collect()
    }

    fn judged(matches: Option<Matches>, cosines: &[(u128, f32)], meaning: Meaning) -> [Vec<u128>; 2] {
        let Rankings { by_words, by_vector, .. } = judge(matches, &near(cosines), meaning);
        [numbers(&by_words), numbers(&by_vector)]
    }

    #[test]
    fn near_passages_are_found_without_words() {
        let cosines = [(1, 0.88), (2, 0.85), (3, 0.81)];
        assert_eq!(judged(matches(0.0, &[]), &cosines, KNOWN), [vec![], vec![1, 2]]);
        assert_eq!(judged(matches(0.5, &[3]), &cosines, KNOWN), [vec![3], vec![1, 2]]);
        assert_eq!(judged(None, &cosines, KNOWN), [vec![], vec![1, 2]]);
        assert_eq!(judged(matches(0.0, &[]), &[(1, 0.81)], KNOWN), [vec![], Vec::<u128>::new()]);
    }

    #[test]
    fn the_farther_the_vectors_the_more_words_have_to_cover() {
        let found = |coverage, cosine| !judged(matches(coverage, &[1]), &[(2, cosine)], KNOWN)[0].is_empty();
        assert!(found(0.23, 0.86) && found(0.23, 0.85));
        assert!(!found(0.23, 0.82) && found(0.5, 0.82));
        assert!(!found(0.5, 0.75) && found(0.9, 0.75));
        assert!(found(0.9, -1.0), "words that cover nearly all are enough");
        assert!(!judged(matches(0.23, &[1]), &[], KNOWN)[0].is_empty(), "without vectors, words decide");
    }

    #[test]
    fn an_embedder_that_does_not_know_the_language_has_no_say() {
        assert_eq!(judged(matches(0.0, &[]), &[(1, 0.99)], Meaning::Nothing), [vec![], Vec::<u128>::new()]);
        assert_eq!(judged(matches(0.23, &[2, 1]), &[(1, 0.99)], Meaning::Nothing), [vec![2, 1], vec![]]);
    }

    #[test]
    fn an_embedder_that_compares_words_finds_nothing_where_no_word_does() {
        let floor = Meaning::Floor(0.5);
        let judged = |matches| numbers(&judge_lexical(matches, &near(&[(1, 0.9), (2, 0.4)]), floor).by_vector);
        assert_eq!(judged(matches(0.5, &[2])), [1]);
        assert!(judged(matches(0.0, &[])).is_empty());
        assert_eq!(judged(None), [1], "without an index of words it is all there is");
    }
}
