//! How much one search may do.

use super::WordsError;

/// Units of a search on a thread that others wait for, some 3 ms.
const SHORT: u64 = 3_000;
/// Units of a search for what its words may also stand for, some 0.1 s.
const WHOLE: u64 = 100_000;
/// Passages of a list that are read in the time of a look at a term.
const PASSAGES: u64 = 64;

/// How a search is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// On a thread that others wait for: a search that takes longer ends with [`WordsError::TooLong`].
    Short,
    /// To its end. What its words may also stand for (typos, beginnings, synonyms) is looked for within a bound.
    Whole,
}

/// What a search may still do, in units of a look at one term of the index: about a microsecond.
pub struct Work {
    left: u64,
    effort: Effort,
}

impl Work {
    pub fn new(effort: Effort) -> Self {
        let left = match effort {
            Effort::Short => SHORT,
            Effort::Whole => WHOLE,
        };
        Self { left, effort }
    }

    /// The units that it takes to read lists of so many passages.
    pub fn of_passages(passages: u64) -> u64 {
        1 + passages / PASSAGES
    }

    /// For what a word may also stand for. False when the search has no units left for it.
    pub fn spend(&mut self, units: u64) -> bool {
        let enough = self.left >= units;
        self.left = self.left.saturating_sub(units);
        enough
    }

    /// For the words themselves, which a whole search reads whatever it takes.
    pub fn need(&mut self, units: u64) -> Result<(), WordsError> {
        if self.effort == Effort::Short {
            self.spend(units);
        }
        self.check()
    }

    /// Whether nothing more is looked for beside the words themselves.
    pub fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Ends a short search that has done what it may.
    pub fn check(&self) -> Result<(), WordsError> {
        if self.effort == Effort::Short && self.is_spent() { Err(WordsError::TooLong) } else { Ok(()) }
    }

    #[cfg(test)]
    pub fn left(&self) -> u64 {
        self.left
    }
}
