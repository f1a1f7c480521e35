//! A store in memory, for all ports that the store implements.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::conversation::handover::HandedOver;

/// A store in memory.
#[derive(Default)]
pub struct FakeStore {
    pub connections: Mutex<Vec<Connection>>,
    /// Since when the organization's account is connected.
    pub authorized_at: Mutex<Option<Timestamp>>,
    finished: Mutex<Option<FinishedTurn>>,
    /// Whether another answer has taken the turn's place.
    pub superseded: AtomicBool,
    /// Why the next attempts to store an end fail, in this order.
    pub finish_errors: Mutex<VecDeque<StoreError>>,
    approvals: Mutex<Vec<Approval>>,
    /// What was said before the turn under test.
    pub before: Mutex<Vec<Message>>,
    records: Mutex<Vec<CallRecord>>,
    uncounted: Mutex<Vec<CallRecord>>,
    samples: Mutex<Vec<LastOutput>>,
    pub handed_over: Mutex<Vec<HandOver>>,
    pub workflows: Mutex<Vec<Workflow>>,
    /// Whether a person has taken the conversation over.
    pub taken_over: AtomicBool,
}

impl FakeStore {
    pub fn finished(&self) -> FinishedTurn {
        self.finished.lock().unwrap().clone().expect("the turn was not finished")
    }

    pub fn approvals(&self) -> Vec<Approval> {
        self.approvals.lock().unwrap().clone()
    }

    /// The last turn becomes what was said before the next one.
    pub fn remember(&self, question: &str) {
        let FinishedTurn { answer, content, status, citations, steps, now, .. } = self.finished();
        let mut before = self.before.lock().unwrap();
        let conversation_id = ConversationId(Uuid::from_u128(5));
        let said = |id, role, content: &str| Message {
            id,
            conversation_id,
            client_id: None,
            role,
            content: content.to_owned(),
            status,
            finish: None,
            citations: vec![],
            steps: vec![],
            usage: None,
            created_at: now,
            superseded_at: None,
            author: None,
        };
        let id = MessageId(Uuid::from_u128(before.len() as u128 + 100));
        before.push(said(id, Role::User, question));
        before.push(Message { citations, steps, ..said(answer, Role::Assistant, &content) });
    }

    /// An admin changes the connection.
    pub fn change(&self, change: impl FnOnce(&mut Connection)) {
        change(&mut self.connections.lock().unwrap()[0]);
    }

    pub fn records(&self) -> Vec<&'static str> {
        self.records.lock().unwrap().iter().map(|record| record.status.name()).collect()
    }
}

#[async_trait]
impl TurnStore for FakeStore {
    async fn begin_turn(&self, turn: NewTurn) -> Result<BeginTurn, BeginTurnError> {
        let mut history = self.before.lock().unwrap().clone();
        history.extend(turn.messages.iter().zip(&turn.message_ids).map(|(message, id)| Message {
            id: *id,
            conversation_id: turn.new_conversation,
            client_id: None,
            role: message.role,
            content: message.text.clone(),
            status: MessageStatus::Complete,
            finish: None,
            citations: vec![],
            steps: vec![],
            usage: None,
            created_at: turn.now,
            superseded_at: None,
            author: None,
        }));
        let (conversation, answer) = (ConversationId(Uuid::from_u128(5)), turn.answer);
        Ok(BeginTurn::Accepted(AcceptedTurn { conversation, answer, history, remaining: None }))
    }

    async fn finish_turn(&self, turn: FinishedTurn) -> Result<FinishOutcome, StoreError> {
        if let Some(error) = self.finish_errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        if self.taken_over.load(Ordering::Relaxed) {
            *self.finished.lock().unwrap() = Some(turn);
            return Ok(FinishOutcome::HandedOver);
        }
        if self.superseded.load(Ordering::Relaxed) {
            return Ok(FinishOutcome::Superseded);
        }
        *self.finished.lock().unwrap() = Some(turn);
        Ok(FinishOutcome::Stored)
    }

    async fn renew_turn(&self, _: OrganizationId, _: MessageId, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn count_search(
        &self,
        _: OrganizationId,
        _: KeyId,
        _: Option<u64>,
        _: Timestamp,
    ) -> Result<Option<Remaining>, BeginTurnError> {
        Ok(None)
    }

    async fn message(&self, _: OrganizationId, _: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(None)
    }

    async fn find_conversation(&self, _: &ChatClient, _: &str) -> Result<Option<ConversationId>, StoreError> {
        Ok(None)
    }

    async fn answer_in_progress(
        &self,
        _: OrganizationId,
        _: ConversationId,
        _: Timestamp,
    ) -> Result<Option<AnswerInProgress>, StoreError> {
        Ok(None)
    }

    async fn answer_writer(
        &self,
        _: OrganizationId,
        _: MessageId,
        _: Timestamp,
    ) -> Result<Option<AnswerWriter>, StoreError> {
        Ok(None)
    }

    async fn end_for_gone_host(
        &self,
        _: OrganizationId,
        _: MessageId,
        _: HostId,
        _: HostId,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn request_cancel(&self, _: OrganizationId, _: MessageId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn cancel_requests(&self) -> Result<Vec<MessageId>, StoreError> {
        Ok(vec![])
    }

    async fn create_ticket(&self, _: NewTicket) -> Result<(), StoreError> {
        Ok(())
    }

    async fn hand_over(&self, request: HandOver) -> Result<Option<HandedOver>, StoreError> {
        self.handed_over.lock().unwrap().push(request);
        let state = ConversationState::Waiting;
        Ok(Some(HandedOver { state, notice: state.notice() }))
    }
}

#[async_trait]
impl HealthStore for FakeStore {
    async fn observe(&self, _: HealthObservation) -> Result<(), StoreError> {
        Ok(())
    }

    async fn take_due_checks(&self, _: Timestamp, _: Timestamp, _: u32) -> Result<Vec<DueCheck>, StoreError> {
        Ok(vec![])
    }

    async fn postpone_check(&self, _: DueCheck, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl ConnectionStore for FakeStore {
    async fn authorized_at(&self, _: &AccountKey) -> Result<Option<Timestamp>, StoreError> {
        Ok(*self.authorized_at.lock().unwrap())
    }

    async fn enabled_connections(&self, _: OrganizationId) -> Result<Vec<Connection>, StoreError> {
        Ok(self.connections.lock().unwrap().clone())
    }

    async fn connection(&self, _: OrganizationId, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
        Ok(self.connections.lock().unwrap().iter().find(|connection| connection.id == id).cloned())
    }

    async fn set_connection_status(
        &self,
        _: OrganizationId,
        _: ConnectionId,
        _: ConnectionStatus,
    ) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn refuse_connection(&self, _: &Connection) -> Result<(), StoreError> {
        Ok(())
    }

    async fn begin_call(
        &self,
        _: CallId,
        _: OrganizationId,
        _: Environment,
        fuel: u64,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<FuelGrant, BeginCallError> {
        Ok(FuelGrant { fuel, limited: false })
    }

    async fn extend_call(&self, _: CallId, _: OrganizationId, more: u64, _: Timestamp) -> Result<u64, BeginCallError> {
        Ok(more)
    }

    async fn finish_call(&self, record: CallRecord) -> Result<(), StoreError> {
        self.records.lock().unwrap().push(record);
        Ok(())
    }

    async fn give_back_call(&self, record: CallRecord) -> Result<(), StoreError> {
        self.log_call(record).await
    }

    async fn log_call(&self, record: CallRecord) -> Result<(), StoreError> {
        self.uncounted.lock().unwrap().push(record);
        Ok(())
    }
}

#[async_trait]
impl ApprovalStore for FakeStore {
    async fn create_approvals(&self, approvals: Vec<Approval>) -> Result<(), StoreError> {
        self.approvals.lock().unwrap().extend(approvals);
        Ok(())
    }

    async fn approval(&self, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        let theirs = |approval: &Approval| approval.visitor.is_none() || approval.visitor == person.visitor;
        Ok(self.approvals().into_iter().find(|approval| approval.id == id && theirs(approval)))
    }

    async fn decide_approval(&self, decision: Decision) -> Result<Decided, StoreError> {
        let mut approvals = self.approvals.lock().unwrap();
        let Some(found) = approvals.iter_mut().find(|approval| approval.id == decision.id) else {
            return Ok(Decided::Unknown);
        };
        if found.state != ApprovalState::Pending {
            return Ok(Decided::Before(found.clone()));
        }
        (found.state, found.reason) = match decision.verdict {
            _ if found.expires_at <= decision.now => (ApprovalState::Expired, None),
            Verdict::Approve => (ApprovalState::Approved, None),
            Verdict::Decline { reason } => (ApprovalState::Declined, reason),
        };
        Ok(Decided::First(found.clone()))
    }

    async fn settle_approval(
        &self,
        _: OrganizationId,
        id: ApprovalId,
        outcome: approval::Outcome,
    ) -> Result<(), StoreError> {
        let mut approvals = self.approvals.lock().unwrap();
        let found = approvals.iter_mut().find(|approval| approval.id == id).unwrap();
        (found.state, found.outcome) = (outcome.state(), Some(outcome));
        Ok(())
    }
}

#[async_trait]
impl TrialStore for FakeStore {
    async fn keep_sample(&self, sample: LastOutput) -> Result<(), StoreError> {
        self.samples.lock().unwrap().push(sample);
        Ok(())
    }

    async fn sample(&self, _: OrganizationId, _: ConnectionId, _: &str) -> Result<Option<LastOutput>, StoreError> {
        Ok(self.samples.lock().unwrap().last().cloned())
    }

    async fn count_trial(&self, _: OrganizationId, _: u64, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl StateStore for FakeStore {
    async fn get_state(
        &self,
        _: OrganizationId,
        _: ConnectionId,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn set_state(
        &self,
        _: OrganizationId,
        _: ConnectionId,
        _: &str,
        _: &str,
        _: &[u8],
        _: Timestamp,
        _: Timestamp,
    ) -> Result<(), SetStateError> {
        Ok(())
    }
}

#[async_trait]
impl WorkflowStore for FakeStore {
    async fn workflows(&self, _: OrganizationId) -> Result<Vec<Workflow>, StoreError> {
        Ok(self.workflows.lock().unwrap().clone())
    }
}
