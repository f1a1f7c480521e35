//! Adds a packed component: stores it and compiles it. It doesn't run before an admin has approved it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use resly_core::{boxed, connector::connection::Origin, id::OrganizationId};
use resly_manifest::{Manifest, Violation};
use resly_store::{CompileJob, NewConnectorVersion, VersionState};
use tokio::time::timeout;

use super::{ConnectorError, FoundConnector, find, keep};
use crate::{
    App,
    catalogue::NotInstallable,
    definition::plain_http,
    upload::{self, InspectedUpload},
};

/// How long an upload waits for its compilation before it is answered.
const QUICK: Duration = Duration::from_secs(3);

/// The result of an upload: a version that is ready, or still being compiled.
pub struct Uploaded {
    pub connector: FoundConnector,
    /// False when the same component was ready already.
    pub is_new: bool,
}

/// Adds a packed component that was inspected.
#[boxed]
pub async fn upload(
    app: &Arc<App>,
    organization: OrganizationId,
    wasm: Bytes,
    inspected: InspectedUpload,
) -> Result<Uploaded, ConnectorError> {
    let InspectedUpload { asking, component, imports } = inspected;
    let mistakes = plain_http(app, &asking.manifest);
    if !mistakes.is_empty() {
        return Err(ConnectorError::Component(mistakes));
    }
    let Manifest { id, version, .. } = &asking.manifest;
    let (id, version) = (id.clone(), version.clone());
    let trust = app.store.trust(organization).await?;
    if trust.required && asking.signer.is_none_or(|signer| trust.publisher(&signer).is_none()) {
        return Err(NotInstallable::Untrusted(version).into());
    }
    let new = NewConnectorVersion {
        organization,
        asking,
        origin: Origin::Uploaded,
        component,
        wasm: Some(wasm),
        object: None,
        imports,
        state: VersionState::Compiling,
        now: app.clock.now(),
    };
    let is_new = keep(app, new).await? == VersionState::Compiling;
    if is_new {
        let compiling = CompileJob { organization, connector: id.clone(), version: version.clone(), component };
        // The store knows the version's state, whether the compilation has ended or not.
        let _ = timeout(QUICK, upload::compile(app, compiling)).await;
    }
    let connector = find(app, organization, &id, Some(&version)).await?;
    if connector.chosen.state == VersionState::Refused {
        let reason = connector.chosen.reason.unwrap_or_default();
        return Err(ConnectorError::Component(vec![Violation::new("", reason)]));
    }
    Ok(Uploaded { connector, is_new })
}
