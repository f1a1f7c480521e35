//! RequestedGrants, deciding and executing: once for each approval, whoever decides it and however often.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Approval, ApprovalState, ApprovalStore, ChatClient, Decided, Decision, LIFETIME, Outcome, Verdict, render,
    round::{self, Round},
};
use crate::{
    connector::{
        call::{Admitted, CallError, CallRequest, Caller, Connectors},
        fault::{Fault, FaultKind},
    },
    error::StoreError,
    id::{ApprovalId, ConversationId, KeyId, MessageId},
    principal::KeyKind,
    time::{Clock, Random},
};

/// The most bytes of an output that are kept with its approval; who executes it gets all of it.
const KEPT_BYTES: usize = 64 << 10;

/// A write that a model asked for, and policy wants confirmed.
pub struct ApprovalRequest {
    pub person: ChatClient,
    pub conversation: ConversationId,
    /// The answer that asks.
    pub message: MessageId,
    /// What the model calls its call.
    pub call: String,
    pub input: Value,
}

/// Cheap to clone: everything is shared.
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

    /// A wish as it can be put to a person; nothing is kept yet. A fault when nobody could see what they confirm.
    pub fn draft(&self, wish: ApprovalRequest, admitted: &Admitted) -> Result<Approval, Fault> {
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

    /// Keeps what an answer asks until a person has decided, with the round of calls that asked.
    pub async fn keep(&self, mut asked: Vec<Approval>, round: Round) -> Result<Vec<Approval>, StoreError> {
        if let Some(first) = asked.first_mut() {
            first.round = round::bounded(round);
        }
        self.store.create_approvals(asked.clone()).await?;
        Ok(asked)
    }

    /// An approval as it is now; `None` for what this person may not know of, as for what never was.
    pub async fn find(&self, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        let found = self.store.approval(person, id).await?;
        Ok(found.map(|approval| approval.at(self.clock.now())))
    }

    /// Decides, and makes the call when that approves it. The approval as it then is; one that was decided before stays
    /// as it was.
    ///
    /// It runs on a task of its own: a person who leaves doesn't leave a call that nobody knows the outcome of.
    pub async fn decide(
        &self,
        person: &ChatClient,
        id: ApprovalId,
        verdict: Verdict,
    ) -> Result<Option<Approval>, StoreError> {
        let (desk, person) = (self.clone(), person.clone());
        let decided = tokio::spawn(async move { desk.decide_here(person, id, verdict).await }).await;
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

    /// Makes the call of an approval that was just approved, with the input that the person saw.
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
        // Should this fail, the approval stays `approved`, and is not executed again.
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
    /// The state of an approval that came to this.
    pub fn state(&self) -> ApprovalState {
        match self {
            Self::Output(_) => ApprovalState::Executed,
            Self::Error { .. } => ApprovalState::Failed,
        }
    }
}

/// The outcome as it is stored.
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
