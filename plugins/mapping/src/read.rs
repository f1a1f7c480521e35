//! Reads JSON (RFC 8259) into jq's values: strictly, to a bounded depth, and without copying texts that have no escapes.
//!
//! jaq's own reader takes more than JSON and allocates several times for each text; a mapping's time is mostly spent here.

use jaq_json::{Map, Num, Val, read::parse_single_num};

/// Why a text is not a value, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread {
    pub offset: usize,
    pub reason: &'static str,
}

/// Reads one value. Texts in it borrow from the input, which therefore lives as long as the instance.
pub fn read(text: &'static str, deepest: usize) -> Result<Val, Unread> {
    let mut reader = Reader { text, at: 0, left: deepest, items: Vec::new(), members: Vec::new() };
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
    /// How much deeper it may go.
    left: usize,
    /// The items and members of the lists and objects that are open: their sizes are known only at their ends.
    items: Vec<Val>,
    members: Vec<(Val, Val)>,
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
            Some(b'"') => self.string().map(|text| match text {
                Text::Plain(text) => Val::utf8_str(text),
                Text::Escaped(text) => Val::utf8_str(text),
            }),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
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
            return Ok(Val::Arr(Vec::new().into()));
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
        Ok(Val::Arr(self.items.split_off(start).into()))
    }

    fn object(&mut self) -> Read<Val> {
        let start = self.members.len();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Val::obj(Map::default()));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err("a member's name was expected");
            }
            let name = self.value()?;
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
        let mut object = Map::with_capacity_and_hasher(members.len(), Default::default());
        // The last of several members of one name counts.
        object.extend(members);
        Ok(Val::obj(object))
    }

    fn number(&mut self) -> Read<Val> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = number(rest).ok_or("a number was expected")?;
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        if let Some(small) = small(text.as_bytes()) {
            return Ok(Val::Num(Num::Int(small)));
        }
        // Large integers and decimals keep their digits.
        parse_single_num(text.as_bytes()).map(Val::Num).ok_or("a number was expected")
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
                    return Ok(Text::Plain(text));
                }
                Some(b'\\') => return self.escaped(start),
                Some(0x20..) => self.at += 1,
                Some(_) => return Err("a text holds no control characters; escape them"),
                None => return Err("a text has no end"),
            }
        }
    }

    /// The rest of a text from its first escape on.
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
                    return Ok(Text::Escaped(text));
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
                            // Half a pair, and then something else, which may be the first half of another.
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

enum Text {
    Plain(&'static str),
    Escaped(String),
}

/// How long the number at the beginning is (RFC 8259, section 6).
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

/// An integer of few digits, which is what most numbers are.
fn small(text: &[u8]) -> Option<isize> {
    let (negative, digits) = match text.strip_prefix(b"-") {
        // There is a negative zero among the decimals only.
        Some(b"0") => return None,
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + isize::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(text: &'static str) -> (Result<Val, Unread>, Option<Val>) {
        (read(text, 64), jaq_json::read::parse_single(text.as_bytes()).ok())
    }

    #[test]
    fn what_is_json_is_read_as_jaq_reads_it() {
        for text in [
            "null",
            " true ",
            "false",
            "0",
            "-1",
            "12345",
            "123456789",
            "1234567890",
            "-123456789012345678901234567890",
            "1.10",
            "-0.5e-3",
            "1E400",
            "[]",
            "{}",
            "[1, [2, [\"x\"]], {}]",
            "\"\"",
            r#""a\"b\\c\/\b\f\n\r\t\u00e4\ud83d\ude00""#,
            r#"{"a": 1, "b": {"c": [true, null]}, "a": 2}"#,
            "\"\u{1f600} \u{7f}\"",
            "\t[\r\n1\n]\n",
        ] {
            let (ours, theirs) = both(text);
            let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
            assert_eq!(ours, theirs, "{text}");
            assert_eq!(ours.to_string(), theirs.to_string(), "{text}");
        }
        assert_eq!(read(r#""\ud83d x""#, 1).unwrap(), Val::utf8_str("\u{fffd} x"));
        assert_eq!(read(r#""\ud83d\u0041""#, 1).unwrap(), Val::utf8_str("\u{fffd}A"));
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
