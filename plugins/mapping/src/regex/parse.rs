//! Parses a pattern.

use super::{
    Options,
    class::{Class, Item, named},
};

const DEEPEST: usize = 60;

#[derive(Clone, Debug)]
pub enum Part {
    Empty,
    Character {
        character: char,
        ignore_case: bool,
    },
    Any {
        line_ends: bool,
    },
    Class(Class),
    Sequence(Vec<Part>),
    Choice(Vec<Part>),
    Repeat {
        part: Box<Part>,
        least: u32,
        most: Option<u32>,
        how: How,
    },
    Group(usize, Box<Part>),
    Atomic(Box<Part>),
    Look {
        part: Box<Part>,
        behind: bool,
        negated: bool,
    },
    Reference {
        groups: Vec<usize>,
        ignore_case: bool,
    },
    /// Matches the pattern of a group again.
    Call(usize),
    Assert(Assertion),
    /// Sets the start of the match to this position.
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assertion {
    TextStart,
    TextEnd,
    /// The end of the text, or the position before a line end there.
    LastLineEnd,
    LineStart,
    LineEnd,
    Boundary,
    NoBoundary,
    SearchStart,
}

pub struct Parsed {
    pub part: Part,
    pub names: Vec<Option<String>>,
}

struct Parser<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    options: Options,
    names: Vec<Option<String>>,
    /// References by name. They may come before their groups.
    named: Vec<(String, bool)>,
    depth: usize,
}

type Read<T> = Result<T, String>;

pub fn parse(pattern: &str, options: Options) -> Read<Parsed> {
    let mut parser =
        Parser { rest: pattern.chars().peekable(), options, names: Vec::new(), named: Vec::new(), depth: 0 };
    let part = parser.choice()?;
    if parser.rest.peek().is_some() {
        return Err("unmatched close parenthesis".to_owned());
    }
    let mut parsed = Parsed { part, names: parser.names };
    resolve(&mut parsed.part, &parser.named, &parsed.names)?;
    Ok(parsed)
}

/// The first number of groups that are referred to by their index in the list of names.
const BY_NAME: usize = 1 << 20;

fn resolve(part: &mut Part, named: &[(String, bool)], names: &[Option<String>]) -> Read<()> {
    let find = |place: usize| {
        let (name, _) = &named[place - BY_NAME];
        let is_it = |other: &Option<String>| other.as_ref() == Some(name);
        let found: Vec<usize> = names.iter().enumerate().filter(|(_, n)| is_it(n)).map(|(at, _)| at + 1).collect();
        if found.is_empty() { Err(format!("undefined name <{name}> reference")) } else { Ok(found) }
    };
    match part {
        Part::Reference { groups, .. } => match groups.first() {
            Some(place) if *place >= BY_NAME => *groups = find(*place)?,
            Some(place) if *place > names.len() => return Err("invalid backref number/name".to_owned()),
            _ => {}
        },
        Part::Call(group) => {
            if *group >= BY_NAME {
                *group = find(*group)?.first().copied().unwrap_or_default();
            } else if *group > names.len() {
                return Err("undefined group reference".to_owned());
            }
        }
        Part::Sequence(parts) | Part::Choice(parts) => {
            parts.iter_mut().try_for_each(|part| resolve(part, named, names))?;
        }
        Part::Repeat { part, .. } | Part::Group(_, part) | Part::Atomic(part) | Part::Look { part, .. } => {
            resolve(part, named, names)?;
        }
        _ => {}
    }
    Ok(())
}

impl Parser<'_> {
    fn eat(&mut self, character: char) -> bool {
        self.rest.next_if_eq(&character).is_some()
    }

    fn choice(&mut self) -> Read<Part> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("the pattern nests deeper than {DEEPEST}"));
        }
        let outside = self.options;
        let mut choices = vec![self.sequence()?];
        while self.eat('|') {
            choices.push(self.sequence()?);
        }
        self.options = outside;
        self.depth -= 1;
        Ok(if choices.len() == 1 { choices.pop().unwrap_or(Part::Empty) } else { Part::Choice(choices) })
    }

    fn sequence(&mut self) -> Read<Part> {
        let mut parts: Vec<Part> = Vec::new();
        while let Some(next) = self.rest.peek().copied() {
            match next {
                '|' | ')' => break,
                '*' | '+' | '?' => match parts.pop() {
                    Some(part) => parts.push(self.repeat(part)?),
                    None => return Err("target of repeat operator is not specified".to_owned()),
                },
                '{' => match (self.interval(), parts.pop()) {
                    (Some((least, most)), Some(part)) => parts.push(self.repeated(part, least, most)?),
                    (Some(_), None) => return Err("target of repeat operator is not specified".to_owned()),
                    (None, part) => {
                        parts.extend(part);
                        self.rest.next();
                        parts.push(self.literal('{'));
                    }
                },
                _ => {
                    if let Some(part) = self.atom()? {
                        parts.push(part);
                    }
                }
            }
        }
        Ok(match parts.len() {
            0 => Part::Empty,
            1 => parts.pop().unwrap_or(Part::Empty),
            _ => Part::Sequence(parts),
        })
    }

    fn repeat(&mut self, part: Part) -> Read<Part> {
        let (least, most) = match self.rest.next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            _ => (0, Some(1)),
        };
        self.repeated(part, least, most)
    }

    fn repeated(&mut self, part: Part, least: u32, most: Option<u32>) -> Read<Part> {
        if matches!(part, Part::Look { .. } | Part::Assert(_) | Part::Keep) {
            return Err("target of repeat operator is invalid".to_owned());
        }
        let how = if self.eat('?') {
            How::Lazy
        } else if self.eat('+') {
            How::Possessive
        } else {
            How::Greedy
        };
        Ok(Part::Repeat { part: Box::new(part), least, most, how })
    }

    /// Parses `{n}`, `{n,}` or `{n,m}`. `None` means that the brace is a character.
    fn interval(&mut self) -> Option<(u32, Option<u32>)> {
        let mut ahead = self.rest.clone();
        ahead.next();
        let number = |ahead: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut digits = String::new();
            while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<u32>().ok()
        };
        let least = number(&mut ahead)?;
        let most = if ahead.next_if_eq(&',').is_some() { number(&mut ahead) } else { Some(least) };
        ahead.next_if_eq(&'}')?;
        self.rest = ahead;
        Some((least, most))
    }

    fn literal(&self, character: char) -> Part {
        Part::Character { character, ignore_case: self.options.ignore_case }
    }

    fn class(&self, item: Item, negated: bool) -> Part {
        Part::Class(Class::of(item, negated))
    }

    /// Parses one part. `None` for syntax that only changes what follows.
    fn atom(&mut self) -> Read<Option<Part>> {
        let Some(next) = self.rest.next() else { return Ok(None) };
        Ok(Some(match next {
            '(' => return self.group(),
            '[' => Part::Class(self.set()?),
            '.' => Part::Any { line_ends: self.options.dot_all },
            '^' if self.options.lines => Part::Assert(Assertion::LineStart),
            '^' => Part::Assert(Assertion::TextStart),
            '$' if self.options.lines => Part::Assert(Assertion::LineEnd),
            '$' => Part::Assert(Assertion::LastLineEnd),
            '\\' => return self.escape(),
            '#' if self.options.extended => {
                while self.rest.next_if(|character| *character != '\n').is_some() {}
                return Ok(None);
            }
            space if self.options.extended && space.is_whitespace() => return Ok(None),
            'ß' | 'ẞ' if self.options.ignore_case => {
                let double = Part::Sequence(vec![self.literal('s'), self.literal('s')]);
                Part::Choice(vec![self.literal('ß'), double])
            }
            's' | 'S' if self.options.ignore_case && matches!(self.rest.peek(), Some('s' | 'S')) => self.double_s(),
            other => self.literal(other),
        }))
    }

    /// Parses two letters that equal `ß` when case is ignored, unless a repetition belongs to the second one.
    fn double_s(&mut self) -> Part {
        let mut ahead = self.rest.clone();
        ahead.next();
        if matches!(ahead.peek(), Some('*' | '+' | '?' | '{')) {
            return self.literal('s');
        }
        self.rest = ahead;
        let double = Part::Sequence(vec![self.literal('s'), self.literal('s')]);
        Part::Choice(vec![double, self.literal('ß')])
    }

    fn group(&mut self) -> Read<Option<Part>> {
        const OPEN: &str = "end pattern with unmatched parenthesis";
        if !self.eat('?') {
            self.names.push(None);
            let group = self.names.len();
            let part = self.choice()?;
            return self.close(Part::Group(group, Box::new(part))).map(Some);
        }
        let part = match self.rest.next().ok_or(OPEN)? {
            ':' => self.choice()?,
            '>' => Part::Atomic(Box::new(self.choice()?)),
            '=' => self.look(false, false)?,
            '!' => self.look(false, true)?,
            '#' => loop {
                match self.rest.next().ok_or("end pattern in group")? {
                    ')' => return Ok(None),
                    '\\' => drop(self.rest.next()),
                    _ => {}
                }
            },
            '<' if self.eat('=') => self.look(true, false)?,
            '<' if self.eat('!') => self.look(true, true)?,
            '<' => self.named_group('>')?,
            '\'' => self.named_group('\'')?,
            first => return self.option_group(first),
        };
        self.close(part).map(Some)
    }

    fn close(&mut self, part: Part) -> Read<Part> {
        if self.eat(')') { Ok(part) } else { Err("end pattern with unmatched parenthesis".to_owned()) }
    }

    fn look(&mut self, behind: bool, negated: bool) -> Read<Part> {
        let part = Box::new(self.choice()?);
        if behind && length(&part).is_none() {
            return Err("invalid pattern in look-behind".to_owned());
        }
        Ok(Part::Look { part, behind, negated })
    }

    fn named_group(&mut self, end: char) -> Read<Part> {
        let name = self.name(end)?;
        if !name.starts_with(|first: char| first.is_alphabetic() || first == '_') {
            return Err(format!("invalid group name <{name}>"));
        }
        self.names.push(Some(name));
        let group = self.names.len();
        Ok(Part::Group(group, Box::new(self.choice()?)))
    }

    fn name(&mut self, end: char) -> Read<String> {
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some(next) if next == end => break,
                Some(next) if next.is_alphanumeric() || next == '_' || next == '-' => name.push(next),
                _ => return Err("invalid group name <>".to_owned()),
            }
        }
        if name.is_empty() { Err("group name is empty".to_owned()) } else { Ok(name) }
    }

    /// Parses `(?i)`, which applies to what follows, or `(?i:…)`, which applies to its content.
    fn option_group(&mut self, first: char) -> Read<Option<Part>> {
        let mut options = self.options;
        let mut on = true;
        let mut next = Some(first);
        loop {
            match next.ok_or("end pattern in group")? {
                '-' => on = false,
                'i' => options.ignore_case = on,
                'x' => options.extended = on,
                's' => options.dot_all = on,
                'm' => options.lines = on,
                ')' => {
                    // Applies up to the end of the enclosing group, including alternatives.
                    self.options = options;
                    let rest = self.choice()?;
                    return Ok(Some(rest));
                }
                ':' => {
                    let outside = std::mem::replace(&mut self.options, options);
                    let part = self.choice()?;
                    self.options = outside;
                    return self.close(part).map(Some);
                }
                _ => return Err("undefined group option".to_owned()),
            }
            next = self.rest.next();
        }
    }

    fn escape(&mut self) -> Read<Option<Part>> {
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
    fn property(&mut self, negated: bool) -> Read<Class> {
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
    fn character(&mut self, first: char) -> Read<char> {
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

    /// Parses a set, from after its bracket on.
    fn set(&mut self) -> Read<Class> {
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

/// The number of characters that a part matches, if it is fixed.
fn length(part: &Part) -> Option<u32> {
    match part {
        Part::Empty | Part::Look { .. } | Part::Assert(_) | Part::Keep => Some(0),
        Part::Character { .. } | Part::Any { .. } | Part::Class(_) => Some(1),
        Part::Sequence(parts) => parts.iter().try_fold(0_u32, |sum, part| sum.checked_add(length(part)?)),
        Part::Choice(choices) => {
            let mut lengths = choices.iter().map(length);
            let first = lengths.next()??;
            lengths.all(|length| length == Some(first)).then_some(first)
        }
        Part::Repeat { part, least, most: Some(most), .. } if least == most => length(part)?.checked_mul(*least),
        Part::Group(_, part) | Part::Atomic(part) => length(part),
        Part::Repeat { .. } | Part::Reference { .. } | Part::Call(_) => None,
    }
}
