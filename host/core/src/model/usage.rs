//! What model answers take in tokens: what a provider reports of one, and the sum over the rounds of a turn.

use serde::{Deserialize, Serialize};

/// The tokens that an answer took, over all its rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// What the model read, cached input included.
    pub input: u64,
    /// The part of `input` that the provider read from its cache.
    pub cached_input: u64,
    /// What the model wrote, thinking included.
    pub output: u64,
    /// Whether a count is the host's estimate, wholly or in part, because the provider didn't say it.
    pub estimated: bool,
}

impl TokenUsage {
    /// Adds another round.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            output: self.output.saturating_add(other.output),
            estimated: self.estimated || other.estimated,
        }
    }

    /// Whether no tokens were used.
    pub fn is_zero(&self) -> bool {
        (self.input, self.cached_input, self.output) == (0, 0, 0)
    }
}

/// What a provider has said of one answer's tokens. What it hasn't said is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportedUsage {
    pub input: Option<u64>,
    pub cached_input: Option<u64>,
    pub output: Option<u64>,
}

impl ReportedUsage {
    /// Takes over what a later report says. Reports are running counts, so the last one is the sum.
    pub fn update(&mut self, later: Self) {
        self.input = later.input.or(self.input);
        self.cached_input = later.cached_input.or(self.cached_input);
        self.output = later.output.or(self.output);
    }
}
