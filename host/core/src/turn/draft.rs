//! An answer's text while it is written: what its readers have of it, and what is held back from them for a moment.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;

use super::live::{LiveTurn, TurnEvent};
use crate::{
    model::{ModelError, ModelEvent, ModelStream},
    time::{Clock, Timestamp},
};

/// In text, a client reads its headers with the first byte, so prose that a model writes before it calls a connector
/// is held until there is this much of it, a new line, the round's end, or `HOLD_FOR`.
const HOLD_BYTES: usize = 160;
const HOLD_FOR: Duration = Duration::from_secs(10);

pub(super) struct Draft {
    live: Arc<LiveTurn>,
    clock: Arc<dyn Clock>,
    /// What was written, released to readers or still held.
    text: String,
    /// How much of `text` readers have.
    released: usize,
    holding_since: Option<Timestamp>,
}

impl Draft {
    pub fn new(live: Arc<LiveTurn>, clock: Arc<dyn Clock>) -> Self {
        Self { live, clock, text: String::new(), released: 0, holding_since: None }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn take_text(&mut self) -> String {
        self.released = 0;
        std::mem::take(&mut self.text)
    }

    /// Whether readers have anything of it.
    pub fn has_left(&self) -> bool {
        self.released > 0
    }

    /// Begins a round, whose first words are held back or not.
    pub fn begin(&mut self, hold: bool) {
        self.holding_since = hold.then(|| self.clock.now());
    }

    /// The model's next event; what is held meanwhile is let go when its time is over.
    pub async fn next_event(&mut self, stream: &mut ModelStream) -> Option<Result<ModelEvent, ModelError>> {
        if self.holding_since.is_some() && self.released < self.text.len() {
            match tokio::time::timeout(HOLD_FOR, stream.next()).await {
                Ok(event) => return event,
                Err(_) => self.release(),
            }
        }
        stream.next().await
    }

    pub fn write(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(&text);
        let Some(since) = self.holding_since else {
            // Nothing is held: what was written is what is released, without another look at it.
            if self.released + text.len() == self.text.len() {
                self.released = self.text.len();
                return self.live.push(TurnEvent::Text(text));
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

    /// Sets what follows apart from what was written; readers see it with what follows.
    pub fn break_off(&mut self) {
        self.text.push_str("\n\n");
    }

    /// Says something about the answer, in a paragraph of its own.
    pub fn note(&mut self, note: &str) {
        let apart = self.text.is_empty() || self.text.ends_with("\n\n");
        self.write(if apart { note.to_owned() } else { format!("\n\n{note}") });
    }

    /// Gives readers all that was written.
    pub fn release(&mut self) {
        if self.released < self.text.len() {
            self.live.push(TurnEvent::Text(self.text[self.released..].to_owned()));
            self.released = self.text.len();
        }
    }
}
