//! Sums of outcomes as the numbers that people read. What each means is said in `docs/analytics.md`.

use resly_core::outcome::Outcome;
use resly_store::OutcomeSums;

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    /// From 0 to 1; `None` of nothing.
    pub fn ratio(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }
}

/// The sums of some conversations, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers([OutcomeSums; Outcome::ALL.len()]);

impl Numbers {
    pub fn add(&mut self, outcome: Outcome, sums: &OutcomeSums) {
        if let Some(own) = Outcome::ALL.iter().position(|one| *one == outcome).and_then(|at| self.0.get_mut(at)) {
            own.add(sums);
        }
    }

    /// The sums of one outcome.
    pub fn of(&self, outcome: Outcome) -> OutcomeSums {
        let at = Outcome::ALL.iter().position(|one| *one == outcome);
        at.and_then(|at| self.0.get(at)).copied().unwrap_or_default()
    }

    /// The sums of all of them.
    pub fn total(&self) -> OutcomeSums {
        let mut total = OutcomeSums::default();
        self.0.iter().for_each(|sums| total.add(sums));
        total
    }

    fn count(&self, outcomes: &[Outcome]) -> u64 {
        outcomes.iter().map(|outcome| self.of(*outcome).conversations).sum()
    }

    /// Conversations of which an outcome can be told.
    fn settled(&self) -> u64 {
        self.total().conversations - self.of(Outcome::Open).conversations
    }

    /// What the assistant resolved alone, of what is settled.
    pub fn resolved(&self) -> Share {
        Share { part: self.count(&Outcome::RESOLVED), whole: self.settled() }
    }

    /// The same, without those who came back.
    pub fn durable(&self) -> Share {
        Share { part: self.count(&[Outcome::Durable]), whole: self.settled() }
    }

    pub fn handed_over(&self) -> Share {
        Share { part: self.count(&[Outcome::HandedOver]), whole: self.settled() }
    }

    pub fn abandoned(&self) -> Share {
        Share { part: self.count(&[Outcome::Abandoned]), whole: self.settled() }
    }

    /// What needed nobody of the team, whether it was resolved or not, of what is settled.
    pub fn deflected(&self) -> Share {
        let persons = self.total().persons - self.of(Outcome::Open).persons;
        Share { part: self.settled().saturating_sub(persons), whole: self.settled() }
    }

    /// Good ratings of all ratings.
    pub fn satisfaction(&self) -> Share {
        let total = self.total();
        Share { part: total.rated_up, whole: total.rated_up + total.rated_down }
    }

    /// From the first question to the end of the first answer, on average, in milliseconds.
    pub fn first_answer_ms(&self) -> Option<u64> {
        let total = self.total();
        total.first_answer_ms.checked_div(total.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(conversations: u64, persons: u64) -> OutcomeSums {
        OutcomeSums { conversations, persons, ..OutcomeSums::default() }
    }

    #[test]
    fn shares_are_of_what_is_settled() {
        let mut numbers = Numbers::default();
        numbers.add(Outcome::Durable, &sums(3, 0));
        numbers.add(Outcome::Autonomous, &sums(2, 0));
        numbers.add(Outcome::HandedOver, &sums(4, 4));
        numbers.add(Outcome::Abandoned, &sums(1, 1));
        numbers.add(Outcome::Open, &sums(10, 5));
        let share = |part| Share { part, whole: 10 };
        assert_eq!((numbers.resolved(), numbers.durable(), numbers.handed_over()), (share(5), share(3), share(4)));
        assert_eq!((numbers.abandoned(), numbers.deflected()), (share(1), share(5)));
        assert_eq!((numbers.satisfaction().ratio(), numbers.first_answer_ms()), (None, None));
        assert_eq!(numbers.total().conversations, 20);
    }
}
