//! Goes back to the newest alternative: after the last output, and after an error.

use super::{Machine, Next};
use crate::{
    arithmetic::Raises,
    code::{Id, Node, Then},
    frame::{Cursor, Fork, Updated},
    place,
    value::Val,
};

impl Machine<'_> {
    pub(super) fn back(&mut self) -> Raises<Next> {
        let Some(fork) = self.forks.last_mut() else { return Ok(Next::Back) };
        // Forks with more alternatives stay.
        match fork {
            Fork::Each(of, place, rest) => {
                if let Some((key, value)) = of.child(*place) {
                    *place += 1;
                    let output = of.child_at(key, value);
                    let rest = rest.clone();
                    return Ok(Next::Give(output, rest));
                }
            }
            Fork::Range(at, to, track, rest) if *at < *to => {
                let output = Cursor { value: Val::Num(*at), track: track.clone() };
                *at += 1.0;
                let rest = rest.clone();
                return Ok(Next::Give(output, rest));
            }
            _ => {}
        }
        let Some(fork) = self.forks.pop() else { return Ok(Next::Back) };
        Ok(match fork {
            Fork::Evaluate(id, environment, input, rest) => Next::Evaluate(id, environment, input, rest),
            Fork::Alternative(found, (id, environment, input, rest)) => {
                if found.get() {
                    Next::Back
                } else {
                    Next::Evaluate(id, environment, input, rest)
                }
            }
            Fork::Array(list, track, rest) => {
                let value = Val::array(list.take());
                Next::Give(Cursor { value, track }, rest)
            }
            Fork::Folded(id, state, track, rest) => match self.direct.code.node(id) {
                Node::Fold { step, .. } if self.is_reduce(*step) => {
                    Next::Give(Cursor { value: state.take(), track }, rest)
                }
                _ => Next::Back,
            },
            Fork::Updated(state, track, rest) => {
                let Updated { value, deleted } = state.take();
                let value = if deleted.is_empty() { value } else { place::delete_paths(value, &deleted)? };
                Next::Give(Cursor { value, track }, rest)
            }
            Fork::Deleted(state, path) => {
                state.borrow_mut().deleted.push(Val::Array(path));
                Next::Back
            }
            Fork::Try(..)
            | Fork::LeftTry(_)
            | Fork::Label(_)
            | Fork::Pattern(..)
            | Fork::Each(..)
            | Fork::Range(..) => Next::Back,
        })
    }

    /// Whether each item of a fold leads to one next state and no output.
    pub(super) fn is_reduce(&self, step: Id) -> bool {
        match self.direct.code.node(step) {
            Node::Bind { body, .. } | Node::Rebind { body, .. } => self.is_reduce(*body),
            Node::Patterns(patterns) => patterns.first().is_some_and(|pattern| self.is_reduce(*pattern)),
            Node::Step { then, .. } => matches!(then, Then::Next),
            _ => false,
        }
    }

    pub(super) fn raise(&mut self, error: Val) -> Next {
        while let Some(fork) = self.forks.pop() {
            match fork {
                Fork::LeftTry(mark) => self.forks.truncate(mark),
                Fork::Try(None, ..) => return Next::Back,
                Fork::Try(Some(catch), environment, track, rest) => {
                    return Next::Evaluate(catch, environment, Cursor { value: error, track }, rest);
                }
                Fork::Pattern(id, place, environment, input, rest) => {
                    return self.pattern(id, place, environment, input, rest);
                }
                _ => {}
            }
        }
        Next::Raise(error)
    }
}
