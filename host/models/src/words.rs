//! Words of a text as the parts without a language model compare them: lower case, without endings, without the words
//! that every sentence has.

use std::{borrow::Cow, collections::HashSet};

use resly_analysis::{Kind, analyze, detect, is_stop, is_unspaced};
use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// English words that carry no topic, sorted.
const STOP: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "being", "but", "by", "can", "could", "did", "do", "does", "doing", "each", "for", "from", "get",
    "give", "had", "has", "have", "having", "he", "her", "here", "hers", "hi", "him", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "itself", "just", "know", "let", "like", "may", "me", "might", "more", "most", "must",
    "my", "no", "nor", "not", "of", "off", "on", "once", "only", "or", "other", "our", "ours", "out", "over", "own",
    "please", "shall", "she", "should", "so", "some", "such", "tell", "than", "that", "the", "their", "theirs", "them",
    "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "us", "very",
    "want", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will", "with",
    "would", "you", "your", "yours",
];

/// One word as it stands in the text, and what it is compared by.
pub struct Word<'a> {
    pub text: &'a str,
    pub stem: String,
    /// It says nothing about the topic.
    pub stop: bool,
}

/// An identifier as words.
pub fn spaced(id: &str) -> String {
    id.replace(['_', '-', '.'], " ")
}

/// The words of a text in order.
pub fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let stemmer = Stemmer::create(Algorithm::English);
    // `RESLY_MODEL_URL` is one word to Unicode, and three to whoever asks for it.
    let parts = text.unicode_words().flat_map(|word| word.split('_')).filter(|word| !word.is_empty());
    parts.map(move |text| {
        let lower = lower(text);
        let bare = lower.split_once(['\'', '’']).map_or(&*lower, |(head, _)| head);
        let stop = STOP.binary_search(&bare).is_ok();
        Word { text, stem: stemmer.stem(bare).into_owned(), stop }
    })
}

/// The stems that a text can be found by, in order. Scripts that set no spaces between words give overlapping pieces.
pub fn stems(text: &str) -> impl Iterator<Item = String> + '_ {
    script_runs(text).flat_map(|(unspaced, run)| match unspaced {
        Some(length) => pieces(run, length),
        None => words(run).filter(|word| !word.stop && !word.stem.is_empty()).map(|word| word.stem).collect(),
    })
}

/// The stems of a question that say what it is about: those of [`stems`] without what is a function word in its language.
pub fn topic(question: &str) -> HashSet<String> {
    let language = detect(question);
    let is_function = |kind: Kind, text: &str| matches!(kind, Kind::Exact | Kind::Stem) && is_stop(text, language);
    let tokens = analyze(question, language).into_iter();
    let functions: Vec<String> =
        tokens.filter(|token| is_function(token.kind, &token.text)).map(|token| token.text).collect();
    let stemmer = Stemmer::create(Algorithm::English);
    let stop: HashSet<String> = functions.iter().map(|word| stemmer.stem(word).into_owned()).collect();
    // A piece of an unspaced script that stands within a function word is one, too.
    let within = |stem: &str| is_unspaced(stem) && functions.iter().any(|word| word.contains(stem));
    stems(question).filter(|stem| !stop.contains(stem) && !within(stem)).collect()
}

/// How many characters a piece has, in scripts that set no spaces between words.
fn piece_length(c: char) -> Option<usize> {
    match c {
        // Chinese characters, hiragana, katakana.
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => {
            Some(2)
        }
        // Thai and Lao, Burmese, Khmer.
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' => Some(4),
        _ => None,
    }
}

/// Runs of a text whose characters are alike in [`piece_length`].
fn script_runs(text: &str) -> impl Iterator<Item = (Option<usize>, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let kind = piece_length(rest.chars().next()?);
        let end = rest.find(|c| piece_length(c) != kind).unwrap_or(rest.len());
        let (run, more) = rest.split_at(end);
        rest = more;
        Some((kind, run))
    })
}

/// All pieces of `length` characters, or the whole of a shorter run.
fn pieces(run: &str, length: usize) -> Vec<String> {
    let characters: Vec<char> = run.chars().collect();
    match characters.len() <= length {
        true => vec![run.to_owned()],
        false => characters.windows(length).map(|piece| piece.iter().collect()).collect(),
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// The sentences of a text, each on one line. A line break within a paragraph ends none; one that ends a paragraph or an
/// item of a list does.
pub fn sentences(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    paragraphs(text).flat_map(|paragraph| {
        let paragraph = paragraph.trim();
        if !paragraph.contains('\n') {
            return paragraph.unicode_sentences().map(|sentence| Cow::Borrowed(sentence.trim())).collect::<Vec<_>>();
        }
        let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        line.unicode_sentences().map(|sentence| Cow::Owned(sentence.trim().to_owned())).collect()
    })
}

/// Runs of lines that belong together.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len();
        let mut at = 0;
        for line in rest.split_inclusive('\n') {
            let next = at + line.len();
            let follows = rest[next..].lines().next().unwrap_or("").trim_start();
            if line.trim().is_empty() || follows.is_empty() || line.starts_with('#') || starts_item(follows) {
                end = next;
                break;
            }
            at = next;
        }
        let (paragraph, more) = rest.split_at(end);
        rest = more;
        Some(paragraph)
    })
}

/// Whether a line begins something of its own: an item, a heading, a row, a fence, a quote.
fn starts_item(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    line.starts_with(['#', '|', '>', '`'])
        || ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark))
        || (digits > 0 && (line[digits..].starts_with(". ") || line[digits..].starts_with(") ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_words_are_sorted() {
        assert!(STOP.is_sorted());
    }

    #[test]
    fn function_words_of_other_languages_are_no_topic() {
        let sorted = |text: &str| {
            let mut stems: Vec<_> = topic(text).into_iter().collect();
            stems.sort();
            stems
        };
        assert_eq!(sorted("Wie wird das Wetter morgen in Berlin?"), ["berlin", "wetter"]);
        assert_eq!(sorted("How can the weather be?"), ["weather"]);
        assert!(sorted("今天天气怎么样？").contains(&"天气".to_owned()));
        assert!(!sorted("今天天气怎么样？").contains(&"怎么".to_owned()));
    }

    #[test]
    fn word_forms_meet() {
        let same = |a: &str, b: &str| assert_eq!(stems(a).collect::<Vec<_>>(), stems(b).collect::<Vec<_>>());
        same("Cancelling the subscriptions", "cancel subscription");
        same(
            "What's the customer's ORDER?",
            "orders customers".split(' ').rev().collect::<Vec<_>>().join(" ").as_str(),
        );
    }

    #[test]
    fn the_parts_of_an_identifier_are_words() {
        assert_eq!(stems("`RESLY_MODEL_URL`, __x__").collect::<Vec<_>>(), ["resli", "model", "url", "x"]);
    }

    #[test]
    fn sentences_end_at_items_and_paragraphs() {
        let text = "We ship daily. Free of\ncharge.\n\n- one item\n- two items\n1. first\n\n# Heading\nText.";
        let found: Vec<_> = sentences(text).collect();
        let expected =
            ["We ship daily.", "Free of charge.", "- one item", "- two items", "1. first", "# Heading", "Text."];
        assert_eq!(found, expected);
    }
}
