//! Violations: places where a document breaks a rule of its schema or of the manifest. Their number and length are
//! limited to what a person reads.

use std::fmt;

use serde::Serialize;

use crate::mask;

/// The most violations that are reported at once.
pub(crate) const MOST: usize = 200;
/// The most characters of a path or a message. Both may contain names and values of the document.
const LONGEST: usize = 500;

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// A JSON Pointer (RFC 6901) into the document. Empty for the whole document.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Violation {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: cut(path.into()), message: cut(message.into()) }
    }

    /// A violation of the whole document.
    pub fn of_all(message: String) -> Self {
        Self { path: String::new(), message }
    }

    /// The path in the notation of request bodies, from a member on: `settings.regions[0].name`.
    pub fn under(&self, member: &str) -> String {
        self.path.split('/').skip(1).fold(member.to_owned(), |path, step| match step.parse::<usize>() {
            Ok(at) => format!("{path}[{at}]"),
            Err(_) => format!("{path}.{}", step.replace("~1", "/").replace("~0", "~")),
        })
    }

    /// Masks what looks like a secret. The path may then no longer lead anywhere.
    pub(crate) fn masked(self) -> Self {
        let masked = |text: &str| mask::secrets(text).into_owned();
        Self { path: masked(&self.path), message: masked(&self.message) }
    }
}

impl fmt::Display for Violation {
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

/// Collects violations, up to the number that is reported at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.extend([Violation::new(path, message)]);
    }

    pub(crate) fn require(&mut self, holds: bool, path: &str, message: impl Into<String>) {
        if !holds {
            self.add(path, message);
        }
    }

    /// Whether a place, or one that contains it, already has a violation.
    pub fn cover(&self, path: &str) -> bool {
        self.0.iter().any(|known| {
            path.strip_prefix(known.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All violations, cut and masked for a person.
    pub fn into_list(self) -> Vec<Violation> {
        self.0.into_iter().map(Violation::masked).collect()
    }
}

impl Extend<Violation> for Violations {
    fn extend<T: IntoIterator<Item = Violation>>(&mut self, more: T) {
        for violation in more {
            if self.0.len() < MOST {
                self.0.push(violation);
            } else if self.0.len() == MOST {
                self.0.push(Violation::new("", "there are more mistakes than these: mend these first"));
            } else {
                return;
            }
        }
    }
}

impl FromIterator<Violation> for Violations {
    fn from_iter<T: IntoIterator<Item = Violation>>(from: T) -> Self {
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
        let mut violations = Violations::default();
        for n in 0..1_000 {
            violations.add(format!("/{n}/{long}"), long.clone());
        }
        assert!(violations.cover("/anywhere"), "one of them says that there are more");
        let told = violations.into_list();
        assert_eq!(told.len(), MOST + 1);
        assert!(told.iter().all(|violation| violation.path.chars().count() <= LONGEST + 1));
        assert!(told.iter().all(|violation| violation.message.chars().count() <= LONGEST + 1));
        assert!(told[MOST].to_string().starts_with("there are more mistakes"));
        assert_eq!(Violation::new("/a", "b").to_string(), "/a: b");
    }

    #[test]
    fn a_place_within_a_wrong_one_is_covered() {
        let violations: Violations = [Violation::new("/actions/1", "x")].into_iter().collect();
        assert!(violations.cover("/actions/1") && violations.cover("/actions/1/request"));
        assert!(!violations.cover("/actions/10") && !violations.cover("/actions"));
    }
}
