//! Answers in progress, counted by subject.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use uuid::Uuid;

/// How many answers each subject has in progress. Subjects without any are not in it.
#[derive(Debug, Default)]
pub struct Streams(Mutex<HashMap<Uuid, u32>>);

/// A place among a subject's answers in progress. Dropping it gives the place back.
#[derive(Debug)]
pub struct StreamPermit {
    streams: Arc<Streams>,
    subject: Uuid,
}

impl Streams {
    /// `None` when the limit is reached.
    pub fn enter(streams: &Arc<Self>, subject: Uuid, limit: u32) -> Option<StreamPermit> {
        let mut counts = streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&subject).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        counts.insert(subject, count + 1);
        Some(StreamPermit { streams: Arc::clone(streams), subject })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut counts = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.subject) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                counts.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let streams = Arc::new(Streams::default());
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = Streams::enter(&streams, one, 2).unwrap();
        let second = Streams::enter(&streams, one, 2).unwrap();
        assert!(Streams::enter(&streams, one, 2).is_none());
        assert!(Streams::enter(&streams, other, 1).is_some());
        drop(first);
        assert!(Streams::enter(&streams, one, 2).is_some());
        drop(second);
        assert!(streams.0.lock().unwrap().is_empty(), "nothing is left of it");
    }
}
