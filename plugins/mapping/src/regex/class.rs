//! Sets of characters.

use regex_syntax::hir::{Class as Found, HirKind};

/// One condition for belonging to a set.
#[derive(Clone, Debug)]
pub enum Item {
    Range(char, char),
    Digit,
    Space,
    Word,
    Class(Box<Class>),
}

/// A set of characters.
#[derive(Clone, Debug, Default)]
pub struct Class {
    pub items: Vec<Item>,
    pub negated: bool,
    pub ignore_case: bool,
}

impl Class {
    pub fn of(item: Item, negated: bool) -> Self {
        Self { items: vec![item], negated, ignore_case: false }
    }

    pub fn contains(&self, character: char) -> bool {
        let mut within = self.has(character);
        if !within && self.ignore_case {
            within = variants(character).into_iter().any(|variant| self.has(variant));
        }
        within != self.negated
    }

    fn has(&self, character: char) -> bool {
        self.items.iter().any(|item| match item {
            Item::Range(from, to) => (*from..=*to).contains(&character),
            Item::Digit => is_digit(character),
            Item::Space => character.is_whitespace(),
            Item::Word => is_word(character),
            Item::Class(class) => class.contains(character),
        })
    }
}

/// The same letter in its other cases.
fn variants(character: char) -> [char; 3] {
    let upper = only(character.to_uppercase()).unwrap_or(character);
    let lower = only(character.to_lowercase()).unwrap_or(character);
    [upper, lower, fold(character)]
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    characters.next().filter(|_| characters.next().is_none())
}

/// A form that letters of all cases have in common.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let upper = only(character.to_uppercase()).unwrap_or(character);
    only(upper.to_lowercase()).unwrap_or(upper)
}

pub fn is_digit(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && character.is_numeric() && in_property("Nd", character))
}

/// Whether it is a letter, digit, mark or connector.
pub fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    character.is_alphabetic() || is_digit(character) || in_property("M", character) || in_property("Pc", character)
}

fn in_property(name: &str, character: char) -> bool {
    property(name).is_some_and(|class| class.contains(character))
}

/// A Unicode property or a POSIX class, by its name.
pub fn named(name: &str) -> Option<Class> {
    let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect::<String>().to_ascii_lowercase();
    if !plain.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let union = |names: &[&str]| {
        let classes = names.iter().filter_map(|name| property(name)).map(|class| Item::Class(Box::new(class)));
        Some(Class { items: classes.collect(), ..Class::default() })
    };
    match &*plain {
        "word" => Some(Class::of(Item::Word, false)),
        "space" => Some(Class::of(Item::Space, false)),
        "digit" => Some(Class::of(Item::Digit, false)),
        "any" => Some(Class::of(Item::Range('\0', char::MAX), false)),
        "ascii" => Some(Class::of(Item::Range('\0', '\u{7f}'), false)),
        "xdigit" => Some(Class {
            items: vec![Item::Range('0', '9'), Item::Range('a', 'f'), Item::Range('A', 'F')],
            ..Class::default()
        }),
        "blank" => Some(Class {
            items: vec![Item::Range('\t', '\t'), Item::Class(Box::new(property("Zs")?))],
            ..Class::default()
        }),
        "alnum" => union(&["Alphabetic", "Nd"]),
        "alpha" => union(&["Alphabetic"]),
        "upper" => union(&["Uppercase"]),
        "lower" => union(&["Lowercase"]),
        "cntrl" => union(&["Cc", "Cf", "Co"]),
        "punct" => union(&["P", "S"]),
        "graph" => Some(Class {
            items: vec![Item::Space, Item::Class(Box::new(union(&["Cc", "Cn"])?))],
            negated: true,
            ..Class::default()
        }),
        "print" => {
            Some(Class { items: vec![Item::Class(Box::new(union(&["Cc", "Cn"])?))], negated: true, ..Class::default() })
        }
        _ => property(&plain),
    }
}

/// General categories, scripts and binary properties.
fn property(name: &str) -> Option<Class> {
    let parsed = regex_syntax::Parser::new().parse(&format!("\\p{{{name}}}")).ok()?;
    let HirKind::Class(Found::Unicode(found)) = parsed.kind() else { return None };
    let items = found.ranges().iter().map(|range| Item::Range(range.start(), range.end())).collect();
    Some(Class { items, ..Class::default() })
}
