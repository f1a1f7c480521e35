//! Rewrites an expression so that values in texts are written as in JSON.
//!
//! minijinja writes `true` as `True` and null as `None`. Values become text by the operator `~` and by filters that
//! take a text. So every operand of `~` and every input of these filters is passed through [`SPELL`] first.

use std::collections::BTreeSet;

/// The filter that writes a value as JSON does. Its name is unlikely to be used by a definition.
pub const SPELL: &str = "__spell";

/// The filters of minijinja that read their input as text.
const TEXT_FILTERS: [&str; 10] =
    ["capitalize", "e", "escape", "indent", "lower", "replace", "split", "title", "trim", "upper"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name, a keyword or a number.
    Word,
    Text,
    Open,
    Close,
    Operator,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// The most operators, keywords and brackets of an expression. Each may nest once more, and minijinja parses
/// recursively.
const MOST_OPERATORS: usize = 500;

/// Whether an expression may nest deeper than the stack allows.
pub fn is_too_deep(expression: &str) -> bool {
    // Each of them takes at least one byte.
    expression.len() > MOST_OPERATORS
        && tokens(expression).iter().filter(|token| nests(expression, token)).count() > MOST_OPERATORS
}

fn nests(expression: &str, token: &Token) -> bool {
    match token.kind {
        Kind::Open | Kind::Operator => true,
        Kind::Word => is_keyword(&expression[token.start..token.end]),
        Kind::Text | Kind::Close => false,
    }
}

/// The rewritten expression, or the same one when no value becomes text.
pub fn spelled(expression: &str) -> String {
    if !expression.contains(['~', '|']) {
        return expression.to_owned();
    }
    let tokens = tokens(expression);
    // The texts to insert, with their positions, in order.
    let mut inserts: Vec<(usize, String)> = Vec::new();
    let mut operands = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        match &expression[token.start..token.end] {
            "~" if token.kind == Kind::Operator => {
                operands.extend(operand_before(expression, &tokens, at));
                operands.extend(operand_after(expression, &tokens, at));
            }
            "|" if token.kind == Kind::Operator => {
                let filter = tokens.get(at + 1).map(|next| (next.start, &expression[next.start..next.end]));
                if let Some((start, _)) = filter.filter(|(_, name)| TEXT_FILTERS.contains(name)) {
                    inserts.push((start, format!("{SPELL}|")));
                }
            }
            _ => {}
        }
    }
    for (start, end) in operands {
        inserts.push((start, "(".to_owned()));
        inserts.push((end, format!(")|{SPELL}")));
    }
    // An operand ends before the next one begins, so insertions at the same position are in the right order.
    inserts.sort_by_key(|(at, _)| *at);
    let mut rewritten = String::with_capacity(expression.len() + inserts.len() * 12);
    let mut copied = 0;
    for (at, text) in inserts {
        rewritten.push_str(&expression[copied..at]);
        rewritten.push_str(&text);
        copied = at;
    }
    rewritten.push_str(&expression[copied..]);
    rewritten
}

fn operand_before(expression: &str, tokens: &[Token], concat: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut first = concat;
    for at in (0..concat).rev() {
        match tokens[at].kind {
            Kind::Close => depth += 1,
            Kind::Open if depth == 0 => break,
            Kind::Open => depth -= 1,
            _ if depth == 0 && is_boundary(expression, tokens, at) => break,
            _ => {}
        }
        first = at;
    }
    (first < concat).then(|| (tokens[first].start, tokens[concat - 1].end))
}

fn operand_after(expression: &str, tokens: &[Token], concat: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut last = concat;
    for at in concat + 1..tokens.len() {
        match tokens[at].kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => break,
            Kind::Close => depth -= 1,
            _ if depth == 0 && is_boundary(expression, tokens, at) => break,
            _ => {}
        }
        last = at;
    }
    (last > concat).then(|| (tokens[concat + 1].start, tokens[last].end))
}

/// Whether a token binds no tighter than `~`, so that an operand of `~` ends there.
fn is_boundary(expression: &str, tokens: &[Token], at: usize) -> bool {
    let text = |token: &Token| &expression[token.start..token.end];
    let before = at.checked_sub(1).map(|at| &tokens[at]);
    let word_before = before.map(text).unwrap_or_default();
    match (tokens[at].kind, text(&tokens[at])) {
        (Kind::Word, _) if word_before == "." => false,
        // `is not defined` is a test.
        (Kind::Word, "not") => word_before != "is",
        (Kind::Word, word) => is_keyword(word),
        // A sign is a part of its operand.
        (Kind::Operator, "-") => before.is_some_and(|before| match before.kind {
            Kind::Word => !is_keyword(word_before) && word_before != "is",
            Kind::Text | Kind::Close => true,
            Kind::Open | Kind::Operator => false,
        }),
        (Kind::Operator, operator) => {
            matches!(operator, "~" | "+" | "," | ":" | "=" | "==" | "!=" | "<" | "<=" | ">" | ">=")
        }
        (Kind::Text | Kind::Open | Kind::Close, _) => false,
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "if" | "else" | "and" | "or" | "not" | "in")
}

fn tokens(expression: &str) -> Vec<Token> {
    let bytes = expression.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        let kind = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'"' | b'\'' => {
                at = end_of_text(bytes, at, byte);
                Kind::Text
            }
            b'(' | b'[' | b'{' => Kind::Open,
            b')' | b']' | b'}' => Kind::Close,
            byte if is_word(byte) => {
                let number = byte.is_ascii_digit();
                while bytes.get(at).is_some_and(|byte| is_word(*byte) || (number && is_fraction(bytes, at))) {
                    at += 1;
                }
                Kind::Word
            }
            b'=' | b'!' | b'<' | b'>' if bytes.get(at) == Some(&b'=') => {
                at += 1;
                Kind::Operator
            }
            b'*' | b'/' if bytes.get(at) == Some(&byte) => {
                at += 1;
                Kind::Operator
            }
            _ => Kind::Operator,
        };
        tokens.push(Token { kind, start, end: at });
    }
    tokens
}

/// Bytes beyond ASCII count as letters, so that no character is cut.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Whether the point at `at` belongs to a number and not to a member access.
fn is_fraction(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b'.' && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
}

fn end_of_text(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(&byte) = bytes.get(at) {
        at += if byte == b'\\' { 2 } else { 1 };
        if byte == quote {
            break;
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::spelled;

    fn brief(expression: &str) -> String {
        spelled(expression).replace("__spell", "S")
    }

    #[test]
    fn every_operand_of_a_concatenation_is_spelled_once() {
        for (expression, expected) in [
            ("input.a + 1", "input.a + 1"),
            ("a ~ b", "(a)|S ~ (b)|S"),
            ("a ~ b ~ c", "(a)|S ~ (b)|S ~ (c)|S"),
            ("1 + a ~ -b * 2 - c", "1 + (a)|S ~ (-b * 2)|S - c"),
            ("-a ~ b", "(-a)|S ~ (b)|S"),
            ("(a ~ b) ~ c", "(((a)|S ~ (b)|S))|S ~ (c)|S"),
            ("x if a ~ b == c ~ 'd' else e", "x if (a)|S ~ (b)|S == (c)|S ~ ('d')|S else e"),
            ("f(a ~ b, k=c ~ d)", "f((a)|S ~ (b)|S, k=(c)|S ~ (d)|S)"),
            ("a is not defined ~ 'x'", "(a is not defined)|S ~ ('x')|S"),
            ("a.in ~ b.not", "(a.in)|S ~ (b.not)|S"),
            ("1.5 ~ a", "(1.5)|S ~ (a)|S"),
            ("'~' ~ \"it's \\\" ~\"", "('~')|S ~ (\"it's \\\" ~\")|S"),
            ("{'a': b ~ c}", "{'a': (b)|S ~ (c)|S}"),
            ("ä ~ b", "(ä)|S ~ (b)|S"),
        ] {
            assert_eq!(brief(expression), expected, "{expression}");
        }
    }

    #[test]
    fn what_a_text_filter_reads_is_spelled() {
        assert_eq!(brief("a | upper | default('x')"), "a | S|upper | default('x')");
        assert_eq!(brief("a|trim ~ b"), "(a|S|trim)|S ~ (b)|S");
        assert_eq!(brief("'a | upper' | length"), "'a | upper' | length");
    }

    #[test]
    fn an_expression_nests_so_deep_and_no_deeper() {
        assert!(!super::is_too_deep(&format!("{}1", "not ".repeat(500))));
        assert!(!super::is_too_deep(&format!("'{}'", "not (".repeat(500))));
        for deep in [format!("{}1", "not ".repeat(501)), "(".repeat(501), vec!["1"; 502].join("+")] {
            assert!(super::is_too_deep(&deep));
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_cut() {
        for broken in ["a ~", "~ b", "(a ~ b", "a ~ 'b", "a ~ b)", "|", "~", "a |", "'\\"] {
            assert!(!spelled(broken).is_empty());
        }
    }
}
