//! Creates, decides and executes approvals. Each one is decided once and executed at most once.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Approval, ApprovalState, ApprovalStore, ChatClient, Decided, Decision, LIFETIME, Outcome, Verdict, render,
    round::{self, Round},
};
use crate::{
    boxed,
    connector::{
        call::{CallError, CallRequest, Caller, Connectors, PermittedCall},
        fault::{Fault, FaultKind},
    },
    error::StoreError,
    id::{ApprovalId, ConversationId, KeyId, MessageId},
    principal::KeyKind,
    time::{Clock, Random},
    trace,
};

/// The most bytes of an output that are stored with its approval. The caller of `decide` gets the whole output.
const KEPT_BYTES: usize = 64 << 10;

/// A write that a model wants, and that policy lets a person confirm.
pub struct ApprovalRequest {
    pub person: ChatClient,
    pub conversation: ConversationId,
    /// The answer that asks for it.
    pub message: MessageId,
    /// The host's id of the model's tool call.
    pub call: String,
    pub input: Value,
}

/// Creates, decides and executes approvals. It is cheap to clone, because all its parts are shared.
#[derive(Clone)]
pub struct Approvals {
    store: Arc<dyn ApprovalStore>,
    connectors: Connectors,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Approvals {
    pub fn new(
        store: Arc<dyn ApprovalStore>,
        connectors: Connectors,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { store, connectors, clock, random }
    }

    /// Creates an approval without storing it. Fails when the input has too many values to show to a person.
    pub fn draft(&self, wish: ApprovalRequest, admitted: &PermittedCall) -> Result<Approval, Fault> {
        let connection = &admitted.connection;
        let title = render::title(&connection.name, &admitted.action().title, connection.environment);
        let text = render::text(&title, &wish.input)
            .map_err(|error| Fault::new(FaultKind::InvalidInput, error.to_string()))?;
        let now = self.clock.now();
        Ok(Approval {
            id: ApprovalId(self.random.uuid(now)),
            organization: connection.organization,
            conversation: wish.conversation,
            message: wish.message,
            call: wish.call,
            key: wish.person.key,
            visitor: wish.person.visitor,
            connection: connection.id,
            revision: connection.revision,
            authorized_at: admitted.authorized_at(),
            action: admitted.action().id.clone(),
            input: wish.input,
            title,
            text,
            state: ApprovalState::Pending,
            decided_by: None,
            decided_at: None,
            reason: None,
            outcome: None,
            round: Round::default(),
            created_at: now,
            expires_at: now.plus(LIFETIME),
        })
    }

    /// Stores the approvals that an answer asks for. The first one holds the round of calls that asked.
    #[boxed]
    pub async fn keep(&self, mut asked: Vec<Approval>, round: Round) -> Result<Vec<Approval>, StoreError> {
        if let Some(first) = asked.first_mut() {
            first.round = round::bounded(round);
        }
        self.store.create_approvals(asked.clone()).await?;
        Ok(asked)
    }

    /// Finds an approval in its present state. `None` when it doesn't exist or this person may not see it.
    #[boxed]
    pub async fn find(&self, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        let found = self.store.approval(person, id).await?;
        Ok(found.map(|approval| approval.at(self.clock.now())))
    }

    /// Decides an approval and, when it is approved, makes the call. Returns the approval in its new state. One that
    /// was decided before doesn't change.
    ///
    /// It runs on a task of its own, so a client that disconnects can't leave a call whose outcome nobody stores.
    #[boxed]
    pub async fn decide(
        &self,
        person: &ChatClient,
        id: ApprovalId,
        verdict: Verdict,
    ) -> Result<Option<Approval>, StoreError> {
        let (desk, person) = (self.clone(), person.clone());
        let deciding = async move { desk.decide_here(person, id, verdict).await };
        let decided = tokio::spawn(trace::within(trace::current(), deciding)).await;
        decided
            .unwrap_or_else(|error| Err(StoreError::Broken { doing: "decide an approval", detail: error.to_string() }))
    }

    async fn decide_here(
        &self,
        person: ChatClient,
        id: ApprovalId,
        verdict: Verdict,
    ) -> Result<Option<Approval>, StoreError> {
        let now = self.clock.now();
        let (key, kind) = (person.key, person.kind);
        match self.store.decide_approval(Decision { id, person, verdict, now }).await? {
            Decided::Unknown => Ok(None),
            Decided::Before(approval) => Ok(Some(approval)),
            Decided::First(approval) if approval.state == ApprovalState::Approved => {
                Ok(Some(self.execute(key, kind, approval).await))
            }
            Decided::First(approval) => Ok(Some(approval)),
        }
    }

    /// Makes the call of an approval that was just approved, with the stored input that the person saw.
    async fn execute(&self, key: KeyId, kind: KeyKind, mut approval: Approval) -> Approval {
        let request = CallRequest {
            organization: approval.organization,
            connection: approval.connection,
            action: approval.action.clone(),
            input: approval.input.clone(),
            caller: Caller::Confirmed {
                key,
                kind,
                conversation: approval.conversation,
                revision: approval.revision,
                authorized_at: approval.authorized_at,
            },
            visitor: approval.visitor.clone(),
            mapping: None,
        };
        let error = |fault: Fault| Outcome::Error { kind: fault.kind, message: fault.message, remedy: fault.remedy };
        let outcome = match self.connectors.call(request).await.map(|report| report.result) {
            Ok(Ok(output)) => Outcome::Output(output),
            Ok(Err(fault)) => error(fault),
            Err(CallError::NoConnection | CallError::NoAction { .. }) => {
                error(Fault::new(FaultKind::Denied, "the connection or its action isn't there any more"))
            }
            Err(failure) => {
                tracing::error!(%failure, approval = %approval.id, "a confirmed call could not be made");
                error(Fault::new(FaultKind::Internal, "the call could not be made"))
            }
        };
        // If this fails, the approval stays `approved` and isn't executed again.
        if let Err(failure) =
            self.store.settle_approval(approval.organization, approval.id, stored_outcome(&outcome)).await
        {
            tracing::error!(%failure, approval = %approval.id, "what came of a confirmed call could not be stored");
        }
        approval.state = outcome.state();
        approval.outcome = Some(outcome);
        approval
    }
}

impl Outcome {
    /// The state of an approval with this outcome.
    pub fn state(&self) -> ApprovalState {
        match self {
            Self::Output(_) => ApprovalState::Executed,
            Self::Error { .. } => ApprovalState::Failed,
        }
    }
}

/// The outcome to store: a note replaces an output over `KEPT_BYTES`.
fn stored_outcome(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Output(output) => {
            let bytes = output.to_string().len();
            if bytes <= KEPT_BYTES {
                return outcome.clone();
            }
            Outcome::Output(json!({"cut": format!("the output had {bytes} bytes; more than {KEPT_BYTES} aren't kept")}))
        }
        error @ Outcome::Error { .. } => error.clone(),
    }
}
