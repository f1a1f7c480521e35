//! The values of names while a filter runs: slots, the newest first. Environments share their slots.

use std::{cell::RefCell, rc::Rc};

use crate::{code::Id, value::Val};

/// The state of a `reduce` or `foreach`.
pub type State = Rc<RefCell<Val>>;

#[derive(Clone, Default)]
pub struct Environment(Option<Rc<Slots>>);

struct Slots {
    slot: Slot,
    next: Environment,
}

#[derive(Clone)]
pub enum Slot {
    Value(Val),
    /// An argument, which is a filter in the environment of the call.
    Closure(Id, Environment),
    Label(u64),
    State(State),
}

impl Environment {
    pub fn with(&self, slot: Slot) -> Self {
        Self(Some(Rc::new(Slots { slot, next: self.clone() })))
    }

    pub fn with_value(&self, value: Val) -> Self {
        self.with(Slot::Value(value))
    }

    /// The environment below this number of slots.
    pub fn up(&self, slots: u32) -> Self {
        let mut at = self;
        for _ in 0..slots {
            match &at.0 {
                Some(slots) => at = &slots.next,
                None => break,
            }
        }
        at.clone()
    }

    pub fn slot(&self, above: u32) -> Option<&Slot> {
        let mut at = self;
        for _ in 0..above {
            at = &at.0.as_ref()?.next;
        }
        at.0.as_ref().map(|slots| &slots.slot)
    }

    pub fn value(&self, above: u32) -> Val {
        match self.slot(above) {
            Some(Slot::Value(value)) => value.clone(),
            _ => Val::Null,
        }
    }

    pub fn state(&self, above: u32) -> State {
        match self.slot(above) {
            Some(Slot::State(state)) => Rc::clone(state),
            _ => State::default(),
        }
    }
}

/// Dropped by a loop, because a recursive filter makes chains that are too long to be dropped by recursion.
impl Drop for Environment {
    fn drop(&mut self) {
        let mut next = self.0.take();
        let mut pending = Vec::new();
        while let Some(shared) = next.take().or_else(|| pending.pop()) {
            if let Ok(mut slots) = Rc::try_unwrap(shared) {
                if let Slot::Closure(_, environment) = &mut slots.slot {
                    pending.extend(environment.0.take());
                }
                next = slots.next.0.take();
            }
        }
    }
}
