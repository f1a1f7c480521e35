//! One chat turn, from a question to a stored answer.
//!
//! [`Turns::start`] accepts the question in one transaction ([`store`]), then [`run`] does the work on a task of its own
//! and writes what happens to a [`live::LiveTurn`], which the client's response, a resumed stream, or nobody reads.

mod calls;
mod cite;
mod confirm;
mod dialogue;
mod draft;
pub mod failure;
pub mod live;
mod prompt;
pub mod replay;
mod run;
mod shrink;
pub mod store;
#[cfg(test)]
mod tests;
mod tools;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    approval::{Approvals, ChatClient, Verdict},
    connector::{available::AvailableActions, call::Connectors},
    conversation::{ClientMessage, Message},
    error::StoreError,
    id::{ApprovalId, ConversationId, MessageId},
    knowledge::{Passage, RetrieveError, Retriever},
    meter::Remaining,
    model::{Model, Role},
    principal::Principal,
    time::{Clock, Random},
};
use live::{LiveTurn, LiveTurns, Timing};
use replay::Replay;
use run::Run;
use store::{BeginTurn, BeginTurnError, ConversationRef, Idempotency, NewTurn, TurnStore};

/// The bounds of one turn.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    /// How often a model may ask for tools before it must answer.
    pub rounds: usize,
    pub calls_per_round: usize,
    /// Tokens that a model may write in one round.
    pub max_tokens: u32,
    /// Passages that retrieval gives at once.
    pub passages: usize,
    /// An answer's text; it ends there.
    pub answer_bytes: usize,
    /// Tokens of a conversation's history that a model is sent, as the host estimates them. Older exchanges are left out.
    pub history_tokens: u64,
    /// A tool's output as the model sees it; the rest is cut and said to be cut.
    pub tool_output_bytes: usize,
    pub deadline: Duration,
    /// How long a turn counts as alive after its host's last sign of life.
    pub lease: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self {
            rounds: 6,
            calls_per_round: 8,
            max_tokens: 4096,
            passages: 6,
            answer_bytes: 256 << 10,
            history_tokens: 16_000,
            tool_output_bytes: 12 << 10,
            deadline: Duration::from_secs(300),
            lease: Duration::from_secs(120),
        }
    }
}

/// How the answer reaches the client, which decides what its first byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Plain text, whose headers go with the first byte of the final answer.
    Text,
    /// Events, from the start.
    Events,
    /// One object at the end.
    Whole,
}

/// A question.
#[derive(Clone, Debug)]
pub struct TurnRequest {
    pub principal: Principal,
    pub conversation: ConversationRef,
    pub visitor: Option<String>,
    /// The client's `system` messages.
    pub instructions: Vec<String>,
    /// The rest of the client's history; the last is the user's, unless there are verdicts.
    pub messages: Vec<ClientMessage>,
    /// What a person said, in their client, about the calls that the last answer asks to confirm. The answer goes on then,
    /// and the stored history counts, whatever the client sends as one.
    pub verdicts: Vec<(ApprovalId, Verdict)>,
    pub idempotency: Option<Idempotency>,
    pub delivery: Delivery,
}

/// What came of a question.
pub enum Start {
    /// It was accepted, and its turn is running.
    Running(Started),
    /// It was answered before under the same idempotency key.
    Replay(Replay),
}

pub struct Started {
    pub conversation: ConversationId,
    pub message: MessageId,
    pub remaining: Option<Remaining>,
    pub live: Arc<LiveTurn>,
}

/// One retrieval on its way, with the microseconds that it took. Dropping it ends it.
type Lookup = JoinSet<(Result<Vec<Passage>, RetrieveError>, u64)>;

/// Runs turns. Cheap to clone: everything is shared.
#[derive(Clone)]
pub struct Turns {
    pub store: Arc<dyn TurnStore>,
    pub model: Arc<dyn Model>,
    pub retriever: Arc<dyn Retriever>,
    pub connectors: Connectors,
    pub approvals: Approvals,
    pub offers: AvailableActions,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub limits: TurnLimits,
    pub live: Arc<LiveTurns>,
}

impl Turns {
    /// Accepts a question and starts its turn, which goes on whoever listens.
    pub async fn start(&self, request: TurnRequest) -> Result<Start, BeginTurnError> {
        let now = self.clock.now();
        // What is known about the question is looked up while the question is stored: neither waits for the other.
        let lookup = self.look_up(&request);
        let continues = self.continued(&request).await?;
        let accepted = match self
            .store
            .begin_turn(self.new_turn(&request, continues))
            .await
            .map_err(|error| self.known_alive(error))?
        {
            BeginTurn::Replay(message) => {
                let person = ChatClient::new(&request.principal, request.visitor.as_deref());
                return Ok(Start::Replay(Replay::of(message, &self.approvals, &person).await?));
            }
            BeginTurn::Accepted(accepted) => accepted,
        };
        let timing = Timing { accept_us: run::micros(self.clock.now().since(now)), ..Timing::default() };
        let organization = request.principal.organization;
        let continued = continues.and_then(|_| accepted.history.last()).map(Message::client_name);
        let live = LiveTurn::new(organization, accepted.conversation, accepted.answer, continued);
        let started = Started {
            conversation: accepted.conversation,
            message: accepted.answer,
            remaining: accepted.remaining,
            live: Arc::clone(&live),
        };
        let presence = self.live.enter(Arc::clone(&live));
        tokio::spawn(Run::new(self.clone(), request, accepted, live, lookup, timing).run_on(presence));
        Ok(Start::Running(started))
    }

    /// A request whose answer this host is writing needn't wait for the lease: the host is alive.
    fn known_alive(&self, error: BeginTurnError) -> BeginTurnError {
        match error {
            BeginTurnError::InFlight { answer: Some(answer), .. } if self.live.writes(answer) => {
                BeginTurnError::InFlight { answer: Some(answer), lease_left: Duration::ZERO }
            }
            error => error,
        }
    }

    /// Cancels what customers asked other hosts to cancel, among the answers that this host writes.
    pub async fn cancel_requested(&self) -> Result<(), StoreError> {
        if self.live.count() > 0 {
            self.live.cancel(&self.store.cancel_requests().await?);
        }
        Ok(())
    }

    /// The id of a model's call in streams, stored rounds and approvals.
    fn new_call_id(&self) -> String {
        format!("call_{}", self.random.uuid(self.clock.now()).simple())
    }

    /// Starts to retrieve passages for the question; ends with what is returned.
    fn look_up(&self, request: &TurnRequest) -> Lookup {
        let (retriever, clock, limit) = (Arc::clone(&self.retriever), Arc::clone(&self.clock), self.limits.passages);
        let organization = request.principal.organization;
        let question = request.messages.iter().rfind(|message| message.role == Role::User);
        let question = question.map(|message| message.text.clone()).unwrap_or_default();
        let mut lookup = Lookup::new();
        lookup.spawn(async move {
            let started = clock.now();
            let found = retriever.retrieve(organization, &question, limit).await;
            (found, run::micros(clock.now().since(started)))
        });
        lookup
    }

    /// The answer that a client's verdicts are about, and its conversation: one answer asked for all of them, in the
    /// conversation that the client means.
    async fn continued(&self, request: &TurnRequest) -> Result<Option<(ConversationId, MessageId)>, BeginTurnError> {
        let person = ChatClient::new(&request.principal, request.visitor.as_deref());
        let mut asked = None;
        for (id, _) in &request.verdicts {
            let approval = self.approvals.find(&person, *id).await?;
            let approval = approval.ok_or(BeginTurnError::NoApproval)?;
            let place = (approval.conversation, approval.message);
            if *asked.get_or_insert(place) != place {
                return Err(BeginTurnError::NoApproval);
            }
        }
        let Some((conversation, _)) = asked else { return Ok(None) };
        let meant = match &request.conversation {
            ConversationRef::New => true,
            ConversationRef::Id(id) => *id == conversation,
            ConversationRef::Named(name) => self.store.find_conversation(&person, name).await? == Some(conversation),
        };
        if meant { Ok(asked) } else { Err(BeginTurnError::NoApproval) }
    }

    fn new_turn(&self, request: &TurnRequest, continues: Option<(ConversationId, MessageId)>) -> NewTurn {
        let now = self.clock.now();
        let (conversation, messages) = match continues {
            Some((conversation, _)) => (ConversationRef::Id(conversation), Vec::new()),
            None => (request.conversation.clone(), request.messages.clone()),
        };
        NewTurn {
            organization: request.principal.organization,
            key: request.principal.key,
            key_cap: request.principal.message_cap,
            conversation,
            new_conversation: ConversationId(self.random.uuid(now)),
            visitor: request.visitor.clone(),
            message_ids: messages.iter().map(|_| MessageId(self.random.uuid(now))).collect(),
            messages,
            continues: continues.map(|(_, message)| message),
            answer: MessageId(self.random.uuid(now)),
            idempotency: request.idempotency.clone(),
            now,
            lease_until: now.plus(self.limits.lease),
        }
    }
}
