//! The questions that customers ask. A question's text says what the model does with it.

use serde_json::{Value, json};

use super::dice::Dice;

/// Per cent of questions for which something is looked up, and of those that order something.
const LOOK_UPS: usize = 25;
const ORDERS: usize = 10;

/// What the model does before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Nothing, and it answers without a pause.
    AtOnce,
    /// It calls the connector.
    LookUp,
    /// It asks to confirm a write, and the answer is that question.
    Order,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Plain, Self::AtOnce, Self::LookUp, Self::Order];

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::AtOnce => "instantly",
            Self::LookUp => "look-up",
            Self::Order => "order",
        }
    }
}

/// A question and how it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub number: u64,
    pub kind: Kind,
    /// Whether the conversation has a name of the client's.
    named: bool,
}

impl Question {
    /// A plain question.
    pub fn plain(number: u64) -> Self {
        Self { number, kind: Kind::Plain, named: false }
    }

    /// A question without a pause in its answer.
    pub fn at_once(number: u64) -> Self {
        Self { number, kind: Kind::AtOnce, named: false }
    }

    /// Any question.
    pub fn any(number: u64, dice: &mut Dice) -> Self {
        let kind = match dice.below(100) {
            throw if throw < LOOK_UPS => Kind::LookUp,
            throw if throw < LOOK_UPS + ORDERS => Kind::Order,
            _ => Kind::Plain,
        };
        Self { number, kind, named: dice.chance(50) }
    }

    /// Reads a question's text.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, kind) = text.split("Question ").nth(1)?.split_once(": ")?;
        let kind = Kind::ALL.into_iter().find(|known| kind.starts_with(known.word()))?;
        Some(Self { number: number.parse().ok()?, kind, named: false })
    }

    /// The idempotency key under which it is asked, however often.
    pub fn key(&self) -> String {
        format!("question-{}", self.number)
    }

    /// The body of `POST /api/chat`.
    pub fn body(&self) -> Value {
        let text = format!("Question {}: {}.", self.number, self.kind.word());
        let mut body = json!({"messages": [{"role": "user", "content": text}]});
        if self.named {
            body["id"] = json!(format!("conversation-{}", self.number));
        }
        body
    }
}
