//! Splits a filter into tokens.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Number(&'static str),
    /// `.name`, without the dot.
    Field(&'static str),
    Name(&'static str),
    /// `$name`, without `$`.
    Variable(&'static str),
    /// `@name`, with `@`.
    Format(&'static str),
    /// A text starts here. The parser of texts continues, because texts can contain filters.
    Quote,
    Symbol(&'static str),
    End,
    /// Not a token of jq.
    Unknown,
}

const SYMBOLS: [&str; 36] = [
    "?//", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "//", "..", ".", "[", "]", "(", ")", "{",
    "}", "|", ",", ":", ";", "=", "<", ">", "+", "-", "*", "/", "%", "?", "$", "!",
];

/// The length of a number at the start, or 0.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut at = whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if whole + fraction == 0 {
            return 0;
        }
        at += 1 + fraction;
    }
    if at > 0 && matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// The length of a name at the start, which may contain `::`, or 0.
fn name(text: &str, qualified: bool) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_') {
        return 0;
    }
    let mut at = 1;
    loop {
        match bytes.get(at) {
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => at += 1,
            Some(b':') if qualified && bytes.get(at + 1) == Some(&b':') && name(&text[at + 2..], false) > 0 => at += 2,
            _ => return at,
        }
    }
}

/// The start of the next token, after spaces and comments.
pub fn skip_space(source: &str, mut at: usize) -> usize {
    let bytes = source.as_bytes();
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            // A backslash continues a comment on the next line. Two backslashes don't.
            Some(b'#') => {
                while let Some(byte) = bytes.get(at) {
                    match byte {
                        b'\n' => break,
                        b'\\' if bytes[at + 1..].starts_with(b"\r\n") => at += 3,
                        b'\\' if at + 1 < bytes.len() => at += 2,
                        _ => at += 1,
                    }
                }
            }
            _ => return at.min(bytes.len()),
        }
    }
}

/// The token at a position that is no space, and its length.
pub fn token(source: &'static str, at: usize) -> (Token, usize) {
    let Some(rest) = source.get(at..) else { return (Token::Unknown, 1) };
    let Some(first) = rest.bytes().next() else { return (Token::End, 0) };
    let length = number(rest);
    if length > 0 {
        return (Token::Number(&rest[..length]), length);
    }
    let length = name(rest, true);
    if length > 0 {
        return (Token::Name(&rest[..length]), length);
    }
    match first {
        b'"' => return (Token::Quote, 1),
        b'.' => {
            let length = name(&rest[1..], false);
            if length > 0 {
                return (Token::Field(&rest[1..=length]), length + 1);
            }
        }
        b'$' => {
            let length = name(&rest[1..], true);
            if length > 0 {
                return (Token::Variable(&rest[1..=length]), length + 1);
            }
        }
        b'@' => {
            let length = name(&rest[1..], false);
            if length > 0 {
                return (Token::Format(&rest[..=length]), length + 1);
            }
        }
        _ => {}
    }
    SYMBOLS
        .iter()
        .find(|symbol| rest.starts_with(**symbol))
        .map_or((Token::Unknown, 1), |symbol| (Token::Symbol(symbol), symbol.len()))
}

/// Whether a word is reserved and can't be a name.
pub fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "def"
            | "module"
            | "import"
            | "include"
            | "if"
            | "then"
            | "else"
            | "as"
            | "elif"
            | "end"
            | "reduce"
            | "foreach"
            | "and"
            | "or"
            | "label"
            | "try"
            | "catch"
            | "__loc__"
    )
}
