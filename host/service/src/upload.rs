//! Uploaded components: inspects them without running them, compiles them, and compiles those again whose host died
//! meanwhile.

use std::{sync::Arc, time::Duration};

use resly_core::{boxed, connector::approval::RequestedGrants, error::StoreError};
use resly_manifest::{Digest, Violation};
use resly_sandbox::{ComponentError, ManifestError};
use resly_store::{CompileJob, LEASE};
use tokio::{task::JoinHandle, time::sleep};

use crate::App;

/// How often a host renews its lease on a version that it compiles.
const RENEW_EVERY: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// What the host reads of a packed file.
#[derive(Debug)]
pub struct InspectedUpload {
    pub asking: RequestedGrants,
    pub component: Digest,
    pub imports: Vec<String>,
}

/// Why a file can't be taken in.
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

/// Reads a packed file without running or compiling it. This takes time in proportion to its size, so call it on a
/// thread that may block.
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

/// Compiles a version on a task of its own, and stores the result.
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
        // The host failed and not the component. The lease ends, and then the version is compiled again.
        Err(error) if error.retryable() => {
            tracing::warn!(%error, connector = version.connector, "an upload could not be compiled now");
            Ok(())
        }
        Err(error) => app.store.settle_connector(version, Some(error.to_string())).await,
    }
}

/// Compiles the versions whose lease has ended.
#[boxed]
pub async fn resume(app: &Arc<App>) -> Result<(), StoreError> {
    for version in app.store.claim_compiling(app.clock.now()).await? {
        tracing::info!(connector = version.connector, version = version.version, "compiling an upload again");
        drop(compile(app, version));
    }
    Ok(())
}
