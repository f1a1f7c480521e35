//! An admin's decision about what an upload asks for.

use resly_core::{
    boxed,
    connector::{approval::Approval, connection::Origin},
    id::{KeyId, OrganizationId},
};
use resly_store::{Decided, Decision, VersionState};

use super::{ConnectorError, FoundConnector, find};
use crate::{App, FieldError};

/// The longest reason, in bytes.
const REASON: usize = 1_000;

/// What a decision is about.
pub struct VersionDecision {
    /// The key that decides. A member of the console has none.
    pub by: Option<KeyId>,
    pub connector: String,
    pub version: String,
    /// The SHA-256 of the file that the admin has seen. When the version has another file now, nothing is decided.
    pub sha256: Option<String>,
    /// Why it is rejected.
    pub reason: Option<String>,
}

/// Approves what an uploaded version asks for, so that it can be installed.
#[boxed]
pub async fn approve(
    app: &App,
    organization: OrganizationId,
    decision: VersionDecision,
) -> Result<FoundConnector, ConnectorError> {
    decide(app, organization, decision, Approval::Approved).await
}

/// Rejects an uploaded version. It can't be installed unless it is approved later.
#[boxed]
pub async fn reject(
    app: &App,
    organization: OrganizationId,
    decision: VersionDecision,
) -> Result<FoundConnector, ConnectorError> {
    decide(app, organization, decision, Approval::Rejected).await
}

async fn decide(
    app: &App,
    organization: OrganizationId,
    decision: VersionDecision,
    approval: Approval,
) -> Result<FoundConnector, ConnectorError> {
    let VersionDecision { by, connector, version, sha256, reason } = decision;
    let versions = app.catalogue.versions(organization, &connector).await?;
    let found = versions.iter().find(|listed| listed.installable.manifest.version == version);
    let found = found.ok_or(ConnectorError::NoVersion)?;
    if found.installable.origin != Origin::Uploaded {
        return Err(ConnectorError::NeedsNoApproval);
    }
    if found.state == VersionState::Refused && approval.allows() {
        return Err(ConnectorError::Refused(found.reason.clone().unwrap_or_default()));
    }
    let component = found.installable.component;
    if sha256.is_some_and(|sha256| !sha256.eq_ignore_ascii_case(&component.to_string())) {
        return Err(ConnectorError::AnotherFile(component));
    }
    if reason.as_ref().is_some_and(|reason| reason.len() > REASON) {
        return Err(ConnectorError::Invalid(vec![FieldError::new("reason", format!("at most {REASON} bytes"))]));
    }
    let decision = Decision {
        organization,
        connector: connector.clone(),
        version: version.clone(),
        component,
        approval,
        reason: reason.filter(|_| !approval.allows()),
        by,
        now: app.clock.now(),
    };
    match app.store.decide_connector(decision).await? {
        Decided::Done => find(app, organization, &connector, Some(&version)).await,
        Decided::Missing => Err(ConnectorError::NoVersion),
        Decided::InUse(connections) => Err(ConnectorError::InUse(connections)),
    }
}
