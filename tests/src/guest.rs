//! Calls the bundled components in the real sandbox, without a server. For suites and benchmarks.

use std::{borrow::Cow, collections::HashMap, env, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{
        outbound::{Outbound, OutboundFailure, OutboundRequest, OutboundResponse},
        sandbox::{CallState, ComponentSource, ComponentStoreError, Invocation, Outcome, Sandbox, SetStateError},
    },
    error::StoreError,
    id::OrganizationId,
    time::SystemClock,
};
use resly_manifest::{Allowance, Digest};
use resly_sandbox::{Compiler, ExtractBounds, SandboxConfig, WasmExtractor, WasmSandbox};
use resly_service::random::OsRandom;
use serde_json::{Value, json};
use uuid::Uuid;

/// Who calls.
pub const ORGANIZATION: OrganizationId = OrganizationId(Uuid::nil());

/// A sandbox with the bundled components.
pub struct Guests {
    pub sandbox: Arc<WasmSandbox>,
    digests: HashMap<String, Digest>,
    _cache: tempfile::TempDir,
}

struct Components(HashMap<Digest, Bytes>);

#[async_trait]
impl ComponentSource for Components {
    async fn component(&self, digest: Digest) -> core::result::Result<Option<Bytes>, ComponentStoreError> {
        Ok(self.0.get(&digest).cloned())
    }
}

/// A state store that stores nothing.
pub struct NoState;

#[async_trait]
impl CallState for NoState {
    async fn get(&self, _: &str) -> core::result::Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn set(&self, _: &str, _: Vec<u8>, _: Duration) -> core::result::Result<(), SetStateError> {
        Ok(())
    }
}

/// A service that answers every request with one JSON text.
pub struct Says(pub String);

#[async_trait]
impl Outbound for Says {
    async fn send(&self, _: OutboundRequest) -> core::result::Result<OutboundResponse, OutboundFailure> {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(OutboundResponse { status: 200, headers, body: self.0.clone().into(), truncated: false })
    }

    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}

/// The bytes of a bundled component, from `RESLY_GUESTS` or from where `make guests` puts them.
pub fn component(name: &str) -> Result<Bytes> {
    let folder = env::var_os("RESLY_GUESTS").map_or_else(
        || {
            let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
            root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("wasm32-wasip2/guest")
        },
        PathBuf::from,
    );
    let file = folder.join(format!("resly_plugin_{name}.wasm"));
    let bytes = fs::read(&file).with_context(|| format!("{}: run `make guests`", file.display()))?;
    Ok(bytes.into())
}

/// The folders of `plugins` that are crates.
fn names() -> Result<Vec<String>> {
    let plugins = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let entries = fs::read_dir(plugins)?.collect::<std::io::Result<Vec<_>>>()?;
    let crates = entries.iter().filter(|entry| entry.path().join("Cargo.toml").exists());
    Ok(crates.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

impl Guests {
    pub fn load() -> Result<Self> {
        let mut components = HashMap::new();
        let mut digests = HashMap::new();
        for name in names()? {
            let bytes = component(&name)?;
            let digest = Digest::of(&bytes);
            digests.insert(name, digest);
            components.insert(digest, bytes);
        }
        let cache = tempfile::tempdir()?;
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        let config = SandboxConfig::new(cache.path().to_owned(), Compiler::InProcess, [0; 32], clock, random);
        let sandbox = WasmSandbox::new(config, digests["mapping"], Arc::new(Components(components)))?;
        Ok(Self { sandbox, digests, _cache: cache })
    }

    /// The reader of foreign documents, within these bounds.
    pub fn extractor(&self, bounds: ExtractBounds) -> Arc<WasmExtractor> {
        self.sandbox.extractor(self.digest("extract"), bounds)
    }

    pub fn digest(&self, name: &str) -> Digest {
        self.digests[name]
    }

    /// A call of a bundled component. `definition` is for `http`.
    pub fn invocation(&self, name: &str, call: GuestCall<'_>) -> Invocation {
        let GuestCall { action, input, settings, definition, outbound } = call;
        let connection = json!({"id": "c", "name": "Connection", "environment": "sandbox"});
        let context = json!({"connection": connection, "call": {"id": Uuid::nil()},
            "now": "2026-01-01T00:00:00Z", "definition": definition});
        Invocation {
            organization: ORGANIZATION,
            component: self.digest(name),
            action: action.to_owned(),
            input: input.to_string(),
            settings: settings.to_string(),
            context: context.to_string(),
            allowance: Allowance::default(),
            reserve: None,
            outbound,
            state: Arc::new(NoState),
        }
    }

    pub async fn call(&self, name: &str, call: GuestCall<'_>) -> Outcome {
        self.sandbox.invoke(self.invocation(name, call)).await
    }

    pub async fn map(&self, filter: &str, input: &str) -> Outcome {
        self.sandbox.map(ORGANIZATION, filter, input, Allowance::default()).await.into()
    }
}

/// The parts of a call.
#[derive(Clone)]
pub struct GuestCall<'a> {
    pub action: &'a str,
    pub input: Value,
    pub settings: Value,
    pub definition: Value,
    pub outbound: Arc<dyn Outbound>,
}
