//! What a scenario found: figures, and the promises that were broken.

use std::fmt;

/// Broken promises of one kind that are printed. The others are counted.
const SHOWN: usize = 20;

/// The result of one scenario.
#[derive(Debug, Default)]
pub struct Report {
    pub name: String,
    figures: Vec<(String, String)>,
    broken: Vec<String>,
}

impl Report {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Notes a figure.
    pub fn figure(&mut self, what: &str, value: impl fmt::Display) {
        self.figures.push((what.to_owned(), value.to_string()));
    }

    /// Notes a promise that is broken unless `holds`.
    pub fn check(&mut self, holds: bool, promise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(promise());
        }
    }

    /// Notes that two counts have to be equal.
    pub fn equal(&mut self, what: &str, found: i128, expected: i128) {
        self.check(found == expected, || format!("{what}: {found}, but {expected} is right"));
    }

    pub fn passed(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, if self.passed() { "passed" } else { "FAILED" })?;
        for (what, value) in &self.figures {
            writeln!(f, "  {what}: {value}")?;
        }
        for broken in self.broken.iter().take(SHOWN) {
            writeln!(f, "  BROKEN: {broken}")?;
        }
        if self.broken.len() > SHOWN {
            writeln!(f, "  and {} more", self.broken.len() - SHOWN)?;
        }
        Ok(())
    }
}
