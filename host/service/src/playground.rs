//! The playground: a member asks as a visitor would, and sees how the answer was made.
//!
//! A question here is a question: it is stored, and counts as one message of the plan. A member has no API key, so it counts
//! under a key id of the console's own, which is the organization's id. The visitor is the member, so nobody else's
//! conversation or account is reached from here.

mod trace;

use std::sync::Arc;

use futures::{StreamExt, stream};
use resly_core::{
    approval::ChatClient,
    boxed,
    conversation::ClientMessage,
    error::StoreError,
    id::{ConversationId, KeyId, OrganizationId},
    knowledge::RetrieveError,
    model::{FinishReason, Role},
    plan::Feature,
    principal::{KeyKind, Principal, Scope},
    turn::{
        Delivery, OfferedTools, Start, TurnRequest,
        live::{AnswerEvents, Timing, TurnEvent, TurnResult},
        replay::Replay,
        store::{BeginTurnError, ConversationRef, Idempotency},
    },
};
use resly_search::Explanation;
use resly_store::{LogQuery, LoggedCall};
use sha2::{Digest, Sha256};

pub use self::trace::{TracedCall, TurnTrace};
use crate::{App, FieldError, cluster::takeover, plans, plans::FeatureError};

/// Bytes of a question and of an instruction.
const LONGEST: usize = 20_000;
/// Calls of connectors that a trace shows.
const CALLS: u32 = 100;

/// A question of a member.
#[derive(Clone, Debug)]
pub struct PlaygroundQuestion {
    /// The visitor that the member is.
    pub visitor: String,
    pub question: String,
    /// What a `system` message would say. Under a publishable key there is none.
    pub instruction: Option<String>,
    /// The kind of key that it is asked as if by: actions of connections may not be offered to a publishable one.
    pub kind: KeyKind,
    /// The member's own conversation that goes on.
    pub conversation: Option<ConversationId>,
    /// A form that is sent twice with this asks once.
    pub form: String,
}

/// Why a question isn't answered.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Plan(#[from] FeatureError),
    #[error(transparent)]
    Begin(#[from] BeginTurnError),
    #[error(transparent)]
    Retrieve(#[from] RetrieveError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A question whose answer is being written, or was written before.
pub struct Asked {
    pub answer: AnswerEvents,
    pub trace: TurnTrace,
    /// Whether the same form was answered before. Then nothing was counted.
    pub replayed: bool,
}

/// How an answer was made.
pub struct PlaygroundReport {
    pub trace: TurnTrace,
    /// What the search finds for the question, and why.
    pub search: Explanation,
    pub tools: OfferedTools,
    /// The calls of connectors as they were logged, in their order.
    pub calls: Vec<LoggedCall>,
}

/// The caller that a member is in the playground.
fn principal(organization: OrganizationId, kind: KeyKind) -> Principal {
    Principal {
        organization,
        key: KeyId(organization.0),
        kind,
        scopes: vec![Scope::Chat],
        origins: Vec::new(),
        message_cap: None,
        visitor_message_cap: None,
    }
}

/// What an answer would be offered to be made with.
#[boxed]
pub async fn offered(app: &App, organization: OrganizationId, kind: KeyKind) -> Result<OfferedTools, StoreError> {
    app.turns.offered_tools(&principal(organization, kind)).await
}

/// Asks a question. The turn runs to its end whether or not anybody reads the events.
#[boxed]
pub async fn ask(app: &App, organization: OrganizationId, asked: PlaygroundQuestion) -> Result<Asked, PlaygroundError> {
    check(&asked)?;
    plans::require(&app.store, organization, Feature::Chat).await?;
    let principal = principal(organization, asked.kind);
    let conversation = match asked.conversation {
        None => ConversationRef::New,
        Some(id) => own_conversation(app, &principal, &asked.visitor, id).await?,
    };
    let fingerprint = Sha256::digest(format!("{}\0{:?}\0{:?}", asked.question, asked.instruction, asked.kind)).into();
    let request = TurnRequest {
        principal,
        conversation,
        visitor: Some(asked.visitor),
        instructions: asked.instruction.into_iter().collect(),
        messages: vec![ClientMessage { id: None, role: Role::User, text: asked.question.clone() }],
        verdicts: Vec::new(),
        idempotency: Some(Idempotency { key: asked.form, fingerprint }),
        delivery: Delivery::Events,
    };
    let started = app.clock.now();
    let (answer, replayed) = match takeover::start(app, request).await? {
        Start::Running(running) => (running.live.answer(), false),
        Start::Replay(replay) => (stored(replay), true),
        Start::HandedOver { notice, .. } => (stored(notice), false),
    };
    let trace = TurnTrace::new(asked.question, answer.conversation, answer.message, started, Arc::clone(&app.clock));
    Ok(Asked { answer, trace, replayed })
}

/// The rest of how an answer was made, once its trace has its end.
#[boxed]
pub async fn report(
    app: &App,
    organization: OrganizationId,
    kind: KeyKind,
    trace: TurnTrace,
) -> Result<PlaygroundReport, PlaygroundError> {
    let search = app.library.explain(organization, &trace.question, app.turns.limits.passages).await?;
    let tools = offered(app, organization, kind).await?;
    let query = LogQuery {
        conversation: Some(trace.conversation),
        from: Some(trace.started_at),
        limit: CALLS,
        ..LogQuery::default()
    };
    let mut calls = app.store.logs(organization, query).await?.calls;
    calls.reverse();
    Ok(PlaygroundReport { trace, search, tools, calls })
}

fn check(asked: &PlaygroundQuestion) -> Result<(), PlaygroundError> {
    let mut mistakes = Vec::new();
    if asked.question.trim().is_empty() || asked.question.len() > LONGEST {
        mistakes.push(FieldError::new("question", format!("1 to {LONGEST} bytes are expected")));
    }
    if let Some(instruction) = &asked.instruction {
        if asked.kind == KeyKind::Publishable {
            let message = "a publishable key can't send an instruction: leave it empty, or ask as a server";
            mistakes.push(FieldError::new("instruction", message));
        } else if instruction.len() > LONGEST {
            mistakes.push(FieldError::new("instruction", format!("at most {LONGEST} bytes are expected")));
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(PlaygroundError::Invalid(mistakes)) }
}

/// A conversation that goes on, when it is one of this member in the playground.
async fn own_conversation(
    app: &App,
    principal: &Principal,
    visitor: &str,
    id: ConversationId,
) -> Result<ConversationRef, PlaygroundError> {
    // A publishable key reaches conversations of its own alone, and a visitor's only with that visitor.
    let own = Principal { kind: KeyKind::Publishable, ..principal.clone() };
    let client = ChatClient::new(&own, Some(visitor));
    match app.turns.store.find_conversation(&client, &id.to_string()).await? {
        Some(found) => Ok(ConversationRef::Id(found)),
        None => Err(BeginTurnError::NoConversation.into()),
    }
}

/// An answer that was given before, as events.
fn stored(replay: Replay) -> AnswerEvents {
    let mut events: Vec<TurnEvent> = replay.events().collect();
    let message = replay.message;
    let (conversation, id) = (message.conversation_id, message.id);
    events.push(TurnEvent::Text(message.content.clone()));
    events.push(TurnEvent::Finished(Arc::new(TurnResult {
        status: message.status,
        text: message.content,
        citations: message.citations,
        finish: message.finish.unwrap_or(FinishReason::Other),
        steps: message.steps,
        usage: message.usage.unwrap_or_default(),
        timing: Timing::default(),
    })));
    AnswerEvents { conversation, message: id, continues: None, events: stream::iter(events).boxed() }
}
