//! [`App`] holds the parts of a running host that use cases work on. `resly_server::compose` builds it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use resly_core::{
    boxed,
    connector::{account::SealedCredentials, call::Connectors, health::Schedule},
    id::{ConnectionId, OrganizationId},
    knowledge::document::Extractor,
    mail::Mailer,
    metrics::Metrics,
    time::{Clock, Random},
    trace::Tracer,
    turn::Turns,
};
use resly_egress::{Egress, OidcClient};
use resly_sandbox::{ComponentError, WasmSandbox};
use resly_search::Library;
use resly_store::Store;
use resly_vault::{VaultError, Wrapping};

use crate::{
    accounts::Accounts,
    billing::SigningSecrets,
    catalogue::ConnectorCatalog,
    cluster::{Cluster, changes::Changes},
    component_store::ComponentStore,
    keyring::Keyring,
    members::Passwords,
    outbound::CredentialSealer,
    places::Places,
    rates::Rates,
    sites::SiteTurns,
    webhooks::WebhookDispatcher,
};

/// The address under which people reach this host is not known yet.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this host isn't listening and has no RESLY_PUBLIC_URL")]
pub struct NoPublicUrl;

/// The parts of a running host, apart from those that only HTTP needs.
pub struct App {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub metrics: Metrics,
    pub tracer: Tracer,
    pub store: Store,
    pub turns: Turns,
    /// The hosts that share the database.
    pub cluster: Cluster,
    /// Whether something changed that the other hosts have to hear of.
    pub changes: Changes,
    pub connectors: Connectors,
    pub catalogue: Arc<ConnectorCatalog>,
    pub components: Arc<ComponentStore>,
    pub library: Library,
    /// Reads documents in the sandbox.
    pub extractor: Arc<dyn Extractor>,
    /// The places of files that this host reads.
    pub file_places: Places,
    /// The places of pages that this host fetches and reads.
    pub page_places: Places,
    /// The places of crawls that this host runs.
    pub crawl_places: Places,
    /// Lets one request at a time go to a site whose pages are read.
    pub sites: SiteTurns,
    pub sandbox: Arc<WasmSandbox>,
    pub sealer: Arc<CredentialSealer>,
    pub accounts: Arc<Accounts>,
    pub egress: Arc<Egress>,
    /// Where SQLite, keys and caches are.
    pub data: PathBuf,
    /// Whether the bundled connectors are being compiled.
    pub preparing: AtomicBool,
    /// Whether the host was told to stop.
    pub stopping: AtomicBool,
    /// The host's public URL: the configured one, else the address on which it listens.
    pub public_url: OnceLock<String>,
    pub wrapping: Wrapping,
    pub keyring: Keyring,
    pub rates: Rates,
    pub passwords: Passwords,
    pub hooks: WebhookDispatcher,
    /// What carries mails. Without it none are stored.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Asks organizations' providers of sign-ins.
    pub oidc: OidcClient,
    /// With what the operator's biller signs. Without it, its events aren't taken.
    pub biller: Option<SigningSecrets>,
    /// When connections are checked; never when `None`.
    pub schedule: Option<Schedule>,
    /// Whether `resly_server::jobs` run by themselves.
    pub jobs: bool,
}

impl App {
    /// Puts what an admin changed in force: on this host at once, on the others as soon as they hear of it.
    #[boxed]
    pub async fn note_change(&self, organization: OrganizationId) {
        self.turns.offers.forget(organization).await;
        self.changes.note();
    }

    /// Seals what an admin sent as a connection's credentials.
    #[boxed]
    pub async fn seal(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        credentials: BTreeMap<String, String>,
    ) -> Result<SealedCredentials, VaultError> {
        self.sealer.seal(organization, connection, credentials).await
    }

    /// The host's public URL, without a slash at its end.
    pub fn public_url(&self) -> Result<&str, NoPublicUrl> {
        self.public_url.get().map(String::as_str).ok_or(NoPublicUrl)
    }

    /// Compiles the bundled connectors, so that the first question doesn't wait for that. Calls `progress` before each
    /// one.
    #[boxed]
    pub async fn prepare_connectors(&self, progress: &(dyn Fn(String) + Sync)) -> Result<(), ComponentError> {
        self.preparing.store(true, Ordering::Relaxed);
        let prepared = self.prepare_each(progress).await;
        self.preparing.store(false, Ordering::Relaxed);
        prepared
    }

    /// Whether the bundled connectors are being compiled.
    pub fn is_preparing(&self) -> bool {
        self.preparing.load(Ordering::Relaxed)
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
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
}
