//! What the handlers work on: every part of a running host, put together by [`crate::compose`].

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use resly_core::{
    connector::{call::Connectors, connection::SealedCredentials, health::Schedule},
    id::{ConnectionId, OrganizationId},
    knowledge::library::Library,
    time::{Clock, Random},
    turn::Turns,
};
use resly_egress::Egress;
use resly_sandbox::{ComponentError, WasmSandbox};
use resly_store::Store;
use resly_vault::Wrapping;

use crate::{
    accounts::Accounts,
    body_memory::BodyMemory,
    catalogue::Connectables,
    edge,
    hooks::Hooks,
    http::{
        body::{Admission, Readers},
        console::SignIns,
        problem::Problem,
    },
    keyring::Keyring,
    metrics::{self, Gauge, Metrics},
    origins::Origins,
    outside::Safe,
    rates::Rates,
};

/// A running host.
pub struct App {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub store: Store,
    pub turns: Turns,
    pub connectors: Connectors,
    pub catalogue: Arc<Connectables>,
    pub library: Library,
    pub sandbox: Arc<WasmSandbox>,
    pub safe: Arc<Safe>,
    pub accounts: Arc<Accounts>,
    pub egress: Arc<Egress>,
    /// Where SQLite, keys and caches are.
    pub data: PathBuf,
    /// The bundled connectors are being compiled.
    pub preparing: AtomicBool,
    /// What the world calls this host: as configured, else where it listens.
    pub public_url: OnceLock<String>,
    pub wrapping: Wrapping,
    pub keyring: Keyring,
    pub origins: Origins,
    pub rates: Rates,
    pub sign_ins: SignIns,
    pub metrics: Metrics,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Counts open connections.
    pub admission: Arc<edge::admission::Admission>,
    pub hooks: Hooks,
    pub readers: Arc<Readers>,
    pub body_memory: BodyMemory,
    /// When connections are checked; never when `None`.
    pub schedule: Option<Schedule>,
    /// Whether [`crate::jobs`] run by themselves.
    pub jobs: bool,
}

impl App {
    /// Seals what an admin sent as a connection's credentials.
    pub async fn seal(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        credentials: BTreeMap<String, String>,
    ) -> Result<SealedCredentials, Problem> {
        self.safe.seal(organization, connection, credentials).await.map_err(|error| Problem::internal(&error))
    }

    /// What a request of this organization may take of the host.
    pub fn admission(&self, organization: OrganizationId) -> Admission {
        let share = Arc::new(self.body_memory.share(organization));
        Admission { organization, share, readers: Arc::clone(&self.readers) }
    }

    /// What the world calls this host, without a slash at its end.
    pub fn public_url(&self) -> Result<&str, Problem> {
        let unknown = || Problem::internal(&"this host isn't listening and has no RESLY_PUBLIC_URL");
        self.public_url.get().map(String::as_str).ok_or_else(unknown)
    }

    /// Makes the bundled connectors ready, so that the first question doesn't wait for a compiler. `progress` is told
    /// before each.
    pub async fn prepare_connectors(&self, progress: &(dyn Fn(String) + Sync)) -> Result<(), ComponentError> {
        self.preparing.store(true, Ordering::Relaxed);
        let prepared = self.prepare_each(progress).await;
        self.preparing.store(false, Ordering::Relaxed);
        prepared
    }

    async fn prepare_each(&self, progress: &(dyn Fn(String) + Sync)) -> Result<(), ComponentError> {
        let components = self.catalogue.bundle().components();
        let count = components.len() + 1;
        progress(format!("preparing connector 1 of {count}: mapping (compiled once, then kept)"));
        self.sandbox.prepare_mapper().await?;
        for (at, (name, digest, bytes)) in components.into_iter().enumerate() {
            progress(format!("preparing connector {} of {count}: {name}", at + 2));
            self.sandbox.prepare(digest, &bytes).await?;
        }
        Ok(())
    }

    /// Everything that is counted, in Prometheus' format.
    pub fn metrics_text(&self) -> String {
        let sandbox = self.sandbox.stats();
        let gauge = |name, help, value| Gauge { name, help, value };
        self.metrics.text(&[
            gauge("resly_turns_running", "Answers being written.", self.turns.live.count() as u64),
            gauge("resly_connections_open", "Open connections.", self.admission.open() as u64),
            gauge("resly_connections_beyond", "Connections beyond the limits, so far.", self.admission.refused()),
            gauge("resly_sandbox_running", "Connector instances.", u64::from(sandbox.running)),
            gauge("resly_sandbox_mapping", "Mapper instances.", u64::from(sandbox.mapping)),
            gauge("resly_sandbox_queued", "Calls that wait for an instance.", sandbox.queued as u64),
            gauge("resly_sandbox_compiling", "Components being compiled.", sandbox.compiling as u64),
            gauge("resly_sandbox_code_bytes", "Compiled code in memory.", sandbox.code_bytes),
            gauge("resly_body_bytes", "Memory taken by request bodies.", self.body_memory.taken() as u64),
            gauge("process_resident_memory_bytes", "Resident memory.", metrics::resident_bytes()),
        ])
    }
}
