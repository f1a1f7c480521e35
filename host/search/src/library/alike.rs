//! Groups questions that ask about the same: by meaning where the embedder knows meanings, and by the words that they share.

use std::collections::BTreeSet;

use resly_analysis::{Kind, Language, analyze, detect, is_stop, is_unspaced};
use resly_core::{boxed, knowledge::EmbedAs};

use super::{Library, PATIENCE};
use crate::calibration::Meaning;

/// Questions with a smaller share of words in common ask about different things.
const SHARED: f32 = 0.6;
/// The nearness of a question and its answer, from which two questions ask about the same.
const NEAR: f32 = 1.0;
/// The same on the way from the floor of an embedder that tells it to 1.
const ABOVE_FLOOR: f32 = 0.5;

/// The words of a question that tell what it is about, by their stems.
pub fn telling_words(question: &str) -> BTreeSet<String> {
    let language = detect(question);
    let tokens = analyze(question, language);
    let mut words = BTreeSet::new();
    for word in tokens.chunk_by(|a, b| a.position == b.position) {
        let exact = word.iter().find(|token| token.kind == Kind::Exact).map(|token| token.text.as_str());
        if exact.is_some_and(|exact| is_stop(exact, language)) {
            continue;
        }
        let stem = word.iter().find(|token| token.kind == Kind::Stem).map(|token| token.text.as_str());
        words.extend(stem.or(exact.filter(|exact| !is_unspaced(exact))).map(str::to_owned));
    }
    words
}

/// What is known of one question.
struct Known<'q> {
    words: BTreeSet<String>,
    language: Language,
    vector: Option<&'q [f32]>,
}

/// How alike two sets of words are: the share that they have in common.
fn shared(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f32 {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    if all == 0 { 0.0 } else { common as f32 / all as f32 }
}

/// How alike two questions are: 1 and more is the same.
fn likeness(a: &Known<'_>, b: &Known<'_>, meaning: Meaning) -> f32 {
    let by_words = shared(&a.words, &b.words) / SHARED;
    let (Some(x), Some(y)) = (a.vector, b.vector) else { return by_words };
    let cosine: f32 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    let by_meaning = match meaning {
        Meaning::Floor(floor) => (cosine - floor) / (1.0 - floor).max(f32::EPSILON) / ABOVE_FLOOR,
        _ => meaning.nearness(cosine).map_or(0.0, |nearness| nearness / NEAR),
    };
    by_words.max(by_meaning)
}

impl Library {
    /// The group of each of the `questions`, as the place of the group's first one among `leaders` and `questions`. Those of
    /// `leaders` stand for groups that are there already. The same questions give the same groups. Empty when the host ends.
    #[boxed]
    pub async fn group_alike(&self, leaders: &[String], questions: &[String]) -> Vec<usize> {
        let all: Vec<String> = leaders.iter().chain(questions).cloned().collect();
        let vectors = if self.embedder.is_lexical() {
            None
        } else {
            let made = tokio::time::timeout(PATIENCE * 5, self.embedder.embed(&all, EmbedAs::Query)).await;
            made.ok().and_then(Result::ok).filter(|vectors| vectors.len() == all.len())
        };
        let mut languages: Vec<Language> = Vec::new();
        let mut meanings: Vec<(Language, Meaning)> = Vec::new();
        for text in &all {
            let language = detect(text);
            languages.push(language);
            if vectors.is_some() && meanings.iter().all(|(known, _)| *known != language) {
                meanings.push((language, self.calibrator.meaning(language, PATIENCE).await));
            }
        }
        let first = leaders.len();
        let work = move || {
            let known: Vec<Known<'_>> = all
                .iter()
                .enumerate()
                .map(|(at, text)| Known {
                    words: telling_words(text),
                    language: languages[at],
                    vector: vectors.as_ref().and_then(|vectors| vectors.get(at)).map(Vec::as_slice),
                })
                .collect();
            let meaning = |language: Language| {
                meanings.iter().find(|(known, _)| *known == language).map_or(Meaning::Nothing, |(_, meaning)| *meaning)
            };
            group(&known, first, meaning)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_default()
    }
}

/// The place of the group of each one from `first` on: its own when nothing before is alike. Those before are groups.
fn group(known: &[Known<'_>], first: usize, meaning: impl Fn(Language) -> Meaning) -> Vec<usize> {
    let mut leaders: Vec<usize> = (0..first).collect();
    let mut groups = Vec::with_capacity(known.len() - first);
    for (at, one) in known.iter().enumerate().skip(first) {
        let meaning = meaning(one.language);
        let mut best: Option<(usize, f32)> = None;
        for leader in &leaders {
            let likeness = likeness(one, &known[*leader], meaning);
            if likeness >= 1.0 && best.is_none_or(|(_, most)| likeness > most) {
                best = Some((*leader, likeness));
            }
        }
        let group = best.map_or(at, |(leader, _)| leader);
        if group == at {
            leaders.push(at);
        }
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(question: &str) -> Vec<String> {
        telling_words(question).into_iter().collect()
    }

    fn groups(first: usize, questions: &[&str]) -> Vec<usize> {
        let known = |text: &&str| Known { words: telling_words(text), language: detect(text), vector: None };
        let known: Vec<Known<'_>> = questions.iter().map(known).collect();
        group(&known, first, |_| Meaning::Nothing)
    }

    #[test]
    fn what_tells_nothing_does_not_count() {
        assert_eq!(words("How do I cancel my orders?"), ["cancel", "order"]);
        assert!(words("and if you do?").is_empty());
    }

    #[test]
    fn questions_with_the_same_words_are_one_group() {
        let questions = [
            "How do I cancel my order?",
            "Where is my order?",
            "Can I cancel the orders?",
            "Kann ich meine Bestellung stornieren?",
            "Wie storniere ich Bestellungen?",
            "thanks",
        ];
        assert_eq!(groups(0, &questions), [0, 1, 0, 3, 3, 5]);
        assert_eq!(groups(2, &questions), [0, 3, 3, 5], "the first two stand for groups");
        assert_eq!(groups(0, &["", "…"]), [0, 1], "nothing is like nothing");
    }

    #[test]
    fn questions_that_mean_the_same_are_one_group() {
        let (near, far) = ([1.0, 0.0], [0.6, 0.8]);
        let known = |vector| Known { words: BTreeSet::new(), language: Language::English, vector: Some(vector) };
        let known = [known(&near[..]), known(&near[..]), known(&far[..])];
        let measured = Meaning::Measured { unrelated: 0.5, related: 0.9 };
        assert_eq!(group(&known, 0, |_| measured), [0, 0, 2]);
        assert_eq!(group(&known, 0, |_| Meaning::Floor(0.3)), [0, 0, 2]);
        assert_eq!(group(&known, 0, |_| Meaning::Nothing), [0, 1, 2]);
    }
}
