//! What the customer's last message says beside the messages before it: an input that was asked for, or a bare yes or no.

use resly_core::{
    approval::reply::{self, Reply},
    model::{ModelMessage, Role},
};

use crate::words::topic;

/// How an answer that asks for an input begins.
pub const ASK: &str = "To look that up I need ";
/// How many messages back an input may have been asked for.
const REMEMBERED: usize = 12;
/// Stems that name an input rather than ask for something.
const LABELS: [&str; 8] = ["number", "email", "mail", "address", "id", "code", "order", "account"];

/// The texts of a conversation that ends with the customer's message.
pub struct Dialogue<'a> {
    texts: Vec<(Role, &'a str)>,
    /// The customer's last message; empty when the last word is ours.
    pub last: &'a str,
}

impl<'a> Dialogue<'a> {
    pub fn of(messages: &'a [ModelMessage]) -> Self {
        let texts = messages.iter().filter_map(|message| match message {
            ModelMessage::Text { role, text } => Some((*role, text.as_str())),
            _ => None,
        });
        let mut texts: Vec<_> = texts.collect();
        let last = match texts.pop() {
            Some((Role::User, text)) => text,
            _ => "",
        };
        Self { texts, last }
    }

    /// The newest question whose input we asked for, as far as that is remembered.
    pub fn open_question(&self) -> Option<OpenQuestion> {
        let newest = self.texts.len();
        let ends = (newest.saturating_sub(REMEMBERED)..=newest).rev();
        let (end, question) = ends.into_iter().find_map(|end| Some((end, self.asked_for_input(end)?)))?;
        Some(OpenQuestion { with_last: format!("{question}\n{}", self.last), is_newest: end == newest })
    }

    /// The question, when the text before `end` asks for its input.
    fn asked_for_input(&self, end: usize) -> Option<String> {
        let asks = |end: usize| {
            let (asked, question) = (self.texts.get(end.checked_sub(1)?)?, self.texts.get(end.checked_sub(2)?)?);
            let asks = asked.0 == Role::Assistant && asked.1.starts_with(ASK) && question.0 == Role::User;
            asks.then_some(question.1)
        };
        let mut parts = vec![asks(end)?];
        // It may have been asked for more than once.
        let mut end = end - 2;
        while let Some(before) = asks(end) {
            parts.push(before);
            end -= 2;
        }
        parts.reverse();
        Some(parts.join("\n"))
    }

    /// What a bare yes or no to our last answer leads to: the question for an input again, or nothing to say to it.
    pub fn bare_reply(&self) -> Option<YesNoReply<'a>> {
        let asked = self.texts.last().filter(|(role, text)| *role == Role::Assistant && text.starts_with(ASK));
        match (reply::read(self.last), asked) {
            (Reply::Yes, Some((_, asked))) => Some(YesNoReply::AskAgain(asked)),
            (Reply::Yes, None) => Some(YesNoReply::Yes),
            (Reply::No, _) => Some(YesNoReply::No),
            (Reply::Unclear, _) => None,
        }
    }

    /// Whether the last message holds nothing but numbers, codes and addresses, such as "it's #1001".
    pub fn is_input_only(&self) -> bool {
        let is_input = |token: &str| token.chars().any(|c| c.is_ascii_digit()) || token.contains('@');
        let others = self.last.split_whitespace().filter(|token| !is_input(token));
        topic(&others.collect::<Vec<_>>().join(" ")).iter().all(|stem| LABELS.contains(&stem.as_str()))
    }
}

/// A question that waits for an input.
pub struct OpenQuestion {
    /// The question and the customer's last message.
    pub with_last: String,
    /// Our last answer asked for it.
    pub is_newest: bool,
}

/// A message that is a yes or a no and nothing else.
#[derive(Debug, PartialEq, Eq)]
pub enum YesNoReply<'a> {
    /// A yes to the question for an input, which is still missing.
    AskAgain(&'a str),
    /// A yes to nothing that was asked.
    Yes,
    No,
}
