//! Chance from a seed, so that a run can be repeated.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// A source of chance. Each task has one of its own, so that the order of tasks changes nothing.
pub struct Dice(StdRng);

impl Dice {
    /// The dice of one task: the run's seed, and a number of the task's own.
    pub fn new(seed: u64, task: u64) -> Self {
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ task))
    }

    /// A number below `bound`, which isn't 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// True in `per_cent` of a hundred throws.
    pub fn chance(&mut self, per_cent: usize) -> bool {
        self.below(100) < per_cent
    }
}
