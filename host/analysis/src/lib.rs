//! Turns a text or a query into tokens, the same way for both.
//!
//! [`analyze`] is a pure function of a text and its language. It finds the words, and gives each word several tokens,
//! each of a [`Kind`]. An index keeps two fields for a text, [`Field::Words`] and [`Field::Stems`], and each kind
//! belongs to one of them:
//!
//! | kind       | field   | what it is                                        | `Wi-Fi` | `Kündigungsfristen` | `订阅费` |
//! |------------|---------|---------------------------------------------------|---------|---------------------|----------|
//! | `Exact`    | `Words` | a word, without regard to case                    | `wi-fi`, `wi`, `fi` | `kündigungsfristen` | `订阅`, `阅费` |
//! | `Folded`   | `Words` | the same without accents, where it has any        |         | `kundigungsfristen`, `kuendigungsfristen` | |
//! | `Part`     | `Words` | parts of an identifier, and parts joined          | `wifi`  |                     |          |
//! | `Gram`     | `Words` | what only a shorter query asks for                |         |                     | `订`, `阅`, `费` |
//! | `Stem`     | `Stems` | what inflections share; the words of a dictionary | `wi`, `fi`, `wifi` | `kundigungsfrist` | `订阅`, `费` |
//! | `Compound` | `Stems` | stems of what may be the parts of a compound      |         | `kundig`, `frist`, … |         |
//!
//! An index adds the tokens of a text to their fields. A query looks its tokens up in their fields, except those of
//! kind `Gram` ([`Kind::asks`]). `Part` and `Compound` tell less than the others and should weigh less. The tokens of
//! one word are alternatives: the best of them counts, not their sum.
//!
//! **Guarantee**: cut a word out of a text at white space, punctuation, or (in scripts without spaces) anywhere between
//! two characters. Every `Exact` token of that word as a query, alone or within a sentence, is among the text's tokens
//! of the field `Words`. It holds whatever languages the two are taken for, because only `Stem`, `Compound` and one
//! form of `Folded` depend on the language. The tests hold it for many scripts.
//!
//! A query names its language by [`detect_among`] the languages of the index. Where that is [`Language::Unknown`], its
//! stems in each of those languages are worth looking up.
//!
//! **Positions** count words from 0, and in scripts without spaces, characters. Tokens of one word share its position.
//! The whole of `Wi-Fi` stands at the position of its first part; the next part and the next word follow, so that a
//! phrase `wi fi router` fits. Tokens come in the order of their positions, and no field has the same text twice at one
//! position. Tantivy wants both of a `PreTokenizedString`.
//!
//! **Bounds**: the time and the number of tokens grow with the text, and not faster. A word beyond [`LONGEST_WORD`]
//! characters is cut, in a text as in a query; parts are counted ([`MOST_PARTS`]).

mod chars;
mod common;
mod compound;
mod detect;
mod fold;
mod language;
mod letters;
mod light;
mod parts;
mod spaced;
mod stem;
mod stop;
mod unspaced;

use std::ops::Range;

use chars::{Class, ascii_class, class};
pub use detect::{detect, detect_among};
pub use language::Language;
pub use stop::is_stop;

/// A longer word is known by its start. No language and no identifier needs more.
pub const LONGEST_WORD: usize = 100;
/// A word has at most so many parts of each sort.
pub const MOST_PARTS: usize = 12;

/// A token of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub position: u32,
    /// Where the word stands in the text, in bytes.
    pub offset: Range<usize>,
    pub kind: Kind,
}

/// What a token is of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The word, without regard to case, writing variants and invisible characters.
    Exact,
    /// The word without accents, vowel points and variants of letters; a number in plain notation.
    Folded,
    /// A part of an identifier, or its parts joined.
    Part,
    /// A shorter run of characters than the exact ones, in a script without spaces. A query doesn't ask for it.
    Gram,
    /// What the inflections of the word share. In a script without spaces, the word of a dictionary.
    Stem,
    /// The stem of what may be a part of the word.
    Compound,
}

/// A field of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Words,
    Stems,
}

impl Kind {
    /// The field that a token of this kind belongs to.
    pub const fn field(self) -> Field {
        match self {
            Self::Exact | Self::Folded | Self::Part | Self::Gram => Field::Words,
            Self::Stem | Self::Compound => Field::Stems,
        }
    }

    /// Whether a query asks for tokens of this kind.
    pub const fn asks(self) -> bool {
        !matches!(self, Self::Gram)
    }
}

/// The tokens of a text or a query, in the order of their positions.
pub fn analyze(text: &str, language: Language) -> Vec<Token> {
    let room = (text.len() / 3).min(1 << 14);
    let mut tokens = Tokens { text, language, position: 0, found: Vec::with_capacity(room), before: None };
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if let Some(end) = plain_word(text, at) {
            spaced::add_plain(&mut tokens, at..end);
            at = end;
            continue;
        }
        at = match class(c) {
            Class::Break | Class::Ignored => at + c.len_utf8(),
            Class::Unspaced(script) => {
                let end = run_end(text, at, |class| class == Class::Unspaced(script) || class == Class::Ignored);
                unspaced::add(&mut tokens, &text[at..end], at, script);
                end
            }
            Class::Word | Class::Joiner => {
                let in_chunk = |class| matches!(class, Class::Word | Class::Joiner | Class::Ignored);
                let mut end = run_end(text, at, in_chunk);
                while is_hebrew_abbreviation(text, end) {
                    end = run_end(text, end + 1, in_chunk);
                }
                spaced::add(&mut tokens, at..end);
                end
            }
        };
    }
    tokens.finish()
}

/// Whether a token is of a script that sets no spaces between words.
pub fn is_unspaced(token: &str) -> bool {
    token.chars().next().is_some_and(|c| matches!(class(c), Class::Unspaced(_)))
}

fn run_end(text: &str, start: usize, belongs: impl Fn(Class) -> bool) -> usize {
    text[start..].find(|c| !belongs(class(c))).map_or(text.len(), |length| start + length)
}

/// Whether at `at` stands a quotation mark between two Hebrew letters, which is how keyboards write the sign of an
/// abbreviation (Unicode Standard Annex 29, rule WB7b).
fn is_hebrew_abbreviation(text: &str, at: usize) -> bool {
    let hebrew = |c: Option<char>| c.is_some_and(|c| matches!(c, '\u{5d0}'..='\u{5ea}'));
    text[at..].starts_with('"') && hebrew(text[..at].chars().next_back()) && hebrew(text[at..].chars().nth(1))
}

/// The end of the word at `start` if it is what most words of most texts are: letters of ASCII in one case, or digits,
/// with nothing but white space and punctuation after them.
fn plain_word(text: &str, start: usize) -> Option<usize> {
    let rest = &text.as_bytes()[start..];
    let (first, second) = (rest.first()?, rest.get(1).unwrap_or(&b' '));
    let length = |alike: fn(&u8) -> bool| rest.iter().skip(1).take_while(|byte| alike(byte)).count() + 1;
    let length = match (first, second) {
        (b'0'..=b'9', _) => length(u8::is_ascii_digit),
        (b'A'..=b'Z', b'A'..=b'Z') => length(u8::is_ascii_uppercase),
        (b'a'..=b'z' | b'A'..=b'Z', _) => length(u8::is_ascii_lowercase),
        _ => return None,
    };
    let mut after = rest[length..].iter().skip_while(|byte| matches!(byte, b'.' | b',' | b':' | b'-' | b'/' | b'\''));
    let ends = after.next().is_none_or(|byte| byte.is_ascii() && ascii_class(*byte) == Class::Break);
    (ends && length <= LONGEST_WORD).then_some(start + length)
}

/// The tokens found so far.
struct Tokens<'a> {
    text: &'a str,
    language: Language,
    /// Of the next word.
    position: u32,
    found: Vec<Token>,
    /// The word before, if it may be one with the next.
    before: Option<spaced::Before>,
}

impl Tokens<'_> {
    fn add(&mut self, text: String, position: u32, offset: Range<usize>, kind: Kind) {
        if !text.is_empty() {
            self.found.push(Token { text, position, offset, kind });
        }
    }

    /// The tokens in order, each once. Parts of one word may stand after the start of the next, and may be the same.
    fn finish(self) -> Vec<Token> {
        let mut found = self.found;
        found.sort_by_key(|token| token.position);
        let (mut kept, mut group) = (0, 0);
        for n in 0..found.len() {
            if kept > 0 && found[n].position != found[kept - 1].position {
                group = kept;
            }
            let (before, rest) = found.split_at_mut(n);
            let token = &rest[0];
            let same = |other: &&mut Token| other.kind.field() == token.kind.field() && other.text == token.text;
            match before[group..kept].iter_mut().find(same) {
                // The kinds are in the order of what they tell.
                Some(twice) => twice.kind = twice.kind.min(token.kind),
                None => {
                    found.swap(kept, n);
                    kept += 1;
                }
            }
        }
        found.truncate(kept);
        found
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
