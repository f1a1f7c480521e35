//! Parses groups: captures, looks, options.

use super::{Parser, Part, Read};

impl Parser<'_> {
    pub(super) fn group(&mut self) -> Read<Option<Part>> {
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

    pub(super) fn name(&mut self, end: char) -> Read<String> {
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
