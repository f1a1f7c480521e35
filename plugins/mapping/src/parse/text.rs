//! Parses texts: their escapes, and the filters within them.

use super::{Parsed, Parser};
use crate::{
    code::{Id, Node},
    lex::{Token, skip_space},
};

impl Parser {
    /// Parses a text, with or without a format before it.
    pub fn text_term(&mut self) -> Parsed<Id> {
        let start = self.at;
        let format = match self.peek() {
            Token::Format(name) => {
                self.advance();
                if self.peek() != Token::Quote {
                    return self.fail("expected a text");
                }
                name
            }
            _ => "@text",
        };
        let format = self.format(format, start)?;
        let mut parts = Vec::new();
        let mut text = String::new();
        self.at += 1;
        loop {
            let rest = &self.source[self.at..];
            let Some(end) = rest.find(['"', '\\']) else { return self.fail_at(start, "the text has no end") };
            text.push_str(&rest[..end]);
            self.at += end;
            if rest[end..].starts_with('"') {
                self.advance();
                break;
            }
            if !rest[end + 1..].starts_with('(') {
                self.escape(&mut text)?;
                continue;
            }
            if !text.is_empty() {
                parts.push(self.constant(std::mem::take(&mut text))?);
            }
            self.at = skip_space(self.source, self.at + 2);
            let inner = self.query()?;
            if !self.is(")") {
                return self.fail("expected `)`");
            }
            self.at += 1;
            parts.push(self.add(Node::Pipe(inner, format))?);
        }
        if !text.is_empty() || parts.is_empty() {
            parts.push(self.constant(text)?);
        }
        match *parts {
            [only] if matches!(self.code.node(only), Node::Constant(_)) => Ok(only),
            _ => self.add(Node::Text(parts.into())),
        }
    }

    /// Parses one escape of a text, starting at its backslash.
    fn escape(&mut self, text: &mut String) -> Parsed<()> {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let unit = |at: usize| {
            let digits = self.source.get(at + 2..at + 6)?;
            let is_unit = bytes[at..].starts_with(b"\\u") && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_unit.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
        };
        let escaped = match bytes.get(start + 1) {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let Some(high) = unit(start) else { return self.fail("expected four hexadecimal digits") };
                let low = unit(start + 6).filter(|low| (0xdc00..0xe000).contains(low));
                self.at += 4;
                match (high, low) {
                    (0xd800..0xdc00, Some(low)) => {
                        self.at += 6;
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    _ => char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => return self.fail("there is no such escape"),
        };
        text.push(escaped);
        self.at += 2;
        Ok(())
    }
}
