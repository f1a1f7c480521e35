//! Forms of a word that don't depend on a language: the exact form and the folded form.
//!
//! The exact form keeps what a careful writer means: NFKC, lower case, digits in ASCII, one kind of apostrophe and
//! hyphen, no invisible characters. The folded form also loses what people leave out when they type: accents, the
//! points of Arabic, Hebrew and Devanagari, variants of a letter.
//!
//! Both are functions of the word alone, so that a query has the same forms as a text, whatever language either is
//! taken for.

use unicode_normalization::{
    IsNormalized, UnicodeNormalization,
    char::{decompose_canonical, is_combining_mark},
    is_nfc_quick, is_nfkc_quick,
};

use super::{
    LONGEST_WORD,
    chars::{digit, is_apostrophe, is_hyphen, is_ignored},
};

/// The exact form of a word.
pub(super) fn exact(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let visible = word.chars().filter(|c| !is_ignored(*c));
    let mut lower = String::with_capacity(word.len());
    if is_nfkc_quick(visible.clone()) == IsNormalized::Yes {
        visible.for_each(|c| push_lower(&mut lower, c));
    } else {
        // One character may stand for eighteen.
        visible.nfkc().take(2 * LONGEST_WORD).for_each(|c| push_lower(&mut lower, c));
    }
    // Lower case may undo the composition, and NFKC of one character may make an invisible one.
    match is_nfc_quick(lower.chars()) {
        IsNormalized::Yes => lower,
        _ => lower.nfc().filter(|c| !is_ignored(*c)).collect(),
    }
}

fn push_lower(out: &mut String, c: char) {
    match c {
        // `to_lowercase` adds a combining dot.
        'İ' => out.push('i'),
        'ς' => out.push('σ'),
        // The cedilla that Romanian had before Unicode had the comma is Turkish; `folded` treats both alike.
        // Within a word it is the sign of a Hebrew abbreviation.
        '"' => out.push('\''),
        c if is_apostrophe(c) => out.push('\''),
        c if is_hyphen(c) => out.push('-'),
        c => match digit(c) {
            Some(digit) => out.push(char::from(b'0' + digit)),
            None => out.extend(c.to_lowercase()),
        },
    }
}

/// The folded form of an exact form, if it is a different one.
pub(super) fn folded(exact: &str) -> Option<String> {
    if exact.is_ascii() && !exact.contains('\'') {
        return None;
    }
    let mut out = String::with_capacity(exact.len());
    for c in exact.chars() {
        fold_char(&mut out, c);
    }
    (out != exact && !out.is_empty()).then_some(out)
}

fn fold_char(out: &mut String, c: char) {
    match c {
        '\'' => {}
        '\0'..='\x7f' => out.push(c),
        '\u{300}'..='\u{36f}' => {}
        'ß' => out.push_str("ss"),
        'æ' => out.push_str("ae"),
        'œ' => out.push_str("oe"),
        'þ' => out.push_str("th"),
        'ĳ' => out.push_str("ij"),
        'ø' => out.push('o'),
        'đ' | 'ð' | 'ɖ' => out.push('d'),
        'ł' => out.push('l'),
        'ħ' => out.push('h'),
        'ı' => out.push('i'),
        'ŋ' => out.push('n'),
        'ŧ' => out.push('t'),
        'ə' => out.push('e'),
        'ƒ' => out.push('f'),
        // Latin and Greek.
        '\u{80}'..='\u{24f}' | '\u{1e00}'..='\u{1fff}' | '\u{370}'..='\u{3ff}' => {
            decompose_canonical(c, |part| {
                if !is_combining_mark(part) {
                    out.push(if part == 'ς' { 'σ' } else { part });
                }
            });
        }
        // Cyrillic: й and ї are letters of their own.
        'ё' => out.push('е'),
        'ґ' => out.push('г'),
        // Hebrew points.
        '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' => {}
        // Arabic signs above and below letters.
        '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}' => {}
        'أ' | 'إ' | 'آ' | 'ٱ' => out.push('ا'),
        'ى' | 'ی' | 'ے' | 'ې' => out.push('ي'),
        'ة' | 'ۀ' | 'ہ' | 'ھ' | 'ە' | 'ۃ' => out.push('ه'),
        'ؤ' => out.push('و'),
        'ئ' => out.push('ي'),
        'ک' => out.push('ك'),
        // Devanagari and its neighbours: the nukta, and one sign for a nasal.
        '\u{93c}' | '\u{9bc}' | '\u{a3c}' | '\u{abc}' => {}
        'ँ' => out.push('ं'),
        'ऩ' => out.push('न'),
        'ऱ' => out.push('र'),
        'ऴ' => out.push('ळ'),
        c => out.push(c),
    }
}

/// The form with `ae`, `oe`, `ue` and `aa` for the letters that a keyboard may lack, if the word has any.
pub(super) fn transliterated(exact: &str) -> Option<String> {
    if !exact.contains(['ä', 'ö', 'ü', 'å', 'ø']) {
        return None;
    }
    let mut out = String::with_capacity(exact.len() + 4);
    for c in exact.chars() {
        match c {
            'ä' => out.push_str("ae"),
            'ö' | 'ø' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'å' => out.push_str("aa"),
            c => fold_char(&mut out, c),
        }
    }
    Some(out)
}

/// A number without its grouping and with a point before its decimals, if it is written in another way: `4,90` and
/// `1.234,50` as `4.90` and `1234.50`.
pub(super) fn plain_number(exact: &str) -> Option<String> {
    let separators = exact.bytes().filter(|byte| matches!(byte, b'.' | b',' | b'\'')).count();
    if separators == 0 || !exact.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'\'')) {
        return None;
    }
    let groups: Vec<&str> = exact.split(['.', ',', '\'']).collect();
    let last_separator = exact.rfind(['.', ',', '\''])?;
    let grouped = |groups: &[&str]| {
        groups
            .split_first()
            .is_some_and(|(first, rest)| (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3))
    };
    let (decimals, whole) = groups.split_last()?;
    let plain = if grouped(&groups) && separators >= 1 && !exact.starts_with('0') {
        groups.concat()
    } else if grouped(whole) || whole.len() == 1 {
        // A version such as `2.10.3` has its separators alike.
        let before = exact[..last_separator].bytes().filter(|byte| !byte.is_ascii_digit());
        if before.clone().any(|byte| byte == exact.as_bytes()[last_separator]) {
            return None;
        }
        format!("{}.{decimals}", whole.concat())
    } else {
        return None;
    };
    (plain != exact).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_form_is_one_for_all_writings() {
        for (word, form) in [
            ("Café", "café"),
            ("CAFE\u{301}", "café"),
            ("Straße", "straße"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδός", "οδόσ"),
            ("İade", "iade"),
            ("ﬁne", "fine"),
            ("ＡＢＣ１２", "abc12"),
            ("٣٤", "34"),
            ("Don’t", "don't"),
            ("Kün\u{ad}digung", "kündigung"),
            ("ref\u{200b}und", "refund"),
            ("مـــرحبا", "مرحبا"),
        ] {
            assert_eq!(exact(word), form, "{word}");
        }
    }

    #[test]
    fn the_folded_form_has_what_people_type() {
        for (word, form) in [
            ("café", "cafe"),
            ("straße", "strasse"),
            ("ılık", "ilik"),
            ("şi", "si"),
            ("și", "si"),
            ("đồng", "dong"),
            ("συνδρομή", "συνδρομη"),
            ("ёлка", "елка"),
            ("أحمد", "احمد"),
            ("فاتورة", "فاتوره"),
            ("مَرْحَبًا", "مرحبا"),
            ("שָׁלוֹם", "שלום"),
            ("क़ीमत", "कीमत"),
            ("کتابی", "كتابي"),
            ("don't", "dont"),
            ("smørrebrød", "smorrebrod"),
        ] {
            assert_eq!(folded(&exact(word)).as_deref(), Some(form), "{word}");
        }
        for word in ["cafe", "мой", "รายการ", "订阅"] {
            assert_eq!(folded(word), None, "{word}");
        }
        assert_eq!(transliterated("kündigung").as_deref(), Some("kuendigung"));
    }

    #[test]
    fn numbers_are_found_in_either_notation() {
        for (number, plain) in [
            ("4,90", Some("4.90")),
            ("4.90", None),
            ("1.234,50", Some("1234.50")),
            ("1,234.50", Some("1234.50")),
            ("1'234.50", Some("1234.50")),
            ("1.000", Some("1000")),
            ("12,345,678", Some("12345678")),
            ("2.10.3", None),
            ("0.125", None),
            ("42", None),
            ("a.b", None),
        ] {
            assert_eq!(plain_number(number).as_deref(), plain, "{number}");
        }
    }
}
