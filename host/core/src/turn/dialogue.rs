//! Builds the messages that are sent to a model: the newest exchanges of the stored history, user and assistant in
//! turns.
//!
//! The chat templates of many models refuse two messages of one role in a row, a dialogue that the assistant begins,
//! and a tool call without its result. A stored history may have all of these: an answer that failed or was stopped may
//! be empty, and clients may send any history.

use serde_json::{Value, json};

use crate::{
    conversation::Message,
    model::{ModelMessage, Role},
};

/// Stands for the customer's first message when the assistant speaks first.
const OPENED: &str = "(The customer opened the chat.)";
/// Stands for a customer's message when the assistant has spoken last.
const GO_ON: &str = "(Please go on.)";
/// Stands for the answer after a round of calls that has none.
const NO_ANSWER: &str = "(No answer was given.)";
/// Stands for a result that is missing.
const NO_RESULT: &str = "(The result of this call isn't known.)";

/// Precedes what a person of the organization wrote in the assistant's place.
const BY_A_PERSON: &str = "(A person of the company wrote this:) ";

/// The tool name of the step that records an omitted part of the history.
const HISTORY: &str = "history";
/// Tokens that a message takes besides its text: its role and the separator.
const TOKENS_PER_MESSAGE: u64 = 4;

/// The part of a history that wasn't sent to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Omitted {
    pub messages: usize,
    /// Estimated by the function `tokens`.
    pub tokens: u64,
}

impl Omitted {
    /// The step that records this in the answer.
    pub fn step(self) -> Value {
        let Self { messages, tokens } = self;
        json!({"tool": HISTORY, "ok": true, "omitted": {"messages": messages, "tokens": tokens}})
    }
}

/// The newest exchanges of a history that fit into `budget` tokens, and the part that was omitted. An exchange is a
/// user's message with its answer. The newest exchange is sent even when it is over the budget.
pub(super) fn history(said: &[Message], budget: u64) -> (Vec<ModelMessage>, Option<Omitted>) {
    let said: Vec<&Message> = said.iter().filter(|message| !message.content.trim().is_empty()).collect();
    let (mut start, mut used, mut exchange) = (said.len(), 0, 0);
    let mut omitted = Omitted { messages: 0, tokens: 0 };
    for (at, message) in said.iter().enumerate().rev() {
        exchange += tokens(&message.content);
        if message.role != Role::User && at > 0 {
            continue;
        }
        let fits = used + exchange <= budget || start == said.len();
        if fits && omitted.messages == 0 {
            start = at;
            used += exchange;
        } else {
            omitted.messages = start;
            omitted.tokens += exchange;
        }
        exchange = 0;
    }
    let sent = said[start..].iter();
    let sent = sent.map(|message| match message.role {
        Role::Agent => ModelMessage::Text { role: Role::Assistant, text: format!("{BY_A_PERSON}{}", message.content) },
        role => ModelMessage::Text { role, text: message.content.clone() },
    });
    (sent.collect(), (omitted.messages > 0).then_some(omitted))
}

/// A cautious estimate: four ASCII characters are one token, any other character is one. `model::estimate` is nearer for
/// current vocabularies, and too low for older ones, whose context is the smaller.
fn tokens(text: &str) -> u64 {
    let (mut ascii, mut others) = (0_u64, 0_u64);
    for character in text.chars() {
        if character.is_ascii() { ascii += 1 } else { others += 1 }
    }
    ascii.div_ceil(4) + others + TOKENS_PER_MESSAGE
}

/// Makes a dialogue acceptable to any chat template. It begins with the user, and user and assistant alternate. Each
/// call has one result after it. The dialogue ends with the user or with results.
pub(super) fn well_formed(messages: impl IntoIterator<Item = ModelMessage>) -> Vec<ModelMessage> {
    let mut dialogue = Dialogue::default();
    for message in messages {
        dialogue.add(message);
    }
    dialogue.end()
}

#[derive(Default)]
struct Dialogue {
    messages: Vec<ModelMessage>,
    /// Index of the message that holds the last round's calls.
    calls: usize,
    /// Id and name of each call of that round that has no result yet.
    waiting: Vec<(String, String)>,
}

impl Dialogue {
    fn add(&mut self, message: ModelMessage) {
        match message {
            ModelMessage::Text { role: Role::User, text } => self.user(text),
            ModelMessage::Text { role: Role::Assistant | Role::Agent, text } => self.assistant(text),
            ModelMessage::ToolCalls { text, calls, .. } if calls.is_empty() => self.assistant(text),
            calls @ ModelMessage::ToolCalls { .. } => self.calls(calls),
            ModelMessage::ToolResult { ref call_id, .. } => {
                // A model's service would refuse a result without a call.
                if let Some(at) = self.waiting.iter().position(|(id, _)| id == call_id) {
                    self.waiting.remove(at);
                    self.messages.push(message);
                }
            }
        }
    }

    fn user(&mut self, text: String) {
        if text.trim().is_empty() {
            return;
        }
        self.end_round();
        match self.messages.last_mut() {
            // The customer repeated the question after an answer that failed.
            Some(ModelMessage::Text { role: Role::User, text: before }) if ends_with(before, &text) => return,
            Some(ModelMessage::Text { role: Role::User, text: before }) => return join(before, &text),
            Some(ModelMessage::ToolResult { .. }) => self.answer_round(),
            _ => {}
        }
        self.messages.push(ModelMessage::Text { role: Role::User, text });
    }

    fn assistant(&mut self, text: String) {
        if text.trim().is_empty() {
            return;
        }
        self.end_round();
        match self.messages.last_mut() {
            Some(ModelMessage::Text { role: Role::Assistant, text: before }) => return join(before, &text),
            None => self.user(OPENED.to_owned()),
            _ => {}
        }
        self.messages.push(ModelMessage::Text { role: Role::Assistant, text });
    }

    fn calls(&mut self, mut message: ModelMessage) {
        self.end_round();
        match self.messages.last() {
            Some(ModelMessage::Text { role: Role::Assistant, .. }) => {
                if let (Some(ModelMessage::Text { text: mut before, .. }), ModelMessage::ToolCalls { text, .. }) =
                    (self.messages.pop(), &mut message)
                {
                    join(&mut before, text);
                    *text = before;
                }
            }
            None => self.user(OPENED.to_owned()),
            _ => {}
        }
        if let ModelMessage::ToolCalls { calls, .. } = &message {
            self.waiting = calls.iter().map(|call| (call.id.clone(), call.name.clone())).collect();
        }
        self.calls = self.messages.len();
        self.messages.push(message);
    }

    /// Adds a placeholder result for each call of the last round that has none.
    fn end_round(&mut self) {
        for (call_id, name) in std::mem::take(&mut self.waiting) {
            self.messages.push(ModelMessage::ToolResult { call_id, name, content: NO_RESULT.to_owned() });
        }
    }

    /// Moves the text of the last round behind its results, because the user's next message is about that text.
    fn answer_round(&mut self) {
        let text = match self.messages.get_mut(self.calls) {
            Some(ModelMessage::ToolCalls { text, .. }) => std::mem::take(text),
            _ => String::new(),
        };
        let text = if text.trim().is_empty() { NO_ANSWER.to_owned() } else { text };
        self.messages.push(ModelMessage::Text { role: Role::Assistant, text });
    }

    fn end(mut self) -> Vec<ModelMessage> {
        self.end_round();
        if let Some(ModelMessage::Text { role: Role::Assistant, .. }) = self.messages.last() {
            self.user(GO_ON.to_owned());
        }
        self.messages
    }
}

/// Whether `text` is the last of the texts that were joined to `before`.
fn ends_with(before: &str, text: &str) -> bool {
    before.strip_suffix(text).is_some_and(|rest| rest.is_empty() || rest.ends_with("\n\n"))
}

fn join(before: &mut String, text: &str) {
    if !before.is_empty() && !text.is_empty() {
        before.push_str("\n\n");
    }
    before.push_str(text);
}

#[cfg(test)]
mod tests;
