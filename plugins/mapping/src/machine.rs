//! Runs a filter with all its alternatives, in jq's order and as lazily. A stack of forks holds the alternatives to
//! try, and a chain of frames holds what is to be done with an output. No function recurses with the filter's depth.

mod back;
mod evaluate;
mod give;

use crate::{
    arithmetic::Raises,
    code::{Code, Id},
    direct::Direct,
    environment::Environment,
    frame::{Cursor, Fork, Rest},
    value::Val,
};

/// The machine's next step.
enum Next {
    Evaluate(Id, Environment, Cursor, Rest),
    /// Passes an output to the next frame.
    Give(Cursor, Rest),
    /// Takes the newest fork.
    Back,
    Raise(Val),
    /// Leaves the body of a label.
    Break(u64),
}

pub struct Machine<'c> {
    direct: Direct<'c>,
    forks: Vec<Fork>,
    labels: u64,
    start: Option<(Id, Val)>,
}

impl<'c> Machine<'c> {
    pub fn new(code: &'c Code, filter: Id, input: Val) -> Self {
        Self { direct: Direct { code }, forks: Vec::new(), labels: 0, start: Some((filter, input)) }
    }

    fn step(&mut self, next: Next) -> Next {
        let next = match next {
            Next::Evaluate(id, environment, input, rest) => self.evaluate(id, environment, input, rest),
            Next::Give(output, rest) => match rest.take() {
                Some((kind, rest)) => self.give(kind, output, rest),
                None => Ok(Next::Give(output, Rest::default())),
            },
            Next::Back => self.back(),
            Next::Raise(error) => Ok(self.raise(error)),
            Next::Break(label) => {
                while let Some(fork) = self.forks.pop() {
                    if matches!(fork, Fork::Label(other) if other == label) {
                        break;
                    }
                }
                Ok(Next::Back)
            }
        };
        next.unwrap_or_else(Next::Raise)
    }
}

impl Iterator for Machine<'_> {
    type Item = Raises<Val>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut next = match self.start.take() {
            Some((filter, input)) => {
                Next::Evaluate(filter, Environment::default(), Cursor::untracked(input), Rest::default())
            }
            None => Next::Back,
        };
        loop {
            next = match next {
                Next::Back if self.forks.is_empty() => return None,
                Next::Give(output, rest) if rest.is_empty() => return Some(Ok(output.value)),
                Next::Raise(error) if self.forks.is_empty() => return Some(Err(error)),
                next => self.step(next),
            };
        }
    }
}
