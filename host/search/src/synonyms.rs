//! An organization's synonyms, analysed as questions are, and put beside the words of a question that they stand for.

use std::{collections::HashMap, sync::Arc};

use resly_core::knowledge::{OneWay, Synonyms};

use resly_analysis::{Kind, Language};

use crate::terms::{Phrase, Question, Word};

/// The most phrases that stand beside one word of a question.
const MOST_PHRASES: usize = 20;
/// Words of rules that are compared with words of one question, some 2 ms. A question of a customer needs few.
const MOST_COMPARED: usize = 20_000;

/// Synonyms, ready to be looked up.
#[derive(Debug, Default)]
pub struct SynonymIndex {
    made_of: (Synonyms, Vec<Language>),
    rules: Vec<Rule>,
    /// By each form of a rule's first word: the rules.
    by_first: HashMap<String, Vec<usize>>,
}

/// What a phrase of a question also means.
#[derive(Debug)]
struct Rule {
    from: Phrase,
    to: Vec<Phrase>,
}

impl SynonymIndex {
    /// For passages in these languages, the most frequent first. Each word is analysed, which takes a second for as many as
    /// an organization may have.
    pub fn new(synonyms: Synonyms, languages: &[Language]) -> Self {
        let analyze = |text: &String| -> Phrase { Question::new(text, languages).words.into() };
        let mut made = Self::default();
        for set in &synonyms.sets {
            let members: Vec<Phrase> = set.iter().map(analyze).collect();
            for (n, from) in members.iter().enumerate() {
                let others = members.iter().enumerate().filter(|(other, _)| *other != n);
                made.add(Arc::clone(from), others.map(|(_, to)| Arc::clone(to)).collect());
            }
        }
        for OneWay { from, to } in &synonyms.one_way {
            made.add(analyze(from), to.iter().map(analyze).collect());
        }
        made.made_of = (synonyms, languages.to_vec());
        made
    }

    /// Whether [`SynonymIndex::new`] would make the same of these.
    pub fn is_of(&self, synonyms: &Synonyms, languages: &[Language]) -> bool {
        (&self.made_of.0, &*self.made_of.1) == (synonyms, languages)
    }

    fn add(&mut self, from: Phrase, to: Vec<Phrase>) {
        let Some(first) = from.first() else { return };
        for form in forms(first) {
            self.by_first.entry(form).or_default().push(self.rules.len());
        }
        self.rules.push(Rule { from, to });
    }

    /// Puts beside the words of a question, which are in their order, what they also mean.
    pub fn apply(&self, words: &mut [(u32, Word)]) {
        let mut left = MOST_COMPARED;
        for start in 0..words.len() {
            let found = forms(&words[start].1).filter_map(|form| self.by_first.get(&form)).flatten();
            let mut rules: Vec<usize> = found.copied().take(left).collect();
            rules.sort_unstable();
            rules.dedup();
            for rule in rules.into_iter().filter_map(|rule| self.rules.get(rule)) {
                let Some(own) = words.get_mut(start..start + rule.from.len()) else { continue };
                let Some(rest) = left.checked_sub(own.len()) else { return };
                left = rest;
                if !own.iter().zip(&*rule.from).all(|((_, word), from)| is_form(word, from)) {
                    continue;
                }
                // A phrase of function words tells something when it has a synonym.
                if own.iter().all(|(_, word)| !word.telling) {
                    own.iter_mut().for_each(|(_, word)| word.telling = true);
                }
                for (_, word) in own {
                    let room = MOST_PHRASES.saturating_sub(word.synonyms.len());
                    word.synonyms.extend(rule.to.iter().take(room).cloned());
                }
            }
        }
    }

    /// Bytes of memory that it takes, roughly.
    pub fn bytes(&self) -> usize {
        let word = |word: &Word| word.terms.iter().map(|term| term.text.len() + 32).sum::<usize>() + size_of::<Word>();
        let phrase = |phrase: &Phrase| phrase.iter().map(word).sum::<usize>();
        // What it was made of takes no more than what it is.
        self.rules.iter().map(|rule| 3 * phrase(&rule.from) + 16 * rule.to.len()).sum()
    }
}

/// What a word is known by, whatever its inflection.
fn forms(word: &Word) -> impl Iterator<Item = String> {
    let whole = word.terms.iter().filter(|term| matches!(term.kind, Kind::Exact | Kind::Folded | Kind::Stem));
    whole.map(|term| term.key())
}

fn is_form(word: &Word, of: &Word) -> bool {
    let mut whole = word.terms.iter().filter(|term| matches!(term.kind, Kind::Exact | Kind::Folded | Kind::Stem));
    whole.any(|term| of.terms.iter().any(|other| other.kind.field() == term.kind.field() && other.text == term.text))
}
