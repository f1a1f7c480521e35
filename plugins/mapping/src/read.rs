//! Parses JSON (RFC 8259) into values: strictly, to a bounded depth, and without copying texts that have no escapes. A
//! mapping spends most of its time here.

use crate::{
    map::Map,
    number::read_loose as loose_number,
    value::{Text, Val},
};

/// Why a text isn't a value, and at which position.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    pub offset: usize,
    pub reason: &'static str,
}

/// Parses one value. Its texts borrow from the input, which lives as long as the instance.
pub fn read(text: &'static str, deepest: usize) -> Result<Val, Unread> {
    read_text(text, deepest, false)
}

/// Parses one value as `fromjson` does: numbers may also be `nan`, `Infinity`, `.5` or `5.`, or start with a zero or a
/// plus sign.
pub fn read_loose(text: &'static str, deepest: usize) -> Result<Val, Unread> {
    read_text(text, deepest, true)
}

fn read_text(text: &'static str, deepest: usize, loose: bool) -> Result<Val, Unread> {
    let mut reader = Reader { text, at: 0, left: deepest, loose, items: Vec::new(), members: Vec::new() };
    let value = reader.value().and_then(|value| {
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err("there is something after the value") }
    });
    value.map_err(|reason| Unread { offset: reader.at, reason })
}

type Read<T> = Result<T, &'static str>;

struct Reader {
    text: &'static str,
    at: usize,
    /// How many levels deeper the value may nest.
    left: usize,
    /// Whether numbers may have forms that JSON doesn't have.
    loose: bool,
    /// Items and members of open lists and objects. Their numbers are known only at their ends.
    items: Vec<Val>,
    members: Vec<(Text, Val)>,
}

impl Reader {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Read<Val> {
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Val::Text),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') if self.loose => self.loose_number(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'+' | b'.' | b'n' | b'N' | b'i' | b'I') if self.loose => self.loose_number(),
            Some(b't') => self.word("true", Val::Bool(true)),
            Some(b'f') => self.word("false", Val::Bool(false)),
            Some(b'n') => self.word("null", Val::Null),
            _ => Err("a value was expected"),
        }
    }

    fn word(&mut self, word: &str, value: Val) -> Read<Val> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err("a value was expected");
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Val>) -> Read<Val> {
        self.left = self.left.checked_sub(1).ok_or("it nests too deep")?;
        self.at += 1;
        let value = read(self)?;
        self.left += 1;
        Ok(value)
    }

    fn array(&mut self) -> Read<Val> {
        let start = self.items.len();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Val::array(Vec::new()));
        }
        loop {
            let item = self.value()?;
            self.items.push(item);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err("`,` or `]` was expected"),
            }
        }
        self.at += 1;
        let last = self.items.len() == start + 1;
        let items = if last { self.items.pop().into_iter().collect() } else { self.items.split_off(start) };
        Ok(Val::array(items))
    }

    fn object(&mut self) -> Read<Val> {
        let start = self.members.len();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Map::default().into());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err("a member's name was expected");
            }
            let name = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err("`:` was expected");
            }
            self.at += 1;
            let value = self.value()?;
            self.members.push((name, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err("`,` or `}` was expected"),
            }
        }
        self.at += 1;
        let members = self.members.drain(start..);
        let mut object = Map::with_capacity(members.len());
        // Of several members with one name, the last one counts.
        members.for_each(|(name, value)| object.insert(name, value));
        Ok(object.into())
    }

    fn number(&mut self) -> Read<Val> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = number(rest).ok_or("a number was expected")?;
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        if let Some(small) = small(text.as_bytes()) {
            return Ok(Val::Num(f64::from(small)));
        }
        // Large integers and decimals keep their digits.
        Ok(Val::Literal(Text::Borrowed(text)))
    }

    fn loose_number(&mut self) -> Read<Val> {
        let rest = &self.text[self.at..];
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        let sign = rest.len() - unsigned.len();
        let word = unsigned.bytes().take_while(u8::is_ascii_alphabetic).count();
        let named = match &unsigned[..word].to_ascii_lowercase()[..] {
            "null" if sign == 0 => return self.word("null", Val::Null),
            "nan" => Some(f64::NAN),
            "infinity" => Some(f64::INFINITY),
            _ => None,
        };
        if let Some(number) = named {
            self.at += sign + word;
            return Ok(Val::Num(if sign > 0 { -number } else { number }));
        }
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
        let length = rest.bytes().take_while(|byte| is_part(byte)).count();
        let number = loose_number(&rest[..length]).ok_or("a number was expected")?;
        self.at += length;
        Ok(number)
    }

    fn string(&mut self) -> Read<Text> {
        self.at += 1;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(Text::Borrowed(text));
                }
                Some(b'\\') => return self.escaped(start),
                Some(0x20..) => self.at += 1,
                Some(_) => return Err("a text holds no control characters; escape them"),
                None => return Err("a text has no end"),
            }
        }
    }

    /// Parses the rest of a text from its first escape on.
    fn escaped(&mut self, start: usize) -> Read<Text> {
        let bytes = self.text.as_bytes();
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let plain = self.at;
            while bytes.get(self.at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)) {
                self.at += 1;
            }
            text.push_str(&self.text[plain..self.at]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err("a text holds no control characters; escape them"),
                None => return Err("a text has no end"),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let byte = self.peek().ok_or("a text has no end")?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                let low = || self.text.as_bytes()[self.at..].starts_with(b"\\u");
                match unit {
                    0xd800..=0xdbff if low() => {
                        self.at += 2;
                        match self.hex()? {
                            low @ 0xdc00..=0xdfff => {
                                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                            }
                            // Half of a surrogate pair without its second half. What follows may start another pair.
                            _ => {
                                self.at -= 6;
                                char::REPLACEMENT_CHARACTER
                            }
                        }
                    }
                    unit => char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => return Err("there is no such escape"),
        })
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or("four hexadecimal digits were expected")?;
        let mut value = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or("four hexadecimal digits were expected")?;
            value = value * 16 + digit;
        }
        self.at += 4;
        Ok(value)
    }
}

/// The length of the number at the start (RFC 8259, section 6).
pub fn number(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match digits(at) {
        0 => return None,
        count if count > 1 && bytes[at] == b'0' => return None,
        count => at += count,
    }
    if bytes.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return None,
            count => at += 1 + count,
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        match digits(at + 1 + sign) {
            0 => return None,
            count => at += 1 + sign + count,
        }
    }
    Some(at)
}

/// Parses an integer of few digits. Most numbers are such integers.
fn small(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        // `-0` is kept as it is written, because an integer has no negative zero.
        Some(b"0") => return None,
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn what_is_json_is_read() {
        for (text, written) in [
            (" null ", "null"),
            ("true", "true"),
            ("false", "false"),
            ("0", "0"),
            ("-1", "-1"),
            ("1234567890", "1234567890"),
            ("-123456789012345678901234567890", "-123456789012345678901234567890"),
            ("1.10", "1.10"),
            ("-0.5e-3", "-0.0005"),
            ("1E400", "1E+400"),
            ("[]", "[]"),
            ("{}", "{}"),
            ("[1, [2, [\"x\"]], {}]", "[1,[2,[\"x\"]],{}]"),
            (r#""a\"b\\c\/\b\f\n\r\t\u00e4\ud83d\ude00""#, r#""a\"b\\c/\b\f\n\r\tä😀""#),
            (r#"{"a": 1, "b": {"c": [true, null]}, "a": 2}"#, r#"{"a":2,"b":{"c":[true,null]}}"#),
            ("\t[\r\n1\n]\n", "[1]"),
        ] {
            assert_eq!(json::to_text(&read(text, 64).unwrap()), written, "{text}");
        }
        assert_eq!(read(r#""\ud83d x""#, 1).unwrap(), Val::from("\u{fffd} x"));
        assert_eq!(read(r#""\ud83d\u0041""#, 1).unwrap(), Val::from("\u{fffd}A"));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "NaN",
            "Infinity",
            "+1",
            "01",
            "1.",
            ".5",
            "1e",
            "-",
            "# x\n1",
            "[1,]",
            "{\"a\":1,}",
            "{a: 1}",
            "{1: 2}",
            "[1 2]",
            "1 2",
            "\"a",
            "\"a\nb\"",
            r#""\x41""#,
            r#""\u12""#,
            r#""\u12g4""#,
            "[",
            "{",
            "{\"a\"",
            "{\"a\":",
            "b\"x\"",
            "'a'",
            "nulll",
            "\u{feff}1",
        ] {
            assert!(read(text, 64).is_err(), "{text:?}: {:?}", read(text, 64));
        }
        assert_eq!(read("[1, x]", 64), Err(Unread { offset: 4, reason: "a value was expected" }));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(read("[[[1]]]", 3).is_ok());
        assert_eq!(read("[[[1]]]", 2), Err(Unread { offset: 2, reason: "it nests too deep" }));
        assert!(read(r#"[{"a": []}, {"a": []}, []]"#, 3).is_ok());
    }
}
