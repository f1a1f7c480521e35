//! Reads the texts of a query from their beginning to their end.

use crate::error::{RestError, short};

/// A text and how far it was read.
#[derive(Clone, Debug)]
pub struct Cursor<'t> {
    rest: &'t str,
    /// What the text is, for errors.
    place: &'static str,
    whole: &'t str,
}

impl<'t> Cursor<'t> {
    pub fn new(place: &'static str, text: &'t str) -> Self {
        Self { rest: text, place, whole: text }
    }

    pub fn rest(&self) -> &'t str {
        self.rest
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes this text if it comes next.
    pub fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub fn expect(&mut self, text: &str) -> Result<(), RestError> {
        if self.take(text) { Ok(()) } else { Err(self.error(&format!("\"{text}\""))) }
    }

    /// Takes characters for as long as they are wanted.
    pub fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// The name of a table, column, alias or member, which may be in quotes.
    pub fn name(&mut self) -> Result<String, RestError> {
        self.take_while(|c| c == ' ');
        if self.peek() == Some('"') {
            let name = self.quoted()?;
            self.take_while(|c| c == ' ');
            return Ok(name);
        }
        let mut from = self.rest;
        let mut length = 0;
        while let Some(c) = from.chars().next() {
            let arrow = c == '-' && from[1..].starts_with('>');
            if arrow || !(c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | ' ')) {
                break;
            }
            length += c.len_utf8();
            from = &from[c.len_utf8()..];
        }
        let (name, rest) = self.rest.split_at(length);
        if name.trim().is_empty() {
            return Err(self.error("a field name"));
        }
        self.rest = rest;
        Ok(name.trim().to_owned())
    }

    /// A text in double quotes, in which a backslash takes the next character as it is.
    pub fn quoted(&mut self) -> Result<String, RestError> {
        let start = self.clone();
        self.expect("\"")?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        Err(start.error("a closing quote"))
    }

    /// The error that something else was expected here.
    pub fn error(&self, expected: &str) -> RestError {
        let column = self.whole.chars().count() - self.rest.chars().count() + 1;
        let found = match self.peek() {
            None => "end of input".to_owned(),
            Some(c) => format!("\"{c}\""),
        };
        RestError::syntax(
            &format!("{} ({})", self.place, short(self.whole)),
            format!("unexpected {found} expecting {expected}"),
        )
        .hint(format!("(line 1, column {column})"))
    }

    pub fn end(&self) -> Result<(), RestError> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("end of input")) }
    }
}
