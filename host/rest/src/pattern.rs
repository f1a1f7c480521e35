//! Patterns: those of `like`, and regular expressions that both databases understand alike.

use regex_syntax::ast::{self, Ast, parse::Parser};

use crate::{error::RestError, limits};

/// A part of a pattern of `like`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LikePart {
    /// Any text, also an empty one: `%`, or `*` of PostgREST.
    Any,
    /// One character: `_`.
    One,
    Text(String),
}

/// A pattern of `like` or `ilike`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Like(Vec<LikePart>);

impl Like {
    /// Reads a pattern, in which a backslash takes the next character as it is.
    pub fn parse(pattern: &str) -> Result<Self, RestError> {
        if pattern.len() > limits::PATTERN {
            return Err(RestError::too_much(format!("the pattern is longer than {} bytes", limits::PATTERN)));
        }
        let mut parts: Vec<LikePart> = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let text = match c {
                '%' | '*' => {
                    if parts.last() != Some(&LikePart::Any) {
                        parts.push(LikePart::Any);
                    }
                    continue;
                }
                '_' => {
                    parts.push(LikePart::One);
                    continue;
                }
                '\\' => chars
                    .next()
                    .ok_or_else(|| RestError::new(400, "22025", "LIKE pattern must not end with escape character"))?,
                c => c,
            };
            match parts.last_mut() {
                Some(LikePart::Text(last)) => last.push(text),
                _ => parts.push(LikePart::Text(text.to_string())),
            }
        }
        if parts.iter().filter(|part| **part == LikePart::Any).count() > limits::WILDCARDS {
            return Err(RestError::too_much(format!("the pattern has more than {} wildcards", limits::WILDCARDS)));
        }
        Ok(Self(parts))
    }

    /// For SQL's `LIKE … ESCAPE '\'`.
    pub fn like(&self) -> String {
        self.written("%", "_", |c, out| {
            if matches!(c, '%' | '_' | '\\') {
                out.push('\\');
            }
            out.push(c);
        })
    }

    /// For SQLite's `GLOB`, which tells upper and lower case apart.
    pub fn glob(&self) -> String {
        self.written("*", "?", |c, out| match c {
            '*' | '?' | '[' => out.extend(['[', c, ']']),
            c => out.push(c),
        })
    }

    /// As a regular expression of the whole text.
    pub fn regex(&self) -> String {
        let body = self.written(".*", ".", |c, out| {
            if regex_syntax::is_meta_character(c) {
                out.push('\\');
            }
            out.push(c);
        });
        format!("^{body}$")
    }

    fn written(&self, any: &str, one: &str, write: impl Fn(char, &mut String)) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                LikePart::Any => out.push_str(any),
                LikePart::One => out.push_str(one),
                LikePart::Text(text) => text.chars().for_each(|c| write(c, &mut out)),
            }
        }
        out
    }
}

/// Repetitions that PostgreSQL allows in `{n,m}`, and how many of them may multiply.
const REPEAT: u32 = 255;

/// A regular expression of the part that PostgreSQL's engine and Rust's `regex` read alike. Its classes are written out,
/// and are those of ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex(String);

/// A part of an expression, and what is written in its place.
type Rewrite = (usize, usize, &'static str);

impl Regex {
    /// Checks an expression. What only one of the engines knows, or what could make it work without end, is refused.
    pub fn parse(pattern: &str) -> Result<Self, RestError> {
        if pattern.len() > limits::PATTERN {
            return Err(RestError::too_much(format!("the expression is longer than {} bytes", limits::PATTERN)));
        }
        let invalid = |text: String| {
            RestError::new(400, "2201B", format!("invalid regular expression: {text}"))
                .hint("Look-around, back-references, flags, `\\b` and Unicode classes are not supported.")
        };
        let parsed = Parser::new().parse(pattern).map_err(|error| invalid(error.kind().to_string()))?;
        let mut rewrites = Vec::new();
        check(&parsed, 1, &mut rewrites).map_err(|text| invalid(text.to_owned()))?;
        let mut written = pattern.to_owned();
        rewrites.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
        for (start, end, text) in rewrites {
            written.replace_range(start..end, text);
        }
        Ok(Self(written))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Walks the tree. `times` is how often what is walked may repeat.
fn check(node: &Ast, times: u32, rewrites: &mut Vec<Rewrite>) -> Result<(), &'static str> {
    match node {
        Ast::Empty(_) | Ast::Dot(_) => Ok(()),
        Ast::Literal(literal) => match literal.kind {
            ast::LiteralKind::Verbatim | ast::LiteralKind::Meta => Ok(()),
            _ => Err("escapes of characters are not supported"),
        },
        Ast::ClassPerl(class) => {
            rewrites.push(perl(class, true)?);
            Ok(())
        }
        Ast::ClassBracketed(class) => class_set(&class.kind, rewrites),
        Ast::ClassUnicode(_) => Err("Unicode classes are not supported"),
        Ast::Flags(_) => Err("flags are not supported"),
        Ast::Assertion(assertion) => match assertion.kind {
            ast::AssertionKind::StartLine | ast::AssertionKind::EndLine => Ok(()),
            _ => Err("of the assertions only ^ and $ are supported"),
        },
        Ast::Group(group) => match &group.kind {
            ast::GroupKind::CaptureIndex(_) => check(&group.ast, times, rewrites),
            ast::GroupKind::NonCapturing(flags) if flags.items.is_empty() => check(&group.ast, times, rewrites),
            _ => Err("names and flags of groups are not supported"),
        },
        Ast::Repetition(repetition) => {
            let most = match &repetition.op.kind {
                ast::RepetitionKind::Range(ast::RepetitionRange::Exactly(n) | ast::RepetitionRange::AtLeast(n)) => *n,
                ast::RepetitionKind::Range(ast::RepetitionRange::Bounded(from, to)) => *from.max(to),
                _ => 1,
            };
            if matches!(*repetition.ast, Ast::Repetition(_) | Ast::Assertion(_)) {
                return Err("a repetition or an assertion that is repeated is not supported");
            }
            let times = times.saturating_mul(most.max(1));
            if times > REPEAT {
                return Err("what repeats more than 255 times in all is not supported");
            }
            check(&repetition.ast, times, rewrites)
        }
        Ast::Alternation(alternation) => alternation.asts.iter().try_for_each(|node| check(node, times, rewrites)),
        Ast::Concat(concat) => concat.asts.iter().try_for_each(|node| check(node, times, rewrites)),
    }
}

/// A class of Perl, such as `\d`, written out.
fn perl(class: &ast::ClassPerl, alone: bool) -> Result<Rewrite, &'static str> {
    let text = match (&class.kind, class.negated, alone) {
        (ast::ClassPerlKind::Digit, false, true) => "[0-9]",
        (ast::ClassPerlKind::Digit, true, true) => "[^0-9]",
        (ast::ClassPerlKind::Digit, false, false) => "0-9",
        (ast::ClassPerlKind::Space, false, true) => "[[:space:]]",
        (ast::ClassPerlKind::Space, true, true) => "[^[:space:]]",
        (ast::ClassPerlKind::Space, false, false) => "[:space:]",
        (ast::ClassPerlKind::Word, false, true) => "[a-zA-Z0-9_]",
        (ast::ClassPerlKind::Word, true, true) => "[^a-zA-Z0-9_]",
        (ast::ClassPerlKind::Word, false, false) => "a-zA-Z0-9_",
        (_, true, false) => return Err("negated classes in brackets are not supported"),
    };
    Ok((class.span.start.offset, class.span.end.offset, text))
}

fn class_set(set: &ast::ClassSet, rewrites: &mut Vec<Rewrite>) -> Result<(), &'static str> {
    use ast::ClassSetItem::{Ascii, Empty, Literal, Perl, Range, Union};
    let ast::ClassSet::Item(item) = set else { return Err("operations on classes are not supported") };
    let mut items = vec![item];
    while let Some(item) = items.pop() {
        match item {
            Empty(_) | Range(_) => {}
            Ascii(class) if !class.negated => {}
            Perl(class) => rewrites.push(perl(class, false)?),
            Literal(literal) if matches!(literal.kind, ast::LiteralKind::Verbatim | ast::LiteralKind::Meta) => {}
            Union(union) => items.extend(&union.items),
            _ => return Err("only characters, ranges and classes of ASCII are supported in brackets"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_like_pattern_is_written_for_both_databases() {
        let like = Like::parse(r"*a[b]?_50\%\\%%c").unwrap();
        assert_eq!((like.like().as_str(), like.glob().as_str()), (r"%a[b]?_50\%\\%c", r"*a[[]b][?]?50%\*c"));
        assert_eq!(Like::parse("a\\").unwrap_err().code, "22025");
        assert_eq!(Like::parse(&"%a".repeat(11)).unwrap_err().code, "54000");
        assert_eq!(Like::parse(&"a".repeat(1001)).unwrap_err().code, "54000");
        assert!(Like::parse(&"%".repeat(900)).is_ok(), "they are one");
    }

    #[test]
    fn only_expressions_that_both_engines_read_alike_are_taken() {
        for good in ["^order #[0-9]{4}$", "(a|b)+c?", "(?:x|y)*", "[[:alpha:]_-]+", r"\d\s\w\.", "é.*ü", "a{2,3}?"] {
            assert!(Regex::parse(good).is_ok(), "{good}");
        }
        for bad in [
            r"(a)\1",
            "(?=a)",
            "(?i)a",
            r"\ba",
            r"\p{L}",
            r"\x41",
            "[a&&b]",
            "(?P<n>a)",
            "a{256}",
            "((a{16}){16}){2}",
            "(",
            "a**",
            "[z-a]",
            r"\A",
            "a**b[",
        ] {
            assert_eq!(Regex::parse(bad).map_err(|error| error.code).unwrap_err(), "2201B", "{bad}");
        }
        assert_eq!(Regex::parse(r"\d+[\w.]é\S").unwrap().as_str(), "[0-9]+[a-zA-Z0-9_.]é[^[:space:]]");
        assert_eq!(Regex::parse(&"(".repeat(1000)).unwrap_err().code, "2201B", "depth is bounded by the parser");
    }
}
