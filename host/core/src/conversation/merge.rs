//! Matches a client's history with the stored one: which stored messages stay, and which sent ones are new.
//!
//! Messages with ids are matched by their ids only. Texts are compared where ids are missing. In doubt, the sent
//! messages are appended: only a known id or a whole history can replace stored messages.

use std::collections::HashMap;

use super::{ClientMessage, Message};
use crate::model::Role;

/// How a client's history changes the stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// How many stored messages stay, from the start. Later ones are superseded.
    pub keep: usize,
    /// Index of the first new message in the client's history.
    pub new_from: usize,
}

/// Matches a client's history with the stored one.
///
/// - The last message with a known id is the anchor, and everything after it is new. If it is a user's message with
///   another text, it is an edit of that message. If it is the last message of all, its answer is requested again.
/// - Without a known id, a history that starts with the end of the stored conversation adds its other messages.
/// - A history that starts like the stored conversation and has an assistant's message is a whole history. It is an
///   edit at its first difference.
/// - Everything else is appended.
///
/// Answers that the client leaves out stay. Some clients show no failed answers, or send the user's messages only.
pub fn merge(stored: &[Message], sent: &[ClientMessage]) -> Merge {
    let merged = match last_known(stored, sent) {
        Some((at, position)) => after_anchor(stored, sent, at, position),
        None => by_words(stored, sent),
    };
    debug_assert!(merged.keep <= stored.len() && merged.new_from <= sent.len());
    merged
}

/// Whether both are the user's, or neither is. Clients send an agent's message back as the assistant's.
fn is_same_side(stored: Role, sent: Role) -> bool {
    (stored == Role::User) == (sent == Role::User)
}

fn has_id(stored: &Message, id: &str) -> bool {
    stored.client_id.as_deref() == Some(id) || stored.id.to_string() == id
}

/// Finds the last sent message that is stored, by the client's id or by the host's. Returns it with its stored place.
fn last_known(stored: &[Message], sent: &[ClientMessage]) -> Option<(usize, usize)> {
    if stored.is_empty() || sent.iter().all(|message| message.id.is_none()) {
        return None;
    }
    let mut places = HashMap::new();
    for (position, message) in stored.iter().enumerate() {
        places.insert(message.id.to_string(), position);
    }
    // The client's ids come first, because an answer that continues another one is known by that one's id.
    for (position, message) in stored.iter().enumerate() {
        if let Some(id) = &message.client_id {
            places.insert(id.clone(), position);
        }
    }
    sent.iter().enumerate().rev().find_map(|(at, message)| {
        let position = *places.get(message.id.as_deref()?)?;
        is_same_side(stored[position].role, message.role).then_some((at, position))
    })
}

fn after_anchor(stored: &[Message], sent: &[ClientMessage], at: usize, position: usize) -> Merge {
    // A known id with another text is an edit. Only a user's message can be edited.
    if sent[at].role == Role::User && stored[position].content != sent[at].text {
        return Merge { keep: position, new_from: at };
    }
    let (mut keep, mut new_from) = (position + 1, at + 1);
    while let (Some(have), Some(message)) = (stored.get(keep), sent.get(new_from)) {
        match (have.role == Role::User, message.role == Role::User) {
            // The client's own version of an answer, with another id or without one.
            (false, false) => new_from += 1,
            (false, true) => {}
            (true, true) if message.id.is_none() && have.content == message.text => new_from += 1,
            (true, _) => break,
        }
        keep += 1;
    }
    // A history that ends with what is stored requests a new answer.
    if new_from == sent.len() || is_whole(stored, sent) {
        return Merge { keep, new_from };
    }
    Merge { keep: stored.len(), new_from }
}

/// Whether a history starts like the stored one and has an assistant's message.
fn is_whole(stored: &[Message], sent: &[ClientMessage]) -> bool {
    let (Some(first), Some(message)) = (stored.first(), sent.first()) else { return false };
    let begins = match &message.id {
        Some(id) if has_id(first, id) => true,
        Some(_) if first.client_id.is_some() => false,
        _ => is_same_side(first.role, message.role) && first.content.trim() == message.text.trim(),
    };
    begins && sent.iter().any(|message| message.role != Role::User)
}

fn by_words(stored: &[Message], sent: &[ClientMessage]) -> Merge {
    // The usual case: only one message was sent, and the last one is always new.
    if stored.is_empty() || sent.len() < 2 {
        return Merge { keep: stored.len(), new_from: 0 };
    }
    let words = Words::of(stored, sent);
    if let Some(new_from) = words.common_end() {
        return Merge { keep: stored.len(), new_from };
    }
    if is_whole(stored, sent) {
        let (keep, new_from) = words.common_beginning();
        return Merge { keep, new_from };
    }
    Merge { keep: stored.len(), new_from: 0 }
}

/// Both histories with a number for each text, so that long texts are compared once only.
struct Words<'m> {
    stored: Vec<(&'m Message, usize)>,
    sent: Vec<(&'m ClientMessage, usize)>,
}

impl<'m> Words<'m> {
    fn of(stored: &'m [Message], sent: &'m [ClientMessage]) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut number = |text: &'m str| {
            let next = numbers.len();
            *numbers.entry(text.trim()).or_insert(next)
        };
        Self {
            stored: stored.iter().map(|message| (message, number(&message.content))).collect(),
            sent: sent.iter().map(|message| (message, number(&message.text))).collect(),
        }
    }

    /// Whether two messages are the same. Messages with different ids never are.
    fn same(&self, have: usize, at: usize) -> bool {
        let ((stored, words), (sent, same)) = (self.stored[have], self.sent[at]);
        let ids_differ = stored.client_id.is_some() && sent.id.is_some();
        is_same_side(stored.role, sent.role) && words == same && !ids_differ
    }

    /// Compares both histories in order, skipping answers that the client leaves out, until they differ or one ends.
    fn walk(&self, mut have: usize, mut at: usize) -> (usize, usize) {
        while have < self.stored.len() && at < self.sent.len() {
            if self.same(have, at) {
                at += 1;
            } else if self.stored[have].0.role == Role::User || self.sent[at].0.role != Role::User {
                break;
            }
            have += 1;
        }
        (have, at)
    }

    /// Finds the longest end of the stored history with which the sent one starts. Returns how many sent messages it
    /// has; the last sent message is never counted.
    fn common_end(&self) -> Option<usize> {
        // As many stored messages as the sent ones can match, with an omitted answer for each.
        let first = self.stored.len().saturating_sub(2 * self.sent.len());
        (first..self.stored.len()).filter(|have| self.same(*have, 0)).find_map(|start| {
            let (have, at) = self.walk(start, 0);
            (have == self.stored.len() && at < self.sent.len()).then_some(at)
        })
    }

    fn common_beginning(&self) -> (usize, usize) {
        self.walk(0, 0)
    }
}

#[cfg(test)]
mod tests;
