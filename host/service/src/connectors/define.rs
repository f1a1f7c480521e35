//! Adds a declarative definition.

use resly_core::{
    boxed,
    connector::{approval::RequestedGrants, connection::Origin},
    id::OrganizationId,
};
use resly_manifest::ParsedManifest;
use resly_store::{NewConnectorVersion, VersionState};

use super::{ConnectorError, FoundConnector, find, keep};
use crate::{App, definition};

/// Adds a definition. It can be installed at once, because the host's own component runs it.
#[boxed]
pub async fn define(
    app: &App,
    organization: OrganizationId,
    reading: ParsedManifest,
) -> Result<FoundConnector, ConnectorError> {
    let manifest = definition::validate(app, organization, reading).await?;
    let (id, version) = (manifest.id.clone(), manifest.version.clone());
    let new = NewConnectorVersion {
        organization,
        asking: RequestedGrants { manifest, signer: None },
        origin: Origin::Declarative,
        component: app.catalogue.runner(),
        wasm: None,
        object: None,
        imports: Vec::new(),
        state: VersionState::Ready,
        now: app.clock.now(),
    };
    keep(app, new).await?;
    find(app, organization, &id, Some(&version)).await
}
