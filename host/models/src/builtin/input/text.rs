//! A question as text: its words, and the codes and quotations in it.

use std::collections::HashSet;

use crate::words::words;

/// A question, taken apart once.
pub(super) struct Text<'a> {
    pub whole: &'a str,
    pub lower: String,
    pub tokens: Vec<Token<'a>>,
    pub quoted: Vec<&'a str>,
}

pub(super) struct Token<'a> {
    pub text: &'a str,
    pub stem: String,
}

impl<'a> Text<'a> {
    pub fn new(whole: &'a str) -> Self {
        let token = |text: &'a str| Token { text, stem: words(text).next().map(|word| word.stem).unwrap_or_default() };
        let tokens = whole.split_whitespace().map(bare).filter(|text| !text.is_empty()).map(token);
        Self { whole, lower: whole.to_lowercase(), tokens: tokens.collect(), quoted: quoted(whole) }
    }

    pub fn codes(&self) -> impl Iterator<Item = (usize, &'a str)> + '_ {
        self.tokens.iter().enumerate().map(|(at, token)| (at, token.text)).filter(|(_, text)| is_code(text))
    }

    /// The code that follows one of these words, as in "order number 1001" or "order is #1001".
    pub fn after(&self, names: &HashSet<String>) -> Option<&'a str> {
        let filler =
            ["number", "no", "nr", "id", "is", "with", "the", "code", "of", "for", "called", "name", "#", "has"];
        self.tokens.iter().enumerate().find_map(|(at, token)| {
            if !names.contains(&token.stem) {
                return None;
            }
            let next = &self.tokens[at + 1..];
            let next = next.iter().find(|token| {
                let word = token.text.to_lowercase();
                !filler.contains(&word.trim_end_matches(['.', ':'])) && !names.contains(&token.stem)
            })?;
            Some(next.text).filter(|text| is_code(text))
        })
    }
}

fn quoted(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (open, close) in [('"', '"'), ('“', '”'), ('„', '“'), ('«', '»'), ('`', '`')] {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(open) {
            let Some((inside, more)) = after.split_once(close) else { break };
            if !inside.trim().is_empty() {
                found.push(inside.trim());
            }
            rest = more;
        }
    }
    found
}

/// A token without the punctuation around it.
pub(super) fn bare(token: &str) -> &str {
    let token =
        token.trim_end_matches(['.', ',', ';', ':', '!', '?', '"', '\'', '”', '“', '’', ')', '>', ']', '`', '»']);
    token.trim_start_matches(['"', '\'', '“', '„', '‘', '(', '<', '[', '`', '«', ','])
}

/// Whether a token looks like a number, a code or an identifier rather than a word.
pub(super) fn is_code(token: &str) -> bool {
    token.chars().any(|c| c.is_ascii_digit()) && !token.contains('@') && token.chars().count() <= 80
}

pub(super) fn is_email(token: &str) -> bool {
    token.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !host.contains('@')
    })
}

/// What a text looks like: runs of digits, of letters, and everything else as it is.
pub(super) fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars() {
        let class = match c {
            _ if c.is_ascii_digit() => '0',
            _ if c.is_alphabetic() => 'a',
            other => other,
        };
        if !(shape.ends_with(class) && matches!(class, '0' | 'a')) {
            shape.push(class);
        }
    }
    shape
}
