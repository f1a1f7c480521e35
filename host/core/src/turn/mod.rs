//! The turn: answers one chat question, from accepting it to storing the answer.
//!
//! [`Turns::start`] accepts the question in one transaction ([`store`]). A task then runs the turn ([`run`]) and
//! appends what happens to a [`live::LiveTurn`]. The client's response and resumed streams read that log. The turn runs
//! to its end even when nobody reads.

mod approvals;
mod calls;
mod cite;
mod dialogue;
mod draft;
mod ending;
pub mod failure;
mod hand_over;
pub mod live;
mod model_measure;
mod prompt;
pub mod replay;
mod run;
mod shrink;
pub mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod tools;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    approval::{Approvals, ChatClient, Verdict},
    boxed,
    connector::{
        available::{AvailableAction, AvailableActions},
        call::Connectors,
    },
    conversation::{ClientMessage, Message, MessageStatus, handover::ConversationState},
    error::StoreError,
    id::{ApprovalId, ConversationId, HostId, MessageId},
    knowledge::{Passage, RetrieveError, Retriever},
    load::LoadShedder,
    meter::Remaining,
    metrics::{Metrics, names},
    model::{Model, Role, ToolSpec},
    principal::Principal,
    time::{Clock, Random},
    trace::{self, Tracer, gen_ai},
};
use live::{LiveTurn, LiveTurns, Timing};
use replay::Replay;
use run::Run;
use store::{AcceptedTurn, BeginTurn, BeginTurnError, ConversationRef, Idempotency, NewTurn, TurnStore};

/// The bounds of one turn.
#[derive(Clone, Copy, Debug)]
pub struct TurnLimits {
    /// Rounds of tool calls that a model may ask for. After the last one it is asked once more, without tools.
    pub rounds: usize,
    pub calls_per_round: usize,
    /// Tokens that a model may write in one round.
    pub max_tokens: u32,
    /// Passages that one search of the knowledge returns.
    pub passages: usize,
    /// Bytes of an answer's text. A longer answer is cut, with a note.
    pub answer_bytes: usize,
    /// Tokens of the history that are sent to a model, by the host's estimate. Older exchanges are omitted.
    pub history_tokens: u64,
    /// Bytes of a tool's output that are shown to the model. A longer output is cut, with a note.
    pub tool_output_bytes: usize,
    pub deadline: Duration,
    /// How long a turn counts as running after its lease was last renewed.
    pub lease: Duration,
    /// How long readers wait for the database when the answer is there.
    pub storing: Duration,
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
            storing: Duration::from_secs(5),
        }
    }
}

/// The form in which the client receives the answer. It decides what may be sent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Plain text. Headers are sent with the first byte of the answer, so early text may be held back (`draft.rs`).
    Text,
    /// A stream of events, from the start of the turn.
    Events,
    /// One JSON object, when the turn has ended.
    Whole,
}

/// A chat request: the question and who asks it.
#[derive(Clone, Debug)]
pub struct TurnRequest {
    pub principal: Principal,
    pub conversation: ConversationRef,
    pub visitor: Option<String>,
    /// The client's `system` messages.
    pub instructions: Vec<String>,
    /// The other messages of the client's history. The last one is the user's, unless there are verdicts.
    pub messages: Vec<ClientMessage>,
    /// The customer's decisions, made in the client, about the calls that the last answer asks to confirm. With
    /// verdicts, the turn continues that answer from the stored history and ignores the history that the client sends.
    pub verdicts: Vec<(ApprovalId, Verdict)>,
    pub idempotency: Option<Idempotency>,
    pub delivery: Delivery,
}

/// The result of [`Turns::start`].
pub enum Start {
    /// The question was accepted and its turn is running.
    Running(Started),
    /// The same request was answered before, under the same idempotency key.
    Replay(Replay),
    /// A person answers in this conversation. The question is stored, and the notice tells who answers.
    HandedOver { notice: Replay, state: ConversationState, remaining: Option<Remaining> },
}

pub struct Started {
    pub conversation: ConversationId,
    pub message: MessageId,
    pub remaining: Option<Remaining>,
    pub live: Arc<LiveTurn>,
}

/// What a turn offers its model.
pub struct OfferedTools {
    pub tools: Vec<ToolSpec>,
    /// The actions that the tool for connectors reaches.
    pub actions: Vec<AvailableAction>,
}

/// A request that was looked at.
enum Begun {
    Accepted { accepted: AcceptedTurn, lookup: Lookup, continues: bool },
    Replay(Replay),
    HandedOver { notice: Replay, state: ConversationState, remaining: Option<Remaining> },
}

/// A retrieval in progress; it yields the passages and the microseconds that it took. Dropping it cancels it.
type Lookup = JoinSet<(Result<Vec<Passage>, RetrieveError>, u64)>;

/// Runs turns. It is cheap to clone, because all its parts are shared.
#[derive(Clone)]
pub struct Turns {
    /// This host, which its turns' rows name as their writer.
    pub host: HostId,
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
    pub load: Arc<LoadShedder>,
    pub metrics: Metrics,
    pub tracer: Tracer,
}

impl Turns {
    /// Accepts a question and starts its turn. The turn runs to its end whether or not anybody follows it.
    #[boxed]
    pub async fn start(&self, request: Arc<TurnRequest>) -> Result<Start, BeginTurnError> {
        let now = self.clock.now();
        let organization = request.principal.organization;
        let mut span = gen_ai::invoke_agent(&self.tracer, self.model.name(), organization);
        let begun = trace::within(span.context(), self.begin(&request)).await;
        let (accepted, lookup, continues) = match begun {
            Ok(Begun::Accepted { accepted, lookup, continues }) => (accepted, lookup, continues),
            Ok(Begun::Replay(replay)) => {
                span.set("resly.turn.replay", true);
                return Ok(Start::Replay(replay));
            }
            Ok(Begun::HandedOver { notice, state, remaining }) => {
                gen_ai::set_conversation(&mut span, notice.message.conversation_id);
                span.set("resly.turn.outcome", MessageStatus::HandedOver.name());
                return Ok(Start::HandedOver { notice, state, remaining });
            }
            Err(error) => {
                span.fail(error.kind());
                return Err(error);
            }
        };
        gen_ai::set_conversation(&mut span, accepted.conversation);
        let timing = Timing { accept_us: run::micros(self.clock.now().since(now)), ..Timing::default() };
        let continued = accepted.history.last().filter(|_| continues).map(Message::client_name);
        let live = LiveTurn::new(organization, accepted.conversation, accepted.answer, continued);
        let started = Started {
            conversation: accepted.conversation,
            message: accepted.answer,
            remaining: accepted.remaining,
            live: Arc::clone(&live),
        };
        let presence = self.live.enter(Arc::clone(&live));
        let context = span.context();
        let run = Run::new(self.clone(), request, accepted, live, lookup, timing, span);
        tokio::spawn(trace::within(context, run.run_turn(presence)));
        Ok(Start::Running(started))
    }

    /// Accepts a question, or finds that it was answered before.
    async fn begin(&self, request: &TurnRequest) -> Result<Begun, BeginTurnError> {
        let _place = self.load.enter().await?;
        // Retrieval and storing run at the same time, because neither needs the other's result.
        let lookup = self.look_up(request);
        let continues = self.continued_answer(request).await?;
        let begun = self.store.begin_turn(self.new_turn(request, continues)).await;
        match begun.map_err(|error| self.clear_local_lease(error))? {
            BeginTurn::Replay(message) => {
                let person = ChatClient::new(&request.principal, request.visitor.as_deref());
                Ok(Begun::Replay(self.replay(message, &person).await?))
            }
            BeginTurn::HandedOver { notice, state, remaining } => {
                let person = ChatClient::new(&request.principal, request.visitor.as_deref());
                Ok(Begun::HandedOver { notice: self.replay(notice, &person).await?, state, remaining })
            }
            BeginTurn::Accepted(accepted) => Ok(Begun::Accepted { accepted, lookup, continues: continues.is_some() }),
        }
    }

    /// A stored answer as it is sent again, with the present state of its approvals.
    #[boxed]
    pub async fn replay(&self, message: Message, person: &ChatClient) -> Result<Replay, StoreError> {
        Replay::of(message, &self.approvals, person).await
    }

    /// Sets the remaining lease to zero when this host itself writes the answer: the host is alive, so the client need
    /// not wait for the lease.
    fn clear_local_lease(&self, error: BeginTurnError) -> BeginTurnError {
        match error {
            BeginTurnError::InFlight { answer: Some(answer), .. } if self.live.writes(answer) => {
                BeginTurnError::InFlight { answer: Some(answer), lease_left: Duration::ZERO }
            }
            error => error,
        }
    }

    /// What a turn of this caller would offer its model now.
    #[boxed]
    pub async fn offered_tools(&self, principal: &Principal) -> Result<OfferedTools, StoreError> {
        let available = self.offers.of(principal.organization).await?;
        let actions = available.for_key(principal.kind).cloned().collect();
        Ok(OfferedTools { tools: tools::specs(&available, principal), actions })
    }

    /// Cancels the answers of this host that a customer asked another host to cancel.
    #[boxed]
    pub async fn cancel_requested(&self) -> Result<(), StoreError> {
        if self.live.count() > 0 {
            self.live.cancel(&self.store.cancel_requests().await?);
        }
        Ok(())
    }

    /// Creates the id of one tool call, as streams, stored rounds and approvals use it.
    fn new_call_id(&self) -> String {
        format!("call_{}", self.random.uuid(self.clock.now()).simple())
    }

    /// Starts to retrieve passages for the question. Dropping the returned value cancels the retrieval.
    fn look_up(&self, request: &TurnRequest) -> Lookup {
        let (retriever, clock, limit) = (Arc::clone(&self.retriever), Arc::clone(&self.clock), self.limits.passages);
        let organization = request.principal.organization;
        let question = request.messages.iter().rfind(|message| message.role == Role::User);
        let question = question.map(|message| message.text.clone()).unwrap_or_default();
        let metrics = self.metrics.clone();
        let mut lookup = Lookup::new();
        lookup.spawn(trace::within(trace::current(), async move {
            let started = clock.now();
            let found = retriever.retrieve(organization, &question, limit).await;
            let took = clock.now().since(started);
            metrics.time(&names::RETRIEVAL_DURATION, [], took);
            (found, run::micros(took))
        }));
        lookup
    }

    /// Finds the answer that the client's verdicts continue, with its conversation. All verdicts must be about one
    /// answer, and that answer must be in the conversation that the request names.
    async fn continued_answer(
        &self,
        request: &TurnRequest,
    ) -> Result<Option<(ConversationId, MessageId)>, BeginTurnError> {
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
            host: self.host,
            organization: request.principal.organization,
            key: request.principal.key,
            key_cap: request.principal.message_cap,
            visitor_cap: request.principal.visitor_message_cap,
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
