//! The path to a value. It is tracked for `path` and for updates.

use std::rc::Rc;

use crate::{
    arithmetic::{Raises, raise},
    json,
    value::Val,
};

/// A path and the value that it leads to. Any other value has no path.
pub struct Track {
    /// The last step. `None` at the start of the path.
    last: Option<(Val, Rc<Track>)>,
    value: Val,
}

impl Track {
    /// The path of a value to itself.
    pub fn start(value: &Val) -> Option<Rc<Self>> {
        Some(Rc::new(Self { last: None, value: value.clone() }))
    }

    pub fn step(self: &Rc<Self>, key: Val, value: &Val) -> Rc<Self> {
        Rc::new(Self { last: Some((key, Rc::clone(self))), value: value.clone() })
    }

    /// Refuses a step from a value to which the path doesn't lead.
    pub fn check(&self, value: &Val, step: impl FnOnce() -> String) -> Raises<()> {
        if self.value.is_identical(value) {
            return Ok(());
        }
        raise(format!("Invalid path expression near attempt to {} of {}", step(), json::to_text(value)))
    }

    /// The path as a list of keys.
    pub fn end(&self, value: &Val) -> Raises<Val> {
        if !self.value.is_identical(value) {
            return raise(format!("Invalid path expression with result {}", json::to_text(value)));
        }
        let mut keys = Vec::new();
        let mut track = self;
        while let Some((key, before)) = &track.last {
            keys.push(key.clone());
            track = before;
        }
        keys.reverse();
        Ok(Val::array(keys))
    }
}
