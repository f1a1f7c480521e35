//! Words of a text as the parts without a language model compare them: lower case, without endings, without the words
//! that every sentence has.

use std::borrow::Cow;

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

/// The stems that tell what a text is about, in order.
pub fn stems(text: &str) -> impl Iterator<Item = String> + '_ {
    words(text).filter(|word| !word.stop && !word.stem.is_empty()).map(|word| word.stem)
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
