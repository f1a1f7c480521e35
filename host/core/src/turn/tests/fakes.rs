//! Doubles of every port that a turn uses.

mod store;

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

pub use self::store::FakeStore;
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
        last_output::{LastOutput, TrialStore},
        outbound::{DryRunPolicy, Outbound, OutboundFailure, OutboundRequest, StagedRequest},
        sandbox::*,
    },
    conversation::handover::{ConversationState, HandOver},
    conversation::{ClientMessage, Message, MessageStatus},
    error::StoreError,
    id::*,
    knowledge::{Passage, RetrieveError, Retriever},
    load::LoadShedder,
    meter::Remaining,
    metrics::Metrics,
    model::{Model, ModelError, ModelEvent, ModelRequest, ModelStream, Role},
    principal::{KeyKind, Principal, Scope},
    testing::{ManualClock, SequenceRandom},
    time::{Clock, Random, Timestamp},
    trace::Tracer,
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

    async fn stream(&self, request: Arc<ModelRequest>) -> Result<ModelStream, ModelError> {
        self.asked.lock().unwrap().push(ModelRequest::clone(&request));
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
pub struct Harness {
    pub turns: Turns,
    pub model: Arc<Scripted>,
    pub store: Arc<FakeStore>,
    pub sandbox: Arc<FakeSandbox>,
    pub clock: Arc<ManualClock>,
    pub kind: KeyKind,
}

impl Harness {
    /// Without connections.
    pub fn new(rounds: Vec<Vec<ScriptStep>>) -> Self {
        let model = Arc::new(Scripted { rounds: Mutex::new(rounds.into()), asked: Mutex::default() });
        let store = Arc::new(FakeStore::default());
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
            host: HostId(Uuid::from_u128(4)),
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
            load: Arc::new(LoadShedder::new(Metrics::default())),
            live: Arc::default(),
            metrics: Metrics::default(),
            tracer: Tracer::default(),
        };
        Self { turns, model, store, sandbox, clock: still, kind: KeyKind::Secret }
    }

    /// With one connection, to a shop.
    pub fn with_shop(policy: Policy, rounds: Vec<Vec<ScriptStep>>) -> Self {
        let harness = Self::new(rounds);
        harness.store.connections.lock().unwrap().push(Connection {
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
        harness
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
                visitor_message_cap: None,
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
