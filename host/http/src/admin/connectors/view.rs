//! The JSON of a connector. Admins read it before the connector runs.

use resly_core::{
    connector::{
        approval::{Approval, GrantChanges, import_warnings},
        connection::Origin,
    },
    id::KeyId,
    time::Timestamp,
};
use resly_manifest::{Action, Auth, RequestedLimits, SideEffect, signature::PublicKey};
use resly_service::{catalogue::CatalogEntry, connectors::FoundConnector};
use resly_store::{Trust, VersionState};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi_enums;

#[derive(Serialize, ToSchema)]
pub struct Connectors {
    connectors: Vec<ListedConnector>,
}

impl Connectors {
    pub fn new(all: &[CatalogEntry], trust: &Trust) -> Self {
        Self { connectors: all.iter().map(|listed| ListedConnector::new(listed, trust)).collect() }
    }
}

/// A version of a connector, with all versions that there are.
#[derive(Serialize, ToSchema)]
pub struct Connector {
    #[serde(flatten)]
    listed: ListedConnector,
    /// Against an approved version; `null` when none is approved.
    #[schema(required)]
    changes: Option<ConnectorChanges>,
    versions: Vec<ConnectorVersion>,
}

impl From<&FoundConnector> for Connector {
    fn from(FoundConnector { chosen, versions, trust }: &FoundConnector) -> Self {
        Self {
            listed: ListedConnector::new(chosen, trust),
            changes: chosen.changes(versions).map(ConnectorChanges::from),
            versions: versions.iter().map(ConnectorVersion::from).collect(),
        }
    }
}

/// A version of a connector.
#[derive(Serialize, ToSchema)]
pub struct ListedConnector {
    id: String,
    name: String,
    version: String,
    #[schema(required)]
    author: Option<String>,
    #[schema(required)]
    description: Option<String>,
    #[schema(value_type = openapi_enums::Origin)]
    origin: Origin,
    #[schema(value_type = openapi_enums::VersionState)]
    state: VersionState,
    /// Why it was refused.
    #[schema(required)]
    pub reason: Option<String>,
    #[schema(value_type = openapi_enums::VersionApproval)]
    approval: Approval,
    hosts: Vec<String>,
    /// How the service wants to be convinced, as the definition has it (`/schemas/connector.json`).
    #[schema(value_type = BTreeMap<String, Value>)]
    auth: Auth,
    /// Other ways that a connection may choose.
    #[schema(value_type = Vec<BTreeMap<String, Value>>)]
    auth_alternatives: Vec<Auth>,
    auth_hosts: Vec<String>,
    /// The members of a connection's `credentials`.
    credentials: &'static [&'static str],
    /// A JSON Schema.
    #[schema(value_type = BTreeMap<String, Value>)]
    settings: Value,
    actions: Vec<ConnectorAction>,
    /// Whether the manifest names an action to test with.
    testable: bool,
    /// Whether redirects are followed.
    redirects: bool,
    limits: ConnectorLimits,
    has_fixtures: bool,
    /// `null` for what the binary carries.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// What the component imports; only of an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    imports: Option<Vec<String>>,
    /// What an admin should look at; only of an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    remarks: Option<Vec<String>>,
    /// Of the component; only of an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Only of an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<ConnectorSignature>,
    /// Only of an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<ConnectorDecision>,
}

impl ListedConnector {
    fn new(listed: &CatalogEntry, trust: &Trust) -> Self {
        let manifest = &*listed.installable.manifest;
        let origin = listed.installable.origin;
        let uploaded = (origin == Origin::Uploaded).then_some(listed);
        Self {
            credentials: Auth::fields(&manifest.auth),
            testable: manifest.test.is_some(),
            has_fixtures: !manifest.fixtures.is_empty(),
            imports: uploaded.map(|listed| listed.imports.clone()),
            remarks: uploaded.map(|listed| import_warnings(manifest, &listed.imports)),
            sha256: uploaded.map(|listed| listed.installable.component.to_string()),
            signature: uploaded.map(|listed| ConnectorSignature::new(listed, trust)),
            decision: uploaded.map(ConnectorDecision::new),
            id: manifest.id.clone(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            author: manifest.author.clone(),
            description: manifest.description.clone(),
            origin,
            state: listed.state,
            reason: listed.reason.clone(),
            approval: listed.approval,
            hosts: manifest.hosts.clone(),
            auth: manifest.auth.clone(),
            auth_alternatives: manifest.auth_alternatives.clone(),
            auth_hosts: manifest.auth_hosts.clone(),
            settings: manifest.settings.clone(),
            actions: manifest.actions.iter().map(ConnectorAction::from).collect(),
            redirects: manifest.redirects,
            limits: manifest.limits.into(),
            created_at: listed.created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorAction {
    id: String,
    title: String,
    description: String,
    #[schema(value_type = openapi_enums::SideEffect)]
    side_effect: SideEffect,
    idempotent: bool,
    /// For how many seconds an output is remembered.
    cache_s: u32,
    /// A JSON Schema.
    #[schema(value_type = BTreeMap<String, Value>)]
    input: Value,
    /// A JSON Schema.
    #[schema(required, value_type = Option<BTreeMap<String, Value>>)]
    output: Option<Value>,
}

impl From<&Action> for ConnectorAction {
    fn from(action: &Action) -> Self {
        Self {
            id: action.id.clone(),
            title: action.title.clone(),
            description: action.description.clone(),
            side_effect: action.side_effect,
            idempotent: action.idempotent,
            cache_s: action.cache_s,
            input: action.input.clone(),
            output: action.output.clone(),
        }
    }
}

/// What the connector asks for beyond the host's defaults.
#[derive(Serialize, ToSchema)]
pub struct ConnectorLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_calls: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
}

impl From<RequestedLimits> for ConnectorLimits {
    fn from(limits: RequestedLimits) -> Self {
        let RequestedLimits { fuel, timeout_ms, memory_bytes, http_calls, response_bytes } = limits;
        Self { fuel, timeout_ms, memory_bytes, http_calls, response_bytes }
    }
}

/// Whose signature an upload carries. What carries a wrong one is never kept.
#[derive(Serialize, ToSchema)]
pub struct ConnectorSignature {
    state: SignatureState,
    /// The name of the publisher, where it is trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    public_key: Option<PublicKey>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignatureState {
    None,
    Valid,
    /// Of a publisher that the organization doesn't trust.
    Untrusted,
}

impl ConnectorSignature {
    fn new(listed: &CatalogEntry, trust: &Trust) -> Self {
        let publisher = listed.signer.as_ref().and_then(|signer| trust.publisher(signer));
        let state = match (&listed.signer, publisher) {
            (None, _) => SignatureState::None,
            (Some(_), Some(_)) => SignatureState::Valid,
            (Some(_), None) => SignatureState::Untrusted,
        };
        Self { state, publisher: publisher.map(|publisher| publisher.name.clone()), public_key: listed.signer }
    }
}

/// What an admin decided about an upload.
#[derive(Serialize, ToSchema)]
pub struct ConnectorDecision {
    /// The admin's key.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    by: Option<KeyId>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// Why it was rejected.
    #[schema(required)]
    reason: Option<String>,
}

impl ConnectorDecision {
    fn new(listed: &CatalogEntry) -> Self {
        Self { by: listed.decided_by, at: listed.decided_at, reason: listed.approval_reason.clone() }
    }
}

/// The differences between a version's requests and those of an approved one.
#[derive(Serialize, ToSchema)]
pub struct ConnectorChanges {
    /// The approved version.
    against: String,
    /// What asks for more than was approved.
    wider: Vec<ConnectorChange>,
    /// What asks for as much or less.
    other: Vec<ConnectorChange>,
}

impl From<GrantChanges> for ConnectorChanges {
    fn from(GrantChanges { against, changes }: GrantChanges) -> Self {
        let all = |changes: Vec<resly_manifest::Change>| changes.into_iter().map(ConnectorChange::from).collect();
        Self { against, wider: all(changes.wider), other: all(changes.other) }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorChange {
    /// A JSON Pointer (RFC 6901): into the new manifest, or into the approved one for what is gone.
    path: String,
    /// `null` for what wasn't there.
    before: Value,
    /// `null` for what is gone.
    after: Value,
    /// What it means.
    what: String,
}

impl From<resly_manifest::Change> for ConnectorChange {
    fn from(resly_manifest::Change { path, before, after, what }: resly_manifest::Change) -> Self {
        Self { path, before, after, what }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ConnectorVersion {
    version: String,
    #[schema(value_type = openapi_enums::Origin)]
    origin: Origin,
    #[schema(value_type = openapi_enums::VersionState)]
    state: VersionState,
    /// Why it was refused.
    #[schema(required)]
    reason: Option<String>,
    #[schema(value_type = openapi_enums::VersionApproval)]
    approval: Approval,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
}

impl From<&CatalogEntry> for ConnectorVersion {
    fn from(listed: &CatalogEntry) -> Self {
        Self {
            version: listed.installable.manifest.version.clone(),
            origin: listed.installable.origin,
            state: listed.state,
            reason: listed.reason.clone(),
            approval: listed.approval,
            created_at: listed.created_at,
        }
    }
}
