//! What became of a conversation: the rules, each with its constant, in this one place. `docs/analytics.md` and the page
//! Analytics tell them in words.
//!
//! [`judge`] is a pure function of what is stored and of the time, so that an outcome can be computed again at any time. A
//! change of a rule raises [`RULES_VERSION`]; the host then computes all outcomes again.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    conversation::{MessageStatus, handover::ConversationState},
    id::MessageId,
    model::Role,
    time::Timestamp,
};

/// Raised by every change of a rule.
pub const RULES_VERSION: u64 = 1;
/// A conversation in which nothing was said for so long is over, until the visitor writes again.
pub const QUIET: Duration = Duration::from_secs(3600);
/// A visitor who comes back within this time has reopened the conversation. One who doesn't was helped durably.
pub const DURABLE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// A visitor who waits so long for a person was left alone.
pub const PERSON_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What became of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No person took part, the visitor's last question was answered, and the visitor may still come back, or did.
    Autonomous,
    /// The same, and the visitor didn't come back within [`DURABLE_AFTER`].
    Durable,
    /// A person answered, or settled it.
    HandedOver,
    /// The visitor left, or was left, without an answer.
    Abandoned,
    /// It is too early to say.
    Open,
}

impl Outcome {
    pub const ALL: [Self; 5] = [Self::Autonomous, Self::Durable, Self::HandedOver, Self::Abandoned, Self::Open];
    /// What counts as resolved by the assistant.
    pub const RESOLVED: [Self; 2] = [Self::Autonomous, Self::Durable];

    pub fn name(self) -> &'static str {
        match self {
            Self::Autonomous => "autonomous",
            Self::Durable => "durable",
            Self::HandedOver => "handed_over",
            Self::Abandoned => "abandoned",
            Self::Open => "open",
        }
    }
}

/// What a visitor says of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    Up,
    Down,
}

impl Rating {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A message of a conversation, as far as the rules ask for it. What an edit replaced is left out.
#[derive(Clone, Debug)]
pub struct Said {
    pub id: MessageId,
    pub role: Role,
    pub status: MessageStatus,
    pub at: Timestamp,
    /// When it was whole.
    pub ended_at: Timestamp,
    pub is_empty: bool,
    /// Whether it cites a source, or rests on an action that was called and succeeded.
    pub is_grounded: bool,
    pub rating: Option<Rating>,
}

/// What the rules look at.
#[derive(Clone, Debug)]
pub struct Facts {
    pub state: ConversationState,
    /// When a person was last asked for, whoever asked.
    pub handed_over_at: Option<Timestamp>,
    /// In order.
    pub said: Vec<Said>,
}

/// Why a question counts as unanswered although there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// The answer rests on no source and no action.
    NoSource,
    /// The visitor rated it down.
    RatedDown,
}

impl Gap {
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::RatedDown => "rated_down",
        }
    }
}

/// A question that the knowledge didn't answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnansweredQuestion {
    pub question: MessageId,
    pub answer: MessageId,
    pub asked_at: Timestamp,
    pub gap: Gap,
}

/// What the rules say of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub outcome: Outcome,
    /// Whether a person was asked for or took part.
    pub person: bool,
    pub messages: u64,
    /// The visitor's.
    pub questions: u64,
    /// Whole answers, of the assistant and of people.
    pub answers: u64,
    /// From the first question to the end of the first answer.
    pub first_answer: Option<Duration>,
    pub rated_up: u64,
    pub rated_down: u64,
    /// Whether the visitor came back after it was over, within [`DURABLE_AFTER`].
    pub reopened: bool,
    pub unanswered: Vec<UnansweredQuestion>,
    /// When time alone may change this.
    pub look_again_at: Option<Timestamp>,
}

/// Applies the rules.
pub fn judge(facts: &Facts, now: Timestamp) -> Judgement {
    let said = &facts.said;
    let of = |role: Role| said.iter().filter(move |message| message.role == role);
    let rated = |rating: Rating| said.iter().filter(|message| message.rating == Some(rating)).count() as u64;
    let (outcome, look_again_at) = outcome(facts, now);
    Judgement {
        outcome,
        person: facts.handed_over_at.is_some() || facts.state.is_handed_over() || of(Role::Agent).next().is_some(),
        messages: said.len() as u64,
        questions: of(Role::User).count() as u64,
        answers: said.iter().filter(|message| is_answer(message)).count() as u64,
        first_answer: first_answer(said),
        rated_up: rated(Rating::Up),
        rated_down: rated(Rating::Down),
        reopened: is_reopened(said),
        unanswered: unanswered(said),
        look_again_at,
    }
}

/// Whether a message is a whole answer: of a person, or of the assistant.
fn is_answer(message: &Said) -> bool {
    match message.role {
        Role::User => false,
        Role::Agent => true,
        Role::Assistant => message.status == MessageStatus::Complete && !message.is_empty,
    }
}

fn first_answer(said: &[Said]) -> Option<Duration> {
    let first = said.iter().position(|message| message.role == Role::User)?;
    let answer = said[first..].iter().find(|message| is_answer(message))?;
    Some(answer.ended_at.since(said[first].at))
}

/// Whether the visitor wrote again after the conversation was over.
fn is_reopened(said: &[Said]) -> bool {
    said.windows(2).any(|pair| {
        let pause = pair[1].at.since(pair[0].ended_at.max(pair[0].at));
        pair[1].role == Role::User && (QUIET..=DURABLE_AFTER).contains(&pause)
    })
}

/// The questions whose answer is whole and yet rests on nothing, or was rated down. A failure is no gap in the knowledge.
fn unanswered(said: &[Said]) -> Vec<UnansweredQuestion> {
    let mut found = Vec::new();
    let mut asked: Option<&Said> = None;
    for message in said {
        match message.role {
            Role::User => asked = Some(message),
            Role::Agent => asked = None,
            Role::Assistant if is_answer(message) => {
                let gap = match message.rating {
                    Some(Rating::Down) => Some(Gap::RatedDown),
                    None if !message.is_grounded => Some(Gap::NoSource),
                    _ => None,
                };
                let Some(question) = asked.take() else { continue };
                found.extend(gap.map(|gap| UnansweredQuestion {
                    question: question.id,
                    answer: message.id,
                    asked_at: question.at,
                    gap,
                }));
            }
            Role::Assistant => {}
        }
    }
    found
}

/// Whether the visitor's last question has an answer. One that rests on nothing, such as a thank-you's, is one when an
/// earlier answer of the conversation rests on something and wasn't rated down. One that was rated down isn't.
fn last_is_answered(said: &[Said]) -> bool {
    let Some(last) = said.iter().rposition(|message| message.role == Role::User) else { return false };
    let Some(answer) = said[last..].iter().rfind(|message| is_answer(message)) else { return false };
    if answer.role == Role::Agent || answer.rating == Some(Rating::Up) {
        return true;
    }
    let rests = |message: &&Said| message.role == Role::Agent || message.is_grounded;
    let good = said.iter().filter(|message| is_answer(message) && message.rating != Some(Rating::Down));
    answer.rating.is_none() && good.filter(rests).count() > 0
}

/// The outcome, and when time alone may change it.
fn outcome(facts: &Facts, now: Timestamp) -> (Outcome, Option<Timestamp>) {
    let said = &facts.said;
    let last_at =
        said.iter().map(|message| message.at.max(message.ended_at)).max().unwrap_or(Timestamp::from_micros(0));
    let by_agent = said.iter().any(|message| message.role == Role::Agent);
    let answered = last_is_answered(said);
    // Until then it is open.
    let until = |at: Timestamp, then: Outcome| if now < at { (Outcome::Open, Some(at)) } else { (then, None) };
    match facts.state {
        ConversationState::Waiting => {
            let since = facts.handed_over_at.unwrap_or(last_at);
            return until(since.plus(PERSON_WITHIN), Outcome::Abandoned);
        }
        ConversationState::Agent if !answered => return until(last_at.plus(PERSON_WITHIN), Outcome::Abandoned),
        ConversationState::Closed if by_agent || facts.handed_over_at.is_some() => return (Outcome::HandedOver, None),
        ConversationState::Agent | ConversationState::Ai | ConversationState::Closed => {}
    }
    let over_at = last_at.plus(QUIET);
    if now < over_at {
        return (Outcome::Open, Some(over_at));
    }
    if !answered {
        return (Outcome::Abandoned, None);
    }
    if by_agent || facts.handed_over_at.is_some() || facts.state == ConversationState::Agent {
        return (Outcome::HandedOver, None);
    }
    let durable_at = last_at.plus(DURABLE_AFTER);
    match is_reopened(said) {
        true => (Outcome::Autonomous, None),
        false if now < durable_at => (Outcome::Autonomous, Some(durable_at)),
        false => (Outcome::Durable, None),
    }
}
