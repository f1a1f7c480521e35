//! Parses a pattern. Here are alternatives, sequences and repetitions.

mod escape;
mod group;
mod set;

use super::{
    Options,
    class::{Class, Item},
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
}
