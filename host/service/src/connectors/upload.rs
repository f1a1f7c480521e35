//! Adds a packed component: keeps it, and has it compiled. Nothing of it runs before an admin has approved it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use resly_core::{connector::connection::Origin, id::OrganizationId};
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

/// What can be compiled within this time is answered when it is done.
const QUICK: Duration = Duration::from_secs(3);

/// What became of an upload: the version is ready, or still being compiled.
pub struct Uploaded {
    pub connector: FoundConnector,
    /// False when the same component was ready already.
    pub is_new: bool,
}

/// Takes in a packed component that was looked at.
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
        imports,
        state: VersionState::Compiling,
        now: app.clock.now(),
    };
    let is_new = keep(app, new).await? == VersionState::Compiling;
    if is_new {
        let compiling = CompileJob { organization, connector: id.clone(), version: version.clone(), component };
        // Whether it is done by then or not, the store says how far it is.
        let _ = timeout(QUICK, upload::compile(app, compiling)).await;
    }
    let connector = find(app, organization, &id, Some(&version)).await?;
    if connector.chosen.state == VersionState::Refused {
        let reason = connector.chosen.reason.unwrap_or_default();
        return Err(ConnectorError::Component(vec![Violation::new("", reason)]));
    }
    Ok(Uploaded { connector, is_new })
}
