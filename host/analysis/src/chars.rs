//! What a character is to the analysis.

use unicode_normalization::char::is_combining_mark;

/// The scripts that set no spaces between words. Each run of one is cut on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unspaced {
    /// Chinese characters and both kana.
    Han,
    Thai,
    Lao,
    Burmese,
    Khmer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A letter, digit or mark of a script that sets spaces between words.
    Word,
    /// A sign that joins the parts of an identifier, a price, a host, a compound. At an end of a word it is punctuation.
    Joiner,
    /// A character that nobody sees, such as a soft hyphen.
    Ignored,
    Unspaced(Unspaced),
    Break,
}

pub(super) fn class(c: char) -> Class {
    if c.is_ascii() {
        return ascii_class(c as u8);
    }
    if let Some(unspaced) = unspaced(c) {
        return Class::Unspaced(unspaced);
    }
    if is_ignored(c) {
        Class::Ignored
    } else if is_apostrophe(c) || is_hyphen(c) || is_currency(c) {
        Class::Joiner
    } else if c.is_alphanumeric() || is_combining_mark(c) {
        Class::Word
    } else {
        Class::Break
    }
}

pub(super) const fn ascii_class(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => Class::Word,
        b'.' | b'-' | b'_' | b'/' | b':' | b'@' | b'#' | b'+' | b'&' | b'\'' | b'%' | b'\\' | b',' | b'$' => {
            Class::Joiner
        }
        _ => Class::Break,
    }
}

/// Blocks by the Unicode Character Database. Digits of these scripts are words of their own, as elsewhere.
fn unspaced(c: char) -> Option<Unspaced> {
    match c {
        '\u{e50}'..='\u{e59}' | '\u{ed0}'..='\u{ed9}' | '\u{1040}'..='\u{1049}' | '\u{17e0}'..='\u{17e9}' => None,
        // Signs that end sentences or repeat words.
        '\u{e3f}' | '\u{e4f}' | '\u{e5a}' | '\u{e5b}' | '\u{104a}'..='\u{104f}' | '\u{17d4}'..='\u{17db}' => None,
        '\u{e01}'..='\u{e7f}' => Some(Unspaced::Thai),
        '\u{e80}'..='\u{eff}' => Some(Unspaced::Lao),
        '\u{1000}'..='\u{109f}' | '\u{aa60}'..='\u{aa7f}' | '\u{a9e0}'..='\u{a9ff}' => Some(Unspaced::Burmese),
        '\u{1780}'..='\u{17ff}' => Some(Unspaced::Khmer),
        '\u{3005}'..='\u{3007}' | '\u{303b}' | '\u{303c}' => Some(Unspaced::Han),
        // The middle dot of katakana separates words.
        '\u{30fb}' | '\u{30a0}' => None,
        '\u{2e80}'..='\u{2fdf}' | '\u{3041}'..='\u{312f}' | '\u{31a0}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' => {
            Some(Unspaced::Han)
        }
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}' => {
            Some(Unspaced::Han)
        }
        '\u{1b000}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}' => Some(Unspaced::Han),
        _ => None,
    }
}

/// A character that adds to the one before it, in a script without spaces.
pub(super) fn continues_unit(c: char) -> bool {
    is_combining_mark(c) || is_ignored(c) || matches!(c, '\u{ff9e}' | '\u{ff9f}')
}

/// Default ignorable characters (Unicode, "Default_Ignorable_Code_Point") that occur in texts, and the Arabic tatweel,
/// which only stretches a word.
pub(super) fn is_ignored(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{640}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Apostrophes of all kinds, the middle dot of Catalan and the signs of Hebrew abbreviations.
pub(super) const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}' | '\u{ff07}' | '\u{b7}' | '\u{5f3}' | '\u{5f4}')
}

/// A hyphen, or a minus.
pub(super) const fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{5be}' | '\u{ff0d}')
}

/// The category "Sc", as far as prices are written with it.
pub(super) const fn is_currency(c: char) -> bool {
    matches!(c, '$' | '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}' | '\u{e3f}' | '\u{fdfc}' | '\u{ff04}')
}

/// The value of a decimal digit of any script. Unicode keeps each script's ten digits in a row.
pub(super) const fn digit(c: char) -> Option<u8> {
    const ZEROS: [u32; 22] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0xff10,
    ];
    let c = c as u32;
    let mut n = 0;
    while n < ZEROS.len() {
        if c >= ZEROS[n] && c < ZEROS[n] + 10 {
            return Some((c - ZEROS[n]) as u8);
        }
        n += 1;
    }
    None
}
