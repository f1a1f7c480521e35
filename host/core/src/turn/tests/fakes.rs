//! Doubles of every port that a turn uses.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use resly_manifest::{Action, Allowance, Digest, Manifest};
use serde_json::json;
use uuid::Uuid;

use crate::{
    approval::{self, Approval, ApprovalState, ApprovalStore, Approvals, ChatClient, Decided, Decision, Verdict},
    connector::{
        account::AccountKey,
        available::AvailableActions,
        call::{BeginCallError, CallRecord, ConnectionStore, Connectors, FuelGrant, OutboundFactory},
        connection::*,
        fault::*,
        fixture::Fixtures,
        health::{DueCheck, HealthObservation, HealthStore},
        outbound::{DryRunPolicy, Outbound, OutboundFailure, OutboundRequest, StagedRequest},
        sample::{ActionSample, TrialStore},
        sandbox::*,
    },
    conversation::{ClientMessage, Message, MessageStatus},
    error::StoreError,
    id::*,
    knowledge::{Passage, RetrieveError, Retriever},
    meter::Remaining,
    model::{Model, ModelError, ModelEvent, ModelRequest, ModelStream, Role},
    principal::{KeyKind, Principal, Scope},
    testing::{ManualClock, SequenceRandom},
    time::{Clock, Random, Timestamp},
    turn::{Delivery, TurnLimits, TurnRequest, Turns, store::*},
    workflow::{Workflow, WorkflowStore},
};

/// What a scripted model does next.
#[derive(Clone, Debug)]
pub enum ScriptStep {
    Event(ModelEvent),
    Error(ModelError),
    /// Nothing, for ever.
    Wait,
    /// The stream ends without a finish.
    End,
    Panic,
}

pub struct Scripted {
    rounds: Mutex<VecDeque<Vec<ScriptStep>>>,
    asked: Mutex<Vec<ModelRequest>>,
}

impl Scripted {
    pub fn asked(&self) -> Vec<ModelRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        self.asked.lock().unwrap().push(request);
        let script = self.rounds.lock().unwrap().pop_front().expect("the script is over");
        Ok(stream::iter(script)
            .take_while(|say| futures::future::ready(!matches!(say, ScriptStep::End)))
            .then(|say| async {
                match say {
                    ScriptStep::Event(event) => Ok(event),
                    ScriptStep::Error(error) => Err(error),
                    ScriptStep::Wait | ScriptStep::End => futures::future::pending().await,
                    ScriptStep::Panic => panic!("on purpose"),
                }
            })
            .boxed())
    }
}

/// A store that remembers what it was told.
#[derive(Default)]
pub struct Fake {
    connections: Mutex<Vec<Connection>>,
    /// Since when the organization's account is connected.
    pub authorized_at: Mutex<Option<Timestamp>>,
    finished: Mutex<Option<FinishedTurn>>,
    approvals: Mutex<Vec<Approval>>,
    /// What was said before the turn under test.
    pub before: Mutex<Vec<Message>>,
    records: Mutex<Vec<CallRecord>>,
    uncounted: Mutex<Vec<CallRecord>>,
    samples: Mutex<Vec<ActionSample>>,
}

impl Fake {
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
        };
        let id = MessageId(Uuid::from_u128(before.len() as u128 + 100));
        before.push(said(id, Role::User, question));
        before.push(Message { citations, steps, ..said(answer, Role::Assistant, &content) });
    }

    /// An admin changes the connection.
    pub fn change(&self, change: impl FnOnce(&mut Connection)) {
        change(&mut self.connections.lock().unwrap()[0]);
    }

    pub fn records(&self) -> Vec<String> {
        self.records.lock().unwrap().iter().map(|record| record.status.clone()).collect()
    }
}

#[async_trait]
impl TurnStore for Fake {
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
        }));
        let (conversation, answer) = (ConversationId(Uuid::from_u128(5)), turn.answer);
        Ok(BeginTurn::Accepted(AcceptedTurn { conversation, answer, history, remaining: None }))
    }

    async fn finish_turn(&self, turn: FinishedTurn) -> Result<(), StoreError> {
        *self.finished.lock().unwrap() = Some(turn);
        Ok(())
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
    ) -> Result<Option<MessageId>, StoreError> {
        Ok(None)
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
}

#[async_trait]
impl HealthStore for Fake {
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
impl ConnectionStore for Fake {
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
impl ApprovalStore for Fake {
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
impl TrialStore for Fake {
    async fn keep_sample(&self, sample: ActionSample) -> Result<(), StoreError> {
        self.samples.lock().unwrap().push(sample);
        Ok(())
    }

    async fn sample(&self, _: OrganizationId, _: ConnectionId, _: &str) -> Result<Option<ActionSample>, StoreError> {
        Ok(self.samples.lock().unwrap().last().cloned())
    }

    async fn count_trial(&self, _: OrganizationId, _: u64, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl StateStore for Fake {
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
impl WorkflowStore for Fake {
    async fn workflows(&self, _: OrganizationId) -> Result<Vec<Workflow>, StoreError> {
        Ok(vec![])
    }
}

/// A sandbox that answers every call alike.
#[derive(Default)]
pub struct FakeSandbox {
    calls: Mutex<Vec<(String, String)>>,
    failing: Mutex<bool>,
    /// Where reads wait until so many of them are under way.
    meeting: Mutex<Option<Arc<tokio::sync::Barrier>>>,
    under_way: Mutex<(usize, usize)>,
}

impl FakeSandbox {
    pub fn calls(&self) -> Vec<(String, String)> {
        self.calls.lock().unwrap().clone()
    }

    /// From now on a read ends only when this many are under way.
    pub fn reads_meet(&self, many: usize) {
        *self.meeting.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(many)));
    }

    /// The most calls that were under way at once.
    pub fn most_at_once(&self) -> usize {
        self.under_way.lock().unwrap().1
    }

    pub fn fail_next(&self) {
        *self.failing.lock().unwrap() = true;
    }
}

#[async_trait]
impl Sandbox for FakeSandbox {
    async fn invoke(&self, invocation: Invocation) -> Outcome {
        {
            let mut under_way = self.under_way.lock().unwrap();
            under_way.0 += 1;
            under_way.1 = under_way.1.max(under_way.0);
        }
        let reads = invocation.action == "find";
        self.calls.lock().unwrap().push((invocation.action, invocation.input));
        let meeting = self.meeting.lock().unwrap().clone();
        if let Some(meeting) = meeting.filter(|_| reads) {
            meeting.wait().await;
        }
        self.under_way.lock().unwrap().0 -= 1;
        let failing = std::mem::take(&mut *self.failing.lock().unwrap());
        let fault = Fault::new(FaultKind::Upstream, "down").retryable(true);
        let result = if failing { Err(fault) } else { Ok(r#"{"state":"shipped"}"#.to_owned()) };
        Outcome { result, cost: Cost { fuel: 10, ..Cost::default() }, log: vec![] }
    }

    async fn map(&self, _: OrganizationId, _: &str, input: &str, _: Allowance) -> Mapped {
        Mapped { result: Ok(input.to_owned()), cost: Cost::default() }
    }
}

struct FakeCatalogue;

#[async_trait]
impl Catalogue for FakeCatalogue {
    async fn find(&self, _: OrganizationId, _: &str, _: &str) -> Result<Option<Installable>, StoreError> {
        let manifest: Manifest = serde_json::from_value(json!({
            "id": "shop", "name": "Shop", "version": "1.0.0",
            "auth": {"type": "oauth2", "authorize_url": "https://shop.example/a", "token_url": "https://shop.example/t"},
            "actions": [
                {"id": "find", "title": "Find", "description": "Finds an order.", "input": {"type": "object",
                    "properties": {"id": {"type": "string"}}, "required": ["id"]}},
                {"id": "refund", "title": "Refund", "description": "Gives money back.", "side_effect": "write"},
            ],
        }))
        .unwrap();
        let manifest = Arc::new(manifest);
        Ok(Some(Installable { manifest, component: Digest([0; 32]), origin: Origin::Bundled }))
    }
}

/// Where there is nothing: the sandbox answers every call by itself.
struct NoOutside;

impl OutboundFactory for NoOutside {
    fn open(
        &self,
        connection: &Connection,
        installable: &Installable,
        _: &Action,
        _: Option<&str>,
        _: &Allowance,
    ) -> Result<Arc<dyn Outbound>, Fault> {
        assert_eq!(connection.environment, Environment::Production, "the sandbox environment touched the outside");
        Ok(Arc::new(Fixtures::new(Arc::clone(&installable.manifest))))
    }

    fn dry_run(&self, _: &Connection, _: &Installable, _: &Allowance) -> Arc<dyn DryRunPolicy> {
        Arc::new(AllowsAll)
    }
}

struct AllowsAll;

impl DryRunPolicy for AllowsAll {
    fn dry_run(&self, request: &OutboundRequest) -> Result<StagedRequest, OutboundFailure> {
        Ok(StagedRequest {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: Vec::new(),
            body: None,
            to: String::new(),
            credential: None,
        })
    }
}

struct OnePassage;

#[async_trait]
impl Retriever for OnePassage {
    async fn retrieve(&self, _: OrganizationId, _: &str, _: usize) -> Result<Vec<Passage>, RetrieveError> {
        Ok(vec![Passage {
            id: PassageId(Uuid::from_u128(1)),
            source_id: SourceId(Uuid::from_u128(2)),
            title: "Colours".to_owned(),
            section: String::new(),
            url: None,
            text: "The sky is blue.".to_owned(),
            score: 1.0,
        }])
    }
}

/// Everything that one test's turn touches.
pub struct World {
    pub turns: Turns,
    pub model: Arc<Scripted>,
    pub store: Arc<Fake>,
    pub sandbox: Arc<FakeSandbox>,
    pub clock: Arc<ManualClock>,
    pub kind: KeyKind,
}

impl World {
    /// Without connections.
    pub fn new(rounds: Vec<Vec<ScriptStep>>) -> Self {
        let model = Arc::new(Scripted { rounds: Mutex::new(rounds.into()), asked: Mutex::default() });
        let store = Arc::new(Fake::default());
        let sandbox = Arc::new(FakeSandbox::default());
        let still = Arc::<ManualClock>::default();
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) =
            (Arc::clone(&still) as _, Arc::new(SequenceRandom::default()));
        let connectors = Connectors::new(
            Arc::clone(&store) as _,
            Arc::new(FakeCatalogue),
            Arc::clone(&sandbox) as _,
            Arc::clone(&store) as _,
            Arc::new(NoOutside),
            Arc::clone(&clock),
            Arc::clone(&random),
        );
        let turns = Turns {
            store: Arc::clone(&store) as _,
            model: Arc::clone(&model) as _,
            retriever: Arc::new(OnePassage),
            approvals: Approvals::new(
                Arc::clone(&store) as _,
                connectors.clone(),
                Arc::clone(&clock),
                Arc::clone(&random),
            ),
            offers: AvailableActions::new(connectors.clone(), Arc::clone(&store) as _),
            connectors,
            clock,
            random,
            limits: TurnLimits { deadline: Duration::from_secs(30), ..TurnLimits::default() },
            live: Arc::default(),
            counters: Arc::default(),
        };
        Self { turns, model, store, sandbox, clock: still, kind: KeyKind::Secret }
    }

    /// With one connection, to a shop.
    pub fn with_shop(policy: Policy, rounds: Vec<Vec<ScriptStep>>) -> Self {
        let world = Self::new(rounds);
        world.store.connections.lock().unwrap().push(Connection {
            id: ConnectionId(Uuid::from_u128(9)),
            organization: OrganizationId(Uuid::from_u128(1)),
            connector: "shop".to_owned(),
            version: "1.0.0".to_owned(),
            name: "Our shop".to_owned(),
            environment: Environment::Sandbox,
            status: ConnectionStatus::Enabled,
            settings: json!({}),
            auth: None,
            owner: Owner::Organization,
            credentials: None,
            policy,
            mappings: BTreeMap::new(),
            tested_at: None,
            created_at: Timestamp::from_micros(0),
            revision: 1,
        });
        world
    }

    pub fn request(&self, delivery: Delivery) -> TurnRequest {
        TurnRequest {
            principal: Principal {
                organization: OrganizationId(Uuid::from_u128(1)),
                key: KeyId(Uuid::from_u128(3)),
                kind: self.kind,
                scopes: vec![Scope::Chat],
                origins: vec![],
                message_cap: None,
            },
            conversation: ConversationRef::New,
            visitor: None,
            instructions: vec![],
            messages: vec![ClientMessage { id: None, role: Role::User, text: "Why?".to_owned() }],
            verdicts: vec![],
            idempotency: None,
            delivery,
        }
    }
}
