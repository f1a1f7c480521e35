//! Mistakes in a document, each with its place. Their number and length are limited to what a person reads.

use std::fmt;

use serde::Serialize;

use crate::mask;

/// The most mistakes that are reported at once.
pub(super) const MOST: usize = 200;
/// The most characters of a path or a message. Both may contain names and values of the document.
const LONGEST: usize = 500;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// A JSON Pointer (RFC 6901) into the document. Empty for the whole document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Mistake {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: cut(path.into()), message: cut(message.into()) }
    }

    /// Masks what looks like a secret. The path may then no longer lead anywhere.
    pub(super) fn masked(self) -> Self {
        let masked = |text: &str| mask::secrets(text).into_owned();
        Self { path: masked(&self.path), message: masked(&self.message) }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { to.write_str(&self.message) } else { write!(to, "{}: {}", self.path, self.message) }
    }
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Collects mistakes, up to the number that is reported at once.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.extend([Mistake::new(path, message)]);
    }

    pub(super) fn require(&mut self, holds: bool, path: &str, message: impl Into<String>) {
        if !holds {
            self.add(path, message);
        }
    }

    /// Whether a place, or one that contains it, already has a mistake.
    pub fn cover(&self, path: &str) -> bool {
        self.0.iter().any(|known| {
            path.strip_prefix(known.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All mistakes, cut and masked for a person.
    pub fn into_list(self) -> Vec<Mistake> {
        self.0.into_iter().map(Mistake::masked).collect()
    }
}

impl Extend<Mistake> for Mistakes {
    fn extend<T: IntoIterator<Item = Mistake>>(&mut self, more: T) {
        for mistake in more {
            if self.0.len() < MOST {
                self.0.push(mistake);
            } else if self.0.len() == MOST {
                self.0.push(Mistake::new("", "there are more mistakes than these: mend these first"));
            } else {
                return;
            }
        }
    }
}

impl FromIterator<Mistake> for Mistakes {
    fn from_iter<T: IntoIterator<Item = Mistake>>(from: T) -> Self {
        let mut all = Self::default();
        all.extend(from);
        all
    }
}

/// Adds a step to a pointer (RFC 6901, section 3).
pub(crate) fn step(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_stay_few_and_short() {
        let long = "ü".repeat(10_000);
        let mut mistakes = Mistakes::default();
        for n in 0..1_000 {
            mistakes.add(format!("/{n}/{long}"), long.clone());
        }
        assert!(mistakes.cover("/anywhere"), "one of them says that there are more");
        let told = mistakes.into_list();
        assert_eq!(told.len(), MOST + 1);
        assert!(told.iter().all(|mistake| mistake.path.chars().count() <= LONGEST + 1));
        assert!(told.iter().all(|mistake| mistake.message.chars().count() <= LONGEST + 1));
        assert!(told[MOST].to_string().starts_with("there are more mistakes"));
        assert_eq!(Mistake::new("/a", "b").to_string(), "/a: b");
    }

    #[test]
    fn a_place_within_a_wrong_one_is_covered() {
        let mistakes: Mistakes = [Mistake::new("/actions/1", "x")].into_iter().collect();
        assert!(mistakes.cover("/actions/1") && mistakes.cover("/actions/1/request"));
        assert!(!mistakes.cover("/actions/10") && !mistakes.cover("/actions"));
    }
}
