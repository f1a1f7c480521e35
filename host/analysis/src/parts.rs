//! Parts of words: of identifiers such as `getUserById` and `v2.10.3`, and of words with an apostrophe.

use std::ops::Range;

use super::{MOST_PARTS, chars::is_apostrophe, fold::exact};

/// The parts of an identifier, where its case changes or digits begin, as ranges of `raw`. Empty when there is one part.
pub(super) fn cased(raw: &str) -> Vec<Range<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Sort {
        Upper,
        Lower,
        Digit,
    }
    let sort = |c: char| match c {
        c if c.is_numeric() => Sort::Digit,
        c if c.is_uppercase() => Sort::Upper,
        _ => Sort::Lower,
    };
    let mut parts = Vec::new();
    let mut start = 0;
    let mut before: Option<(usize, Sort)> = None;
    for (at, c) in raw.char_indices() {
        let sort = sort(c);
        if let Some((last, previous)) = before {
            let cut = match (previous, sort) {
                (Sort::Digit, Sort::Digit) | (Sort::Upper, Sort::Upper) | (Sort::Lower, Sort::Lower) => None,
                // In `XMLParser` the last of the upper case begins the next part.
                (Sort::Upper, Sort::Lower) => (last > start).then_some(last),
                _ => Some(at),
            };
            if let Some(cut) = cut.filter(|_| parts.len() + 1 < MOST_PARTS) {
                parts.push(start..cut);
                start = cut;
            }
        }
        before = Some((at, sort));
    }
    if parts.is_empty() {
        return parts;
    }
    parts.push(start..raw.len());
    // The plural of an abbreviation, such as `PDFs`, isn't two words.
    let plural = raw.ends_with('s') && parts.len() == 2 && parts[1].len() == 2 && raw[..raw.len() - 1].len() > 2;
    if plural && raw.chars().rev().nth(1).is_some_and(char::is_uppercase) {
        return Vec::new();
    }
    parts
}

/// Short words that French, Italian and Catalan write with an apostrophe before the next word, and the `O` of Irish
/// names.
const ELISIONS: &[&str] = &[
    "l", "d", "j", "m", "t", "s", "c", "n", "o", "qu", "un", "jusqu", "lorsqu", "puisqu", "quoiqu", "presqu", "quelqu",
    "dell", "all", "nell", "sull", "dall", "coll", "quell", "quest", "sant", "bell", "tutt",
];

/// A word with apostrophes, as ranges of `raw`: what carries its meaning, and the rest.
pub(super) struct Apostrophes {
    pub base: Range<usize>,
    pub rest: Vec<Range<usize>>,
}

/// Splits a word at its apostrophes. `None` when it has none, or only such as stand within an abbreviation.
pub(super) fn apostrophes(raw: &str) -> Option<Apostrophes> {
    // The middle dot of Catalan and the signs of Hebrew abbreviations part nothing.
    let parts = |c: char| is_apostrophe(c) && !matches!(c, '\u{b7}' | '\u{5f3}' | '\u{5f4}');
    if !raw.contains(parts) {
        return None;
    }
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (at, sign) in raw.match_indices(parts) {
        pieces.push(start..at);
        start = at + sign.len();
        if pieces.len() + 1 == MOST_PARTS {
            break;
        }
    }
    pieces.push(start..raw.len());
    pieces.retain(|piece| !piece.is_empty());
    let first = exact(&raw[pieces.first()?.clone()]);
    let base = if pieces.len() > 1 && ELISIONS.contains(&first.as_str()) { 1 } else { 0 };
    let base = pieces.remove(base);
    Some(Apostrophes { base, rest: pieces })
}

/// The parts of a dotted name that are known on their own: the starts of a version (`2.10` of `2.10.3`), the ends of a
/// host (`example.com` of `docs.example.com`), and a version without its `v`. `words` are those between the points.
pub(super) fn dotted(text: &str, words: &[Range<usize>]) -> Vec<Range<usize>> {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
    let points = words.windows(2).all(|pair| &text[pair[0].end..pair[1].start] == ".");
    if !points || words.len() < 2 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut start = first.start;
    let bare = text[first.clone()].strip_prefix(['v', 'V']).unwrap_or(&text[first.clone()]);
    let version = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
    if version && bare.len() < first.len() {
        start = first.end - bare.len();
        found.push(start..last.end);
    }
    let some = words.len().min(MOST_PARTS / 2);
    match version {
        true => found.extend(words[..some.min(words.len() - 1)].iter().skip(1).map(|word| start..word.end)),
        false => found.extend(words[words.len() - some..].iter().rev().skip(1).map(|word| word.start..last.end)),
    }
    found.retain(|range| *range != (first.start..last.end));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_digits_part_an_identifier() {
        for (word, parts) in [
            ("getUserById", "get User By Id"),
            ("XMLParser", "XML Parser"),
            ("iPhone15", "i Phone 15"),
            ("10GB", "10 GB"),
            ("ABC123", "ABC 123"),
            ("PDFs", ""),
            ("Refund", ""),
            ("REFUND", ""),
            ("ÄrgerÜber", "Ärger Über"),
        ] {
            let found: Vec<&str> = cased(word).into_iter().map(|range| &word[range]).collect();
            assert_eq!(found.join(" "), parts, "{word}");
        }
        assert!(cased(&"aB".repeat(100)).len() <= MOST_PARTS);
    }

    #[test]
    fn an_apostrophe_parts_a_word_from_its_article_or_ending() {
        for (word, base) in [
            ("l'abonnement", "abonnement"),
            ("l’abonnement", "abonnement"),
            ("dell'ordine", "ordine"),
            ("customer's", "customer"),
            ("İstanbul'da", "İstanbul"),
            ("O'Brien", "Brien"),
            ("aujourd'hui", "aujourd"),
        ] {
            let found = apostrophes(word).map(|found| &word[found.base]);
            assert_eq!(found, Some(base), "{word}");
        }
        assert!(apostrophes("צה״ל").is_none() && apostrophes("instal·lació").is_none());
    }
}
