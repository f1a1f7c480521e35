//! The text of an answer while it is written: which part readers have, and which part is held back for a moment.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt;

use super::live::{LiveTurn, TurnEvent};
use crate::{
    boxed,
    model::{ModelError, ModelEvent, ModelStream},
    time::{Clock, Timestamp},
};

/// A text response sends its headers with its first byte. Text that a model writes before a connector call would send
/// them too early. So a round's first text is held until it has this many bytes or a new line, the round ends, or
/// `HOLD_FOR` has passed.
const HOLD_BYTES: usize = 160;
const HOLD_FOR: Duration = Duration::from_secs(10);

pub(super) struct Draft {
    live: Arc<LiveTurn>,
    clock: Arc<dyn Clock>,
    /// All text so far, released or held.
    text: String,
    /// Bytes of `text` that readers have.
    released: usize,
    /// When readers got the first of it.
    first_left_at: Option<Timestamp>,
    holding_since: Option<Timestamp>,
}

impl Draft {
    pub fn new(live: Arc<LiveTurn>, clock: Arc<dyn Clock>) -> Self {
        Self { live, clock, text: String::new(), released: 0, first_left_at: None, holding_since: None }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn take_text(&mut self) -> String {
        self.released = 0;
        std::mem::take(&mut self.text)
    }

    /// Whether readers have received any text.
    pub fn has_left(&self) -> bool {
        self.released > 0
    }

    /// Begins a round. With `hold`, its first text is held back.
    pub fn begin(&mut self, hold: bool) {
        self.holding_since = hold.then(|| self.clock.now());
    }

    /// The model's next event, or `None` at the end of its stream. Text that is held meanwhile is released after `HOLD_FOR`.
    #[boxed]
    pub async fn next_event(&mut self, stream: &mut ModelStream) -> Result<Option<ModelEvent>, ModelError> {
        if self.holding_since.is_some() && self.released < self.text.len() {
            match tokio::time::timeout(HOLD_FOR, stream.try_next()).await {
                Ok(event) => return event,
                Err(_) => self.release(),
            }
        }
        stream.try_next().await
    }

    pub fn write(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(&text);
        let Some(since) = self.holding_since else {
            // Nothing is held: push the new piece itself, without copying it out of `text`.
            if self.released + text.len() == self.text.len() {
                return self.send(text);
            }
            return self.release();
        };
        let held = &self.text[self.released..];
        let long = held.len() > HOLD_BYTES || held.trim_start().contains('\n');
        if long || self.clock.now().since(since) >= HOLD_FOR {
            self.holding_since = None;
            self.release();
        }
    }

    /// Adds a blank line. Readers get it together with the text that follows.
    pub fn break_off(&mut self) {
        self.text.push_str("\n\n");
    }

    /// Adds a note about the answer, in a paragraph of its own.
    pub fn note(&mut self, note: &str) {
        let apart = self.text.is_empty() || self.text.ends_with("\n\n");
        self.write(if apart { note.to_owned() } else { format!("\n\n{note}") });
    }

    /// Sends readers all text that they don't have yet.
    pub fn release(&mut self) {
        if self.released < self.text.len() {
            self.send(self.text[self.released..].to_owned());
        }
    }

    /// Sends readers what they don't have yet.
    fn send(&mut self, rest: String) {
        self.released = self.text.len();
        self.first_left_at.get_or_insert_with(|| self.clock.now());
        self.live.push(TurnEvent::Text(rest));
    }

    /// When readers got the first text.
    pub fn first_left_at(&self) -> Option<Timestamp> {
        self.first_left_at
    }
}
