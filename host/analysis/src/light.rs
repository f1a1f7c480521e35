//! Stemming by small rules of our own, for languages that Snowball has nothing for.
//!
//! Words come folded and leave without their commonest endings, and nothing is taken from a word that would leave less
//! than a syllable.

use super::language::Language;

/// Takes the first of `endings` off that leaves `least` letters.
fn strip_end(word: &mut String, endings: &[&str], least: usize) -> bool {
    let ending = endings.iter().find(|ending| word.strip_suffix(**ending).is_some_and(|rest| has(rest, least)));
    if let Some(ending) = ending {
        word.truncate(word.len() - ending.len());
    }
    ending.is_some()
}

/// Whether a word has so many letters. A sign of Devanagari counts.
fn has(word: &str, letters: usize) -> bool {
    letters == 0 || word.chars().nth(letters - 1).is_some()
}

/// Endings of nouns and verbs in Hindi, longest first.
const HINDI: &[&str] = &[
    "ाएंगी",
    "ाएंगे",
    "ाऊंगी",
    "ाऊंगा",
    "ियों",
    "ाओगे",
    "ाएगी",
    "ाएगा",
    "ाइयां",
    "ुएं",
    "ुओं",
    "ाएं",
    "ाओं",
    "ाने",
    "ाना",
    "ानी",
    "ाते",
    "ाती",
    "ाता",
    "ियां",
    "ेंगे",
    "ेंगी",
    "ूंगी",
    "ूंगा",
    "तीं",
    "नों",
    "ोगे",
    "ोगी",
    "ेगा",
    "ेगी",
    "कर",
    "ने",
    "ना",
    "नी",
    "ते",
    "ती",
    "ता",
    "ीं",
    "ां",
    "ों",
    "ें",
    "ाओ",
    "ाए",
    "ाई",
    "िए",
    "ओं",
    "एं",
    "े",
    "ू",
    "ु",
    "ी",
    "ि",
    "ा",
    "ो",
];

pub(super) fn hindi(mut word: String) -> String {
    strip_end(&mut word, HINDI, 2);
    word
}

/// Particles that Korean writes at the end of a noun, longest first.
const KOREAN: &[&str] = &[
    "에서는",
    "으로는",
    "에게서",
    "이라는",
    "입니다",
    "에서",
    "에게",
    "으로",
    "까지",
    "부터",
    "처럼",
    "보다",
    "이나",
    "하고",
    "라는",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "에",
    "의",
    "로",
    "와",
    "과",
    "도",
    "만",
];

pub(super) fn korean(mut word: String) -> String {
    strip_end(&mut word, KOREAN, 2);
    word
}

/// The conjunctions, prepositions and the article that Arabic writes at the start of a noun, longest first.
const ARABIC_STARTS: &[&str] = &["وال", "بال", "كال", "فال", "ولل", "ال", "لل", "و"];
/// Endings of Arabic nouns and pronouns, longest first, and the plural of Persian.
const ARABIC_ENDS: &[&str] = &["ها", "ان", "ات", "ون", "ين", "يه", "هم", "كم", "نا", "ه", "ي"];
const PERSIAN_ENDS: &[&str] = &["هاي", "ها"];

/// Light stemming, which for retrieval does better than going back to the root of an Arabic word (Larkey et al., "Light
/// Stemming for Arabic Information Retrieval"). Snowball's algorithm takes the last letters of `اشتراك` for a pronoun.
pub(super) fn arabic(mut word: String, language: Language) -> String {
    let ends = match language {
        Language::Persian | Language::Urdu => PERSIAN_ENDS,
        _ => {
            let start = ARABIC_STARTS.iter().find(|start| {
                // A single letter is more likely to be the word's own.
                let left = if start.len() > 2 { 2 } else { 3 };
                word.strip_prefix(**start).is_some_and(|rest| has(rest, left))
            });
            if let Some(start) = start {
                word.drain(..start.len());
            }
            ARABIC_ENDS
        }
    };
    if strip_end(&mut word, ends, 3) {
        strip_end(&mut word, ends, 3);
    }
    word
}

/// Hebrew writes `and`, `the`, `in`, `to`, `from`, `as` and `that` at the start of a word. A first letter may be the
/// word's own, so both forms are stems.
pub(super) fn hebrew(word: String, mut found: impl FnMut(String)) {
    let rest = word.strip_prefix(['ו', 'ה', 'ב', 'ל', 'כ', 'מ', 'ש']).filter(|rest| rest.chars().count() >= 3);
    let rest = rest.map(str::to_owned);
    found(word);
    if let Some(rest) = rest {
        found(rest);
    }
}

/// Endings of nouns and adjectives in Slavic languages, folded, longest first.
const SLAVIC_LATIN: &[&str] = &[
    "iami", "ami", "ach", "ech", "ich", "ych", "ego", "eho", "emu", "imi", "ymi", "owi", "ovi", "iem", "ima", "ama",
    "ow", "ov", "om", "am", "em", "ej", "ie", "ia", "iu", "ii", "y", "a", "e", "i", "o", "u",
];
const SLAVIC_CYRILLIC: &[&str] = &[
    "ами", "ями", "ого", "ому", "ими", "ите", "ата", "ята", "ето", "ове", "ата", "ів", "ий", "ій", "их", "ах", "ях",
    "ам", "ям", "ом", "ем", "ою", "ею", "ки", "ку", "ка", "и", "і", "а", "я", "у", "ю", "е", "о", "ь", "й", "ї", "ы",
];

/// Light stemming for the Slavic languages without an algorithm. Words of other languages stay.
pub(super) fn slavic(mut word: String, language: Language) -> String {
    use Language::*;
    let endings = match language {
        Polish | Czech | Slovak | Croatian | Slovenian => SLAVIC_LATIN,
        Ukrainian | Belarusian | Bulgarian | Serbian => SLAVIC_CYRILLIC,
        _ => return word,
    };
    strip_end(&mut word, endings, 3);
    word
}
