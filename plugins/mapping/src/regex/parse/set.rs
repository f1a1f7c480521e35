//! Parses sets of characters.

use super::{DEEPEST, Parser, Read};
use crate::regex::class::{Class, Item, named};

impl Parser<'_> {
    /// Parses a set, from after its bracket on.
    pub(super) fn set(&mut self) -> Read<Class> {
        const OPEN: &str = "premature end of char-class";
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("the pattern nests deeper than {DEEPEST}"));
        }
        let mut class = Class { negated: self.eat('^'), ignore_case: self.options.ignore_case, items: Vec::new() };
        let mut first = true;
        loop {
            let next = self.rest.next().ok_or(OPEN)?;
            let from = match next {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(&':') => match self.posix() {
                    Some(item) => {
                        class.items.push(item?);
                        first = false;
                        continue;
                    }
                    None => '[',
                },
                '\\' => match self.escape_in_set()? {
                    Ok(character) => character,
                    Err(item) => {
                        class.items.push(item);
                        first = false;
                        continue;
                    }
                },
                other => other,
            };
            first = false;
            let mut ahead = self.rest.clone();
            if ahead.next_if_eq(&'-').is_none() || matches!(ahead.peek(), None | Some(']')) {
                class.items.push(Item::Range(from, from));
                continue;
            }
            self.rest = ahead;
            let to = match self.rest.next().ok_or(OPEN)? {
                '\\' => match self.escape_in_set()? {
                    Ok(character) => character,
                    Err(item) => {
                        class.items.extend([Item::Range(from, from), Item::Range('-', '-'), item]);
                        continue;
                    }
                },
                other => other,
            };
            if to < from {
                return Err("empty range in char class".to_owned());
            }
            class.items.push(Item::Range(from, to));
        }
        self.depth -= 1;
        Ok(class)
    }

    /// Parses a character or a set after a backslash within a set.
    fn escape_in_set(&mut self) -> Read<Result<char, Item>> {
        let next = self.rest.next().ok_or("end pattern at escape")?;
        let class = |item, negated| Err(Item::Class(Box::new(Class::of(item, negated))));
        Ok(match next {
            'd' => class(Item::Digit, false),
            'D' => class(Item::Digit, true),
            's' => class(Item::Space, false),
            'S' => class(Item::Space, true),
            'w' => class(Item::Word, false),
            'W' => class(Item::Word, true),
            'p' | 'P' if self.rest.peek() == Some(&'{') => Err(Item::Class(Box::new(self.property(next == 'P')?))),
            'b' => Ok('\u{8}'),
            other => Ok(self.character(other)?),
        })
    }

    /// Parses `[:name:]`. `None` when it isn't one.
    fn posix(&mut self) -> Option<Read<Item>> {
        let mut ahead = self.rest.clone();
        ahead.next();
        let negated = ahead.next_if_eq(&'^').is_some();
        let mut name = String::new();
        while let Some(letter) = ahead.next_if(char::is_ascii_alphabetic) {
            name.push(letter);
        }
        if ahead.next() != Some(':') || ahead.next() != Some(']') {
            return None;
        }
        self.rest = ahead;
        let class = named(&name).ok_or_else(|| "invalid POSIX bracket type".to_owned());
        Some(class.map(|class| Item::Class(Box::new(Class::of(Item::Class(Box::new(class)), negated)))))
    }
}
