//! What the lists that a search found are worth.

use std::{iter::Sum, ops::Add};

use super::{Kind, Question};

/// Counts over some questions. Scores of several languages are added up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Written questions that have an answer.
    pub answerable: usize,
    /// Of these: an answer was found first.
    pub first: usize,
    /// Of these: an answer was among the first five.
    pub five: usize,
    /// Of these: nothing was found.
    pub nothing: usize,
    /// The sum of 1/rank of the first answer.
    pub reciprocal: f64,
    pub unanswerable: usize,
    /// Of these: nothing was found, as it should be.
    pub refused: usize,
    /// Questions with a typing mistake.
    pub typos: usize,
    /// Of these: an answer was found first.
    pub typos_first: usize,
    /// Of these: an answer was found first without the mistake.
    pub untyped_first: usize,
}

impl Score {
    /// Of the questions that are of one of these kinds. `found` has the names of passages for each of all questions.
    pub fn of(questions: &[Question], found: &[Vec<String>], kinds: &[Kind]) -> Self {
        let rank = |at: usize| found[at].iter().position(|name| questions[at].answers.contains(name));
        let mut score = Self::default();
        for (at, question) in questions.iter().enumerate().filter(|(_, question)| kinds.contains(&question.kind)) {
            match (question.kind, question.untyped) {
                (Kind::Unanswerable, _) => {
                    score.unanswerable += 1;
                    score.refused += usize::from(found[at].is_empty());
                }
                (Kind::Typo, untyped) => {
                    score.typos += 1;
                    score.typos_first += usize::from(rank(at) == Some(0));
                    score.untyped_first += usize::from(untyped.is_some_and(|untyped| rank(untyped) == Some(0)));
                }
                _ => {
                    score.answerable += 1;
                    score.first += usize::from(rank(at) == Some(0));
                    score.five += usize::from(rank(at).is_some_and(|rank| rank < 5));
                    score.nothing += usize::from(found[at].is_empty());
                    score.reciprocal += rank(at).map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
                }
            }
        }
        score
    }

    /// The share of answerable questions whose answer came first. NaN without such questions, like all shares here.
    pub fn recall_at_1(&self) -> f64 {
        share(self.first, self.answerable)
    }

    pub fn recall_at_5(&self) -> f64 {
        share(self.five, self.answerable)
    }

    /// The mean reciprocal rank of the answer.
    pub fn mrr(&self) -> f64 {
        self.reciprocal / self.answerable as f64
    }

    pub fn nothing_found(&self) -> f64 {
        share(self.nothing, self.answerable)
    }

    pub fn off_topic_refused(&self) -> f64 {
        share(self.refused, self.unanswerable)
    }

    /// The recall of mistyped questions as a ratio of the recall of the same questions without mistakes.
    pub fn typos_kept(&self) -> f64 {
        share(self.typos_first, self.untyped_first)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

impl Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            answerable: self.answerable + other.answerable,
            first: self.first + other.first,
            five: self.five + other.five,
            nothing: self.nothing + other.nothing,
            reciprocal: self.reciprocal + other.reciprocal,
            unanswerable: self.unanswerable + other.unanswerable,
            refused: self.refused + other.refused,
            typos: self.typos + other.typos,
            typos_first: self.typos_first + other.typos_first,
            untyped_first: self.untyped_first + other.untyped_first,
        }
    }
}

impl Sum for Score {
    fn sum<I: Iterator<Item = Self>>(scores: I) -> Self {
        scores.fold(Self::default(), Add::add)
    }
}
