//! A sandbox with doubles of everything around it.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{
        fault::{Fault, FaultKind},
        outbound::{Outbound, OutboundFailure, OutboundRequest, OutboundResponse},
        sandbox::{CallState, ComponentSource, ComponentStoreError, Invocation, Outcome, Sandbox, SetStateError},
    },
    error::StoreError,
    id::OrganizationId,
    testing::{ManualClock, SequenceRandom},
};
use resly_manifest::{Allowance, Digest};
use resly_sandbox::{Compiler, SandboxConfig, WasmSandbox};
use tempfile::TempDir;
use tokio::sync::{Notify, RwLock};
use uuid::Uuid;

use crate::guest::{Guest, MAPPER, parse};

pub const SECRET: &str = "hunter2-hunter2";
/// A secret that may stand in JSON as a number.
pub const SECRET_NUMBER: &str = "4815162342";

pub struct Harness {
    pub sandbox: Arc<WasmSandbox>,
    pub components: Arc<Components>,
    pub outside: Arc<FakeOutbound>,
    pub state: Arc<State>,
    pub folder: Arc<TempDir>,
}

impl Harness {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut SandboxConfig)) -> Self {
        Self::within(Arc::new(tempfile::tempdir().unwrap()), change)
    }

    /// A sandbox with this folder as its cache.
    pub fn within(folder: Arc<TempDir>, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let components = Arc::new(Components::default());
        let mapper = components.add(parse(MAPPER));
        let mut config = SandboxConfig::new(
            folder.path().join("code"),
            Compiler::InProcess,
            [7; 32],
            Arc::<ManualClock>::default(),
            Arc::new(SequenceRandom::default()),
        );
        config.guest_threads = 2;
        change(&mut config);
        let source = Arc::clone(&components) as Arc<dyn ComponentSource>;
        let sandbox = WasmSandbox::new(config, mapper, source).unwrap();
        Self { sandbox, components, outside: Arc::default(), state: Arc::default(), folder }
    }

    pub fn add(&self, guest: &Guest) -> Digest {
        self.components.add(guest.bytes())
    }

    pub fn invocation(&self, component: Digest, allowance: Allowance) -> Invocation {
        Invocation {
            organization: organization(1),
            component,
            action: "act".to_owned(),
            input: "{}".to_owned(),
            settings: "{}".to_owned(),
            context: "{}".to_owned(),
            allowance,
            reserve: None,
            outbound: Arc::clone(&self.outside) as Arc<dyn Outbound>,
            state: Arc::clone(&self.state) as Arc<dyn CallState>,
        }
    }

    pub async fn call(&self, guest: &Guest) -> Outcome {
        self.call_with(guest, Allowance::default()).await
    }

    pub async fn call_with(&self, guest: &Guest, allowance: Allowance) -> Outcome {
        self.sandbox.invoke(self.invocation(self.add(guest), allowance)).await
    }

    pub async fn call_as(&self, n: u128, component: Digest, allowance: Allowance) -> Outcome {
        let invocation = self.invocation(component, allowance);
        self.sandbox.invoke(Invocation { organization: organization(n), ..invocation }).await
    }

    /// The compiled components in the cache.
    pub fn cached(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.folder.path().join("code")).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }
}

/// A call of a test's guest has to end with a fault of this kind, which says something.
#[track_caller]
pub fn fault(outcome: &Outcome, kind: FaultKind) -> &Fault {
    let fault = outcome.result.as_ref().expect_err("the guest ended well");
    assert_eq!(fault.kind, kind, "{fault:?}");
    assert!(fault.message.len() > 20, "{fault:?}");
    fault
}

pub fn organization(n: u128) -> OrganizationId {
    OrganizationId(Uuid::from_u128(n))
}

pub fn short(deadline_ms: u64) -> Allowance {
    Allowance { deadline: Duration::from_millis(deadline_ms), fuel: u64::MAX >> 1, ..Allowance::default() }
}

#[derive(Default)]
pub struct Components {
    all: Mutex<HashMap<Digest, Bytes>>,
    pub asked: AtomicU64,
    /// Nothing is given out while somebody writes.
    pub gate: RwLock<()>,
}

impl Components {
    pub fn add(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.all.lock().unwrap().insert(digest, bytes.into());
        digest
    }
}

#[async_trait]
impl ComponentSource for Components {
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, ComponentStoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let _open = self.gate.read().await;
        Ok(self.all.lock().unwrap().get(&digest).cloned())
    }
}

/// Answers every request with a body of `body` bytes, or never.
#[derive(Default)]
pub struct FakeOutbound {
    pub body: AtomicU64,
    pub silent: std::sync::atomic::AtomicBool,
    /// What `retry-after` says, in seconds; absent when 0.
    pub retry_after: AtomicU64,
    pub asked: Notify,
    pub dropped: Arc<Notify>,
}

#[async_trait]
impl Outbound for FakeOutbound {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "https://example.com/"));
        self.asked.notify_one();
        if self.silent.load(Ordering::Relaxed) {
            let _dropped = OnDrop(Arc::clone(&self.dropped));
            return std::future::pending().await;
        }
        let body = vec![b'x'; usize::try_from(self.body.load(Ordering::Relaxed)).unwrap()];
        let wait = Some(self.retry_after.load(Ordering::Relaxed)).filter(|wait| *wait > 0);
        let headers = wait.map(|wait| ("retry-after".to_owned(), wait.to_string())).into_iter().collect();
        Ok(OutboundResponse { status: 200, headers, body: body.into(), truncated: false })
    }

    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        text.replace(SECRET, "[redacted]").replace(SECRET_NUMBER, "[redacted]").into()
    }
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[derive(Default)]
pub struct State(pub Mutex<HashMap<String, Vec<u8>>>);

#[async_trait]
impl CallState for State {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, _: Duration) -> Result<(), SetStateError> {
        self.0.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }
}
