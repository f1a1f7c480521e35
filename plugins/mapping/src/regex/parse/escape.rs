//! Parses what follows a backslash.

use super::{Assertion, BY_NAME, How, Parser, Part, Read};
use crate::regex::class::{Class, Item, named};

impl Parser<'_> {
    pub(super) fn escape(&mut self) -> Read<Option<Part>> {
        let next = self.rest.next().ok_or("end pattern at escape")?;
        Ok(Some(match next {
            'd' => self.class(Item::Digit, false),
            'D' => self.class(Item::Digit, true),
            's' => self.class(Item::Space, false),
            'S' => self.class(Item::Space, true),
            'w' => self.class(Item::Word, false),
            'W' => self.class(Item::Word, true),
            'p' | 'P' if self.rest.peek() == Some(&'{') => Part::Class(self.property(next == 'P')?),
            'b' => Part::Assert(Assertion::Boundary),
            'B' => Part::Assert(Assertion::NoBoundary),
            'A' => Part::Assert(Assertion::TextStart),
            'z' => Part::Assert(Assertion::TextEnd),
            'Z' => Part::Assert(Assertion::LastLineEnd),
            'G' => Part::Assert(Assertion::SearchStart),
            'K' => Part::Keep,
            'N' => Part::Any { line_ends: false },
            'O' => Part::Any { line_ends: true },
            'R' => line_end(),
            'X' => cluster(),
            'Q' => {
                let mut parts = Vec::new();
                while let Some(character) = self.rest.next() {
                    if character == '\\' && self.eat('E') {
                        break;
                    }
                    parts.push(self.literal(character));
                }
                Part::Sequence(parts)
            }
            'k' if self.eat('<') => {
                let groups = vec![self.by_name()?];
                Part::Reference { groups, ignore_case: self.options.ignore_case }
            }
            'g' if self.eat('<') => Part::Call(self.by_name()?),
            '1'..='9' => {
                let mut number = next.to_digit(10).unwrap_or_default() as usize;
                while let Some(digit) = self.rest.peek().and_then(|digit| digit.to_digit(10)) {
                    number = (number * 10 + digit as usize).min(BY_NAME - 1);
                    self.rest.next();
                }
                Part::Reference { groups: vec![number], ignore_case: self.options.ignore_case }
            }
            other => {
                let character = self.character(other)?;
                self.literal(character)
            }
        }))
    }

    /// Parses a group's number or name, up to `>`.
    fn by_name(&mut self) -> Read<usize> {
        let name = self.name('>')?;
        if let Ok(number) = name.parse::<usize>() {
            return Ok(number.min(BY_NAME - 1));
        }
        self.named.push((name, true));
        Ok(BY_NAME + self.named.len() - 1)
    }

    /// Parses `{name}` or `{^name}` after `\p`.
    pub(super) fn property(&mut self, negated: bool) -> Read<Class> {
        self.rest.next();
        let not = self.eat('^');
        let mut name = String::new();
        loop {
            match self.rest.next().ok_or("invalid character property name")? {
                '}' => break,
                other => name.push(other),
            }
        }
        let class = named(&name).ok_or_else(|| format!("invalid character property name {{{name}}}"))?;
        Ok(Class::of(Item::Class(Box::new(class)), negated != not))
    }

    /// Parses a character after a backslash.
    pub(super) fn character(&mut self, first: char) -> Read<char> {
        Ok(match first {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'c' => {
                let control = self.rest.next().ok_or("end pattern at control")?;
                char::from((u32::from(control) & 0x1f) as u8)
            }
            'x' if self.eat('{') => {
                let mut code = 0_u32;
                loop {
                    match self.rest.next().ok_or("invalid code point value")? {
                        '}' => break,
                        digit => {
                            let digit = digit.to_digit(16).ok_or("invalid code point value")?;
                            code = code.saturating_mul(16).saturating_add(digit);
                        }
                    }
                }
                char::from_u32(code).ok_or("too big wide-char value")?
            }
            'x' => self.digits(16, 2, 0),
            '0' => self.digits(8, 2, 0),
            other => other,
        })
    }

    fn digits(&mut self, radix: u32, most: usize, start: u32) -> char {
        let mut code = start;
        for _ in 0..most {
            let Some(digit) = self.rest.peek().and_then(|digit| digit.to_digit(radix)) else { break };
            code = code * radix + digit;
            self.rest.next();
        }
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// A line end of any system.
fn line_end() -> Part {
    let plain = |character| Part::Character { character, ignore_case: false };
    let ends = Class {
        items: vec![Item::Range('\n', '\r'), Item::Range('\u{85}', '\u{85}'), Item::Range('\u{2028}', '\u{2029}')],
        ..Class::default()
    };
    let both = Part::Sequence(vec![plain('\r'), plain('\n')]);
    Part::Atomic(Box::new(Part::Choice(vec![both, Part::Class(ends)])))
}

/// A character with its marks.
fn cluster() -> Part {
    let marks = Part::Class(named("M").unwrap_or_default());
    let repeat = Part::Repeat { part: Box::new(marks), least: 0, most: None, how: How::Possessive };
    Part::Sequence(vec![Part::Any { line_ends: true }, repeat])
}
