//! Function words of many languages: what a query may weigh down, and what tells languages apart.

use std::{collections::HashMap, sync::LazyLock};

use super::{fold::exact, language::Language};

/// English words that carry no topic. The list of `stop-words` for English has many words that do, such as `home`,
/// `page` and `information`.
const ENGLISH: &str = "a about after again all also am an and any are as at be because been before being but by can \
    could did do does doing don't each for from get give had has have having he her here hers hi him his how i if in \
    into is it its itself i'm it's just know let like may me might more most must my no nor not of off on once only \
    or other our ours out over own please shall she should so some such tell than that the their theirs them then \
    there these they this those through to too under until up us very want was we were what what's when where which \
    while who whom why will with would you your yours can't doesn't isn't i'd i've i'll you're";

/// The languages that each function word belongs to, as [`Language::bit`]s.
static WORDS: LazyLock<HashMap<Box<str>, u64>> = LazyLock::new(|| {
    let mut words: HashMap<Box<str>, u64> = HashMap::new();
    for language in Language::ALL {
        let list = stop_words::lookup(language.code()).unwrap_or_default();
        let english: Vec<&str>;
        let list = match language {
            Language::English => {
                english = ENGLISH.split_ascii_whitespace().collect();
                &english
            }
            _ => list,
        };
        // Phrases can't match a word.
        for word in list.iter().filter(|word| word.chars().any(char::is_alphabetic) && !word.contains(' ')) {
            *words.entry(exact(word).into()).or_default() |= language.bit();
        }
    }
    words
});

/// The languages in which an exact form is a function word.
pub(super) fn languages(exact: &str) -> u64 {
    // The longest function words have some fifty bytes.
    if exact.len() > 64 { 0 } else { WORDS.get(exact).copied().unwrap_or(0) }
}

/// Whether an exact form is a word that every text of the language has, such as `the`. A query weighs it down; a query
/// of nothing else is still a query. The unknown language has the function words of English.
pub fn is_stop(exact: &str, language: Language) -> bool {
    let language = if language == Language::Unknown { Language::English } else { language };
    languages(exact) & language.bit() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_words_belong_to_languages() {
        assert!(is_stop("the", Language::English) && is_stop("the", Language::Unknown));
        assert!(is_stop("und", Language::German) && !is_stop("und", Language::English));
        assert!(is_stop("如何", Language::Chinese));
        assert!(!is_stop("refund", Language::English) && !is_stop("page", Language::English));
        assert!(!is_stop("", Language::English));
    }
}
