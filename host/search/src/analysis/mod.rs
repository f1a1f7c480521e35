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
//! **Positions** count words from 0, and in scripts without spaces, characters. Tokens of one word share its position.
//! The whole of `Wi-Fi` stands at the position of its first part; the next part and the next word follow, so that a
//! phrase `wi fi router` fits. Tokens come in the order of their positions, and no field has the same text twice at one
//! position. Tantivy wants both of a `PreTokenizedString`.
//!
//! **Bounds**: the time and the number of tokens grow with the text, and not faster. A word beyond [`LONGEST_WORD`]
//! characters is cut, in a text as in a query; parts are counted ([`MOST_PARTS`]).

mod chars;
mod detect;
mod fold;
mod language;
mod spaced;
mod stem;
mod stop;
mod unspaced;

use std::ops::Range;

use chars::{Class, class};
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
    let mut tokens = Tokens { text, language, position: 0, found: Vec::with_capacity(text.len() / 2) };
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        at = match class(c) {
            Class::Break | Class::Ignored => at + c.len_utf8(),
            Class::Unspaced(script) => {
                let end = run_end(text, at, |class| class == Class::Unspaced(script) || class == Class::Ignored);
                unspaced::add(&mut tokens, &text[at..end], at, script);
                end
            }
            Class::Word | Class::Joiner => {
                let end = run_end(text, at, |class| matches!(class, Class::Word | Class::Joiner | Class::Ignored));
                spaced::add(&mut tokens, at..end);
                end
            }
        };
    }
    // Parts of one word may stand after the start of the next.
    tokens.found.sort_by_key(|token| token.position);
    tokens.found
}

fn run_end(text: &str, start: usize, belongs: impl Fn(Class) -> bool) -> usize {
    text[start..].find(|c| !belongs(class(c))).map_or(text.len(), |length| start + length)
}

/// The tokens found so far.
struct Tokens<'a> {
    text: &'a str,
    language: Language,
    /// Of the next word.
    position: u32,
    found: Vec<Token>,
}

impl Tokens<'_> {
    /// Adds a token, unless its field has it at this position.
    fn add(&mut self, text: String, position: u32, offset: Range<usize>, kind: Kind) {
        if text.is_empty() {
            return;
        }
        let near = self.found.iter().rev().take(4 * MOST_PARTS);
        let twice = near
            .take_while(|token| token.offset.end + 2 * LONGEST_WORD >= offset.start)
            .any(|token| token.position == position && token.kind.field() == kind.field() && token.text == text);
        if !twice {
            self.found.push(Token { text, position, offset, kind });
        }
    }
}

#[cfg(test)]
mod tests;
