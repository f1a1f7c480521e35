//! The dialogue as a model is sent it: the newest exchanges of what is stored, in a strict alternation.
//!
//! Chat templates of many models refuse two messages of one role in a row, a dialogue that the assistant begins, and a tool
//! call without its result. What is stored may hold all of these: an answer that failed or was stopped may be empty, and a
//! client may send what it likes as history.

use serde_json::{Value, json};

use crate::{
    conversation::Message,
    model::{ModelMessage, Role},
};

/// What stands for the customer's first message when the assistant speaks first.
const OPENED: &str = "(The customer opened the chat.)";
/// What stands for the customer's message when the assistant has spoken last.
const GO_ON: &str = "(Please go on.)";
/// What stands for the answer after a round of calls that none followed.
const NO_ANSWER: &str = "(No answer was given.)";
/// What stands for a result that isn't there.
const NO_RESULT: &str = "(The result of this call isn't known.)";

/// The step of a turn that didn't send its model the whole history.
const HISTORY: &str = "history";
/// What a message takes beside its text: its role and what separates it from the next.
const TOKENS_PER_MESSAGE: u64 = 4;

/// What a model isn't sent of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Omitted {
    pub messages: usize,
    /// As estimated.
    pub tokens: u64,
}

impl Omitted {
    /// The record of it in an answer.
    pub fn step(self) -> Value {
        let Self { messages, tokens } = self;
        json!({"tool": HISTORY, "ok": true, "omitted": {"messages": messages, "tokens": tokens}})
    }
}

/// The newest exchanges of a history that fit into a budget of tokens, and what was left out. An exchange is a user's message
/// with its answer; the newest one is always sent.
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
    let sent = sent.map(|message| ModelMessage::Text { role: message.role, text: message.content.clone() });
    (sent.collect(), (omitted.messages > 0).then_some(omitted))
}

/// An estimate that needs no model's vocabulary: four bytes of ASCII to a token, and one token for any other character.
fn tokens(text: &str) -> u64 {
    let (mut ascii, mut others) = (0_u64, 0_u64);
    for character in text.chars() {
        if character.is_ascii() { ascii += 1 } else { others += 1 }
    }
    ascii.div_ceil(4) + others + TOKENS_PER_MESSAGE
}

/// The same dialogue as any chat template takes it: it begins with the user, then assistant and user alternate; calls are
/// followed by their results, each once; and it ends with the user or with results.
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
    /// Where the last round's calls are.
    calls: usize,
    /// Ids and names of its calls that have no result yet.
    waiting: Vec<(String, String)>,
}

impl Dialogue {
    fn add(&mut self, message: ModelMessage) {
        match message {
            ModelMessage::Text { role: Role::User, text } => self.user(text),
            ModelMessage::Text { role: Role::Assistant, text } => self.assistant(text),
            ModelMessage::ToolCalls { text, calls, .. } if calls.is_empty() => self.assistant(text),
            calls @ ModelMessage::ToolCalls { .. } => self.calls(calls),
            ModelMessage::ToolResult { ref call_id, .. } => {
                // A result of no call would be refused.
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
            // Asked again after an answer that failed.
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

    /// Gives each call of the last round its result.
    fn end_round(&mut self) {
        for (call_id, name) in std::mem::take(&mut self.waiting) {
            self.messages.push(ModelMessage::ToolResult { call_id, name, content: NO_RESULT.to_owned() });
        }
    }

    /// Puts the text of the last round after its results, where the answer belongs that the user's next message is about.
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

/// Whether the last of the texts that were joined is this one.
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
