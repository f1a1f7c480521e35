//! Uploaded connectors: looked at before anything of them runs, compiled in their organization's turn, and taken up again
//! when the host that compiled them died.

use std::{sync::Arc, time::Duration};

use resly_core::{connector::approval::RequestedGrants, error::StoreError};
use resly_manifest::{Digest, Violation};
use resly_sandbox::{ComponentError, ManifestError};
use resly_store::{CompileJob, LEASE};
use tokio::{task::JoinHandle, time::sleep};

use crate::App;

/// How often a host that compiles a version says that it is still at it.
const RENEW_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// What a packed file says of itself.
#[derive(Debug)]
pub struct InspectedUpload {
    pub asking: RequestedGrants,
    pub component: Digest,
    pub imports: Vec<String>,
}

/// A file that no host takes.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl InspectError {
    /// Each mistake at its path.
    pub fn mistakes(&self) -> Vec<Violation> {
        match self {
            Self::Manifest(ManifestError::Violations(mistakes)) => mistakes.clone(),
            other => vec![Violation::new("", other.to_string())],
        }
    }
}

/// Reads a packed file without running or compiling anything of it. Work in proportion to its size, for a blocking thread.
pub fn inspect(wasm: &[u8]) -> Result<InspectedUpload, InspectError> {
    let checked = resly_sandbox::precheck(wasm)?;
    let manifest = resly_sandbox::read_manifest(wasm)?;
    let signer = resly_sandbox::read_signature(wasm)?;
    checked.expect_connector()?;
    Ok(InspectedUpload {
        asking: RequestedGrants { manifest, signer },
        component: Digest::of(wasm),
        imports: checked.imports,
    })
}

/// Compiles a version that was kept as compiling, on a task of its own, and says in the store how that went.
pub fn compile(app: &Arc<App>, version: CompileJob) -> JoinHandle<()> {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        if let Err(error) = run(&app, version).await {
            tracing::error!(%error, "how an upload was compiled could not be stored; it is compiled again later");
        }
    })
}

async fn run(app: &App, version: CompileJob) -> Result<(), StoreError> {
    let preparing = app.sandbox.prepare_for(version.organization, version.component);
    tokio::pin!(preparing);
    let prepared = loop {
        tokio::select! {
            prepared = &mut preparing => break prepared,
            () = sleep(RENEW_EVERY) => app.store.hold_compiling(version.clone(), app.clock.now()).await?,
        }
    };
    match prepared {
        Ok(_) => app.store.settle_connector(version, None).await,
        // The host's own trouble is not the component's: its lease runs out, and it is taken up again.
        Err(error) if error.retryable() => {
            tracing::warn!(%error, connector = version.connector, "an upload could not be compiled now");
            Ok(())
        }
        Err(error) => app.store.settle_connector(version, Some(error.to_string())).await,
    }
}

/// Takes up what no host is compiling any more.
pub async fn resume(app: &Arc<App>) -> Result<(), StoreError> {
    for version in app.store.claim_compiling(app.clock.now()).await? {
        tracing::info!(connector = version.connector, version = version.version, "compiling an upload again");
        drop(compile(app, version));
    }
    Ok(())
}
