//! The organization's own connectors: add a definition or an upload, decide about an upload, delete a version.

mod decide;
mod define;
mod delete;
mod upload;

use resly_core::{
    boxed,
    connector::sandbox::ComponentStoreError,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    object::ObjectError,
};
use resly_manifest::{Digest, Manifest, Violation};
use resly_store::{COMPILING_MOST, NewConnectorVersion, SavedVersion, Trust, VersionState};

pub use self::{
    decide::{VersionDecision, approve, reject},
    define::define,
    delete::delete,
    upload::{Uploaded, upload},
};
use crate::{
    App, FieldError,
    catalogue::{CatalogEntry, NotInstallable},
    definition::DefinitionError,
    upload::InspectError,
};

/// Why something can't be done with a connector.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    #[error("there is no such connector")]
    Missing,
    #[error("there is no such version of this connector")]
    NoVersion,
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The component or its manifest has mistakes, or it couldn't be compiled.
    #[error("{} mistakes in the component", .0.len())]
    Component(Vec<Violation>),
    #[error(transparent)]
    NotInstallable(#[from] NotInstallable),
    #[error("`{0}` is a bundled connector; choose another id")]
    IdTaken(String),
    #[error("`{0}` is a bundled connector and comes with the host")]
    Bundled(String),
    #[error("`{id}` {version} exists, or existed, with other content; give this one a higher version")]
    AnotherContent { id: String, version: String },
    #[error("an organization keeps at most {most} {what}, and this would be more; delete old versions")]
    TooMany { what: &'static str, most: u64 },
    #[error("{COMPILING_MOST} components of this organization are being compiled already")]
    QueueFull,
    #[error("only uploaded components are approved; this connector needs none")]
    NeedsNoApproval,
    #[error("this version was refused: {0}")]
    Refused(String),
    #[error("the version has another file by now; its SHA-256 is {0}")]
    AnotherFile(Digest),
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    /// Connections with these ids and names use the version.
    #[error("{} use it; move them to another version, or delete them, first", names(.0))]
    InUse(Vec<(ConnectionId, String)>),
    /// Nothing is stored.
    #[error("the component can't be stored at the moment, because the object store can't be used; send it again later")]
    ObjectStore(ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ComponentStoreError> for ConnectorError {
    fn from(error: ComponentStoreError) -> Self {
        match error {
            ComponentStoreError::Store(error) => Self::Store(error),
            ComponentStoreError::Object(error) => Self::ObjectStore(error),
        }
    }
}

impl From<InspectError> for ConnectorError {
    fn from(error: InspectError) -> Self {
        Self::Component(error.mistakes())
    }
}

fn names(connections: &[(ConnectionId, String)]) -> String {
    let names: Vec<String> = connections.iter().map(|(_, name)| format!("`{name}`")).collect();
    names.join(", ")
}

/// One connector, with all of its versions.
pub struct FoundConnector {
    /// The version that was asked for.
    pub chosen: CatalogEntry,
    /// All of them, the newest first.
    pub versions: Vec<CatalogEntry>,
    /// Whom the organization trusts.
    pub trust: Trust,
}

/// All versions of all connectors: the bundled ones and the organization's own.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId) -> Result<(Vec<CatalogEntry>, Trust), ConnectorError> {
    let all = app.catalogue.all(organization).await?;
    Ok((all, app.store.trust(organization).await?))
}

/// Each connector with its versions: the bundled ones first, then the organization's own by id.
#[boxed]
pub async fn catalogue(app: &App, organization: OrganizationId) -> Result<Vec<FoundConnector>, ConnectorError> {
    let trust = app.store.trust(organization).await?;
    let found = app.catalogue.by_connector(organization).await?.into_iter().filter_map(|versions| {
        let chosen = choose(&versions)?.clone();
        Some(FoundConnector { chosen, versions, trust: trust.clone() })
    });
    Ok(found.collect())
}

/// The version that stands for a connector: the newest that can be installed, else the newest that is ready, else the
/// newest.
fn choose(versions: &[CatalogEntry]) -> Option<&CatalogEntry> {
    let first = |fits: fn(&CatalogEntry) -> bool| versions.iter().find(|listed| fits(listed));
    first(|listed| listed.state == VersionState::Ready && listed.approval.allows())
        .or_else(|| first(|listed| listed.state == VersionState::Ready))
        .or(versions.first())
}

/// Finds this version, or the newest that can be installed, together with all versions.
#[boxed]
pub async fn find(
    app: &App,
    organization: OrganizationId,
    id: &str,
    version: Option<&str>,
) -> Result<FoundConnector, ConnectorError> {
    let versions = app.catalogue.versions(organization, id).await?;
    let trust = app.store.trust(organization).await?;
    let chosen = match version {
        Some(version) => versions.iter().find(|listed| listed.installable.manifest.version == version),
        None => choose(&versions),
    };
    Ok(FoundConnector { chosen: chosen.ok_or(ConnectorError::Missing)?.clone(), versions, trust })
}

/// Stores a version, unless its id or its number is taken. Returns its state.
async fn keep(app: &App, mut new: NewConnectorVersion) -> Result<VersionState, ConnectorError> {
    let Manifest { id, version, .. } = &new.asking.manifest;
    let (id, version) = (id.clone(), version.clone());
    if app.catalogue.is_bundled(&id) {
        return Err(ConnectorError::IdTaken(id));
    }
    if let Some(wasm) = &new.wasm
        && let Some(object) = app.components.put(new.organization, new.component, wasm).await?
    {
        (new.wasm, new.object) = (None, Some(object));
    }
    match app.store.put_connector(new).await? {
        SavedVersion::As { state, .. } => Ok(state),
        SavedVersion::Different => Err(ConnectorError::AnotherContent { id, version }),
        SavedVersion::TooMany { what, most } => Err(ConnectorError::TooMany { what, most }),
        SavedVersion::QueueFull => Err(ConnectorError::QueueFull),
    }
}
