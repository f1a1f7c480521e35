//! The terms of the index: what the analysis makes of a passage, and of a question.
//!
//! A term is a token with a letter before it that says which of the analysis' two fields it is in, because an index
//! keeps both in one list of terms.

use std::{collections::HashSet, sync::Arc};

use tantivy::tokenizer;

pub use resly_analysis::Language;
use resly_analysis::{Field, Kind, Token, analyze, detect, detect_among, is_stop, is_unspaced};

/// More words of a question add noise and cost, no meaning.
const WORDS: usize = 48;
/// Places in a question for each word, where a script sets no spaces and each character has a place.
const PLACES: usize = 4;
/// The letters from which a word counts in full for what a question is about. In every language, the words that
/// anything may contain are short (Zipf, "Human Behavior and the Principle of Least Effort", 1949).
pub const FULL: u8 = 8;
/// As many letters counts a number or an identifier of three characters or more, which nobody uses by accident.
pub const IDENTIFIER: u8 = 2 * FULL;
/// A longer phrase is nobody's heading.
const PHRASE: usize = 8;
/// The languages besides its own in which a question's words are looked for.
const OTHER_LANGUAGES: usize = 3;
/// The bytes of a source that tell its language.
const SAMPLE: usize = 4000;

/// A part of a passage, in terms.
pub struct PassageTerms {
    pub tokens: Vec<tokenizer::Token>,
    /// How many words it has.
    pub words: u64,
}

/// What is looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    pub language: Language,
    pub words: Vec<Word>,
    /// The exact words in their order, when a heading may have them; else empty.
    pub phrase: Vec<String>,
}

/// The words of a synonym, of which a passage has to have all.
pub type Phrase = Arc<[Word]>;

/// A word of a question. Its terms are alternatives.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Word {
    pub terms: Vec<Term>,
    /// Whether it says what the question is about.
    pub telling: bool,
    /// How much it counts for what the question is about, in letters: at most [`FULL`], or [`IDENTIFIER`]; none for a
    /// word that tells nothing.
    pub letters: u8,
    /// Whether its script sets no spaces: then it is a run of characters that begins at its place, and only where the
    /// dictionary has a word begin does it have `letters`.
    pub unspaced: bool,
    /// Whether more of it may follow.
    pub unfinished: bool,
    /// What else it means, alone or with the words beside it.
    pub synonyms: Vec<Phrase>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Term {
    pub text: String,
    pub kind: Kind,
}

impl Term {
    /// As the index has it.
    pub fn key(&self) -> String {
        key(self.kind.field(), &self.text)
    }
}

/// A token as the index has it.
pub fn key(field: Field, text: &str) -> String {
    let mut key = String::with_capacity(text.len() + 1);
    key.push(match field {
        Field::Words => 'w',
        Field::Stems => 's',
    });
    key.push_str(text);
    key
}

/// The token of a term of the index.
pub fn token(key: &str) -> &str {
    key.get(1..).unwrap_or_default()
}

/// A language as a number, which stays the same when the analysis learns others.
pub fn number(language: Language) -> u64 {
    language.code().bytes().fold(0, |number, byte| number << 8 | u64::from(byte))
}

/// The language of a number.
pub fn from_number(given: u64) -> Option<Language> {
    Language::ALL.iter().copied().find(|language| number(*language) == given)
}

/// The language of a source, which the titles, sections and texts of its passages show.
pub fn language<'p>(passages: impl IntoIterator<Item = [&'p str; 3]>) -> Language {
    let mut sample = String::new();
    for passage in passages {
        for text in passage {
            sample.push_str(text);
            sample.push('\n');
        }
        if sample.len() > SAMPLE {
            break;
        }
    }
    sample.truncate(sample.floor_char_boundary(SAMPLE));
    detect(&sample)
}

/// The terms of a part of a passage.
pub fn of_passage(text: &str, language: Language) -> PassageTerms {
    let tokens = analyze(text, language);
    let mut words = 0;
    let mut last = None;
    for token in &tokens {
        words += u64::from(last != Some(token.position));
        last = Some(token.position);
    }
    let token = |token: Token| tokenizer::Token {
        offset_from: token.offset.start,
        offset_to: token.offset.end,
        position: token.position as usize,
        text: key(token.kind.field(), &token.text),
        position_length: 1,
    };
    PassageTerms { tokens: tokens.into_iter().map(token).collect(), words }
}

impl Question {
    /// A question for passages in these languages, the most frequent first.
    pub fn new(text: &str, languages: &[Language]) -> Self {
        Self::with_synonyms(text, languages, |_| ())
    }

    /// As [`Question::new`]. `add_synonyms` gets the words in their order, each with its place.
    pub fn with_synonyms(text: &str, languages: &[Language], add_synonyms: impl FnOnce(&mut [(u32, Word)])) -> Self {
        let language = detect_among(text, languages);
        let tokens = analyze(text, language);
        let phrase = phrase(&tokens);
        let mut words: Vec<(u32, Word)> = Vec::new();
        for token in tokens.into_iter().filter(|token| token.kind.asks()) {
            if words.last().is_none_or(|(position, _)| *position != token.position) {
                words.push((token.position, Word::default()));
            }
            if let Some((_, word)) = words.last_mut() {
                word.add(token, language);
            }
        }
        for other in languages.iter().filter(|other| **other != language).take(OTHER_LANGUAGES) {
            for token in analyze(text, *other).into_iter().filter(|token| token.kind.field() == Field::Stems) {
                let Ok(at) = words.binary_search_by_key(&token.position, |(position, _)| *position) else { continue };
                let term = Term { text: token.text, kind: token.kind };
                if !words[at].1.terms.contains(&term) {
                    words[at].1.terms.push(term);
                }
            }
        }
        add_synonyms(&mut words);
        let mut seen = HashSet::with_capacity(words.len());
        let first: Vec<bool> = words.iter().map(|(_, word)| seen.insert(word)).collect();
        let mut asked: Vec<Word> =
            words.into_iter().zip(first).filter(|(_, first)| *first).map(|((_, word), _)| word).collect();
        // Of a long question, what tells something.
        if asked.len() > WORDS {
            let (mut left, mut places) = (WORDS, WORDS * PLACES);
            asked.retain(|word| {
                let kept = word.telling && left > 0 && places > 0;
                left -= usize::from(kept && (!word.unspaced || word.letters > 0));
                places -= usize::from(kept);
                kept
            });
        }
        Self { language, words: asked, phrase }
    }

    /// Takes the last word of `text`, which the question was made of, for the beginning of one.
    pub fn leave_unfinished(&mut self, text: &str) {
        if let Some(last) = self.words.last_mut().filter(|_| text.ends_with(char::is_alphanumeric)) {
            last.unfinished = true;
            last.telling = true;
        }
    }
}

impl Word {
    /// Adds a token at the word's place.
    fn add(&mut self, token: Token, language: Language) {
        let stop = is_stop(&token.text, language);
        self.unspaced = is_unspaced(&token.text);
        match token.kind {
            Kind::Exact => {
                self.telling |= !stop;
                let letters = u8::try_from(token.text.chars().take(usize::from(FULL)).count()).unwrap_or(FULL);
                let identifier = letters > 2 && token.text.contains(char::is_numeric);
                if !stop && !self.unspaced {
                    self.letters = self.letters.max(if identifier { IDENTIFIER } else { letters });
                }
            }
            Kind::Stem if self.unspaced && !stop => self.letters = FULL,
            _ => {}
        }
        self.terms.push(Term { text: token.text, kind: token.kind });
    }
}

/// The exact words one after the other, if they are two or more and a heading may have as many.
fn phrase(tokens: &[Token]) -> Vec<String> {
    let mut words: Vec<(u32, String)> = Vec::new();
    for token in tokens.iter().filter(|token| token.kind == Kind::Exact) {
        match words.last_mut() {
            // The shortest stands for itself alone, where the whole of an identifier stands for all its parts.
            Some((position, word)) if *position == token.position => {
                if token.text.len() < word.len() {
                    word.clone_from(&token.text);
                }
            }
            _ => words.push((token.position, token.text.clone())),
        }
    }
    let consecutive = words.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
    let fits = (2..=PHRASE).contains(&words.len()) && consecutive;
    if fits { words.into_iter().map(|(_, word)| word).collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(question: &Question) -> Vec<(&str, bool)> {
        let exact = |word: &Word| word.terms.iter().position(|term| term.kind == Kind::Exact).unwrap();
        question.words.iter().map(|word| (word.terms[exact(word)].text.as_str(), word.telling)).collect()
    }

    #[test]
    fn a_question_is_its_words_once_each_and_the_phrase_of_a_heading() {
        let question = Question::new("What is Resly? Is it RESLY", &[Language::English]);
        assert_eq!(words(&question), [("what", false), ("is", false), ("resly", true), ("it", false)]);
        assert_eq!(question.phrase, ["what", "is", "resly", "is", "it", "resly"]);
        assert!(Question::new("refunds?", &[Language::English]).phrase.is_empty());
        assert!(Question::new(&"word ".repeat(9), &[]).phrase.is_empty(), "no heading is that long");
        assert!(Question::new("🤷‍♀️ … \0 ()", &[]).words.is_empty());
    }

    #[test]
    fn words_are_looked_for_in_the_languages_of_the_sources() {
        let stems = |languages: &[Language]| -> Vec<String> {
            let question = Question::new("Kündigungen", languages);
            let terms = question.words.into_iter().flat_map(|word| word.terms);
            terms.filter(|term| term.kind == Kind::Stem).map(|term| term.text).collect()
        };
        let german = stems(&[Language::German]);
        assert!(!german.is_empty());
        let both = stems(&[Language::English, Language::German]);
        assert!(german.iter().all(|stem| both.contains(stem)), "{german:?} {both:?}");
    }

    #[test]
    fn the_longest_question_is_a_short_query() {
        let long: String = (0..20_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(Question::new(&long, &[Language::English]).words.len(), WORDS);
        let long = "the ".repeat(20_000) + "refund";
        assert_eq!(words(&Question::new(&long, &[Language::English])), [("the", false), ("refund", true)]);
    }

    #[test]
    fn a_long_question_without_spaces_is_cut_by_its_words_not_its_characters() {
        let long = "我想请问一下上个星期在你们的网上商店购买的那台家用监控摄像头因为快递在运输途中损坏了所以现在无法\
                    正常开机使用我已经联系过客服但是一直没有人回复请问应该怎样申请退货和退款";
        let question = Question::new(long, &[Language::Chinese]);
        assert!(question.words.len() > WORDS, "{}", question.words.len());
        let last = |word: &Word| word.terms.iter().any(|term| term.text == "退款");
        assert!(question.words.iter().any(last));
        let endless: String = ('\u{4e00}'..'\u{5000}').collect();
        assert!(Question::new(&endless, &[Language::Chinese]).words.len() <= WORDS * PLACES);
    }

    #[test]
    fn only_a_word_without_an_end_is_unfinished() {
        let unfinished = |text| {
            let mut question = Question::new(text, &[Language::English]);
            question.leave_unfinished(text);
            question.words.last().unwrap().unfinished
        };
        assert!(unfinished("five deliv"));
        assert!(!unfinished("five deliv ") && !unfinished("five deliv."));
    }

    #[test]
    fn a_language_keeps_its_number() {
        for language in Language::ALL {
            assert_eq!(from_number(number(*language)), Some(*language));
        }
        assert_eq!((number(Language::English), from_number(0)), (0x656e, None));
    }
}
