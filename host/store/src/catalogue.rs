//! The connectors that organizations defined or uploaded: their versions, and their code by its digest.
//! [`crate::uploads`] has how an upload is compiled.

mod audited;
mod bounds;

use std::time::Duration;

pub use bounds::{COMPILING_MOST, MANIFESTS_MOST, UPLOADS_MOST, VERSIONS_MOST};
use bytes::Bytes;
use resly_core::{
    boxed,
    connector::{
        approval::{Approval, RequestedGrants, initial_approval},
        connection::Origin,
    },
    error::StoreError,
    id::{ConnectionId, KeyId, OrganizationId},
    object::ComponentObject,
    time::Timestamp,
};
use resly_manifest::{Digest, Manifest, signature::PublicKey};
use serde::{Deserialize, Serialize};

use crate::{
    RowScope, Store,
    audit::Author,
    columns::select,
    components::{self, objects},
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Id, Json, OrderedJson, Text, Time, name_of, named},
};

/// How long a host's lease on a version that it compiles lasts. The host renews it, so a dead host's lease ends soon.
pub const LEASE: Duration = Duration::from_secs(90);

/// The state of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    /// It can be installed, once it is approved.
    Ready,
    /// Its component is being compiled.
    Compiling,
    /// Its component can't be compiled or linked.
    Refused,
    /// The row stays, so that no other content can take the version's number.
    Deleted,
}

/// A version of a connector to keep.
#[derive(Clone, Debug)]
pub struct NewConnectorVersion {
    pub organization: OrganizationId,
    /// The manifest, and whose valid signature the file carries.
    pub asking: RequestedGrants,
    pub origin: Origin,
    /// What runs it.
    pub component: Digest,
    /// The component's bytes, unless it is one that the host carries or an object has them.
    pub wasm: Option<Bytes>,
    /// The object that has the component's bytes.
    pub object: Option<ComponentObject>,
    /// What the component imports.
    pub imports: Vec<String>,
    pub state: VersionState,
    pub now: Timestamp,
}

/// The result of storing a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedVersion {
    /// It is stored, now or before.
    As { state: VersionState, approval: Approval },
    /// Another content is stored under that id and version.
    Different,
    /// The organization already has [`COMPILING_MOST`] versions that are compiled or wait to be.
    QueueFull,
    /// The organization already keeps as much as it may.
    TooMany { what: &'static str, most: u64 },
}

/// The result of deleting a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRemoval {
    Gone,
    Missing,
    /// Connections use it. Their ids and names.
    InUse(Vec<(ConnectionId, String)>),
}

#[derive(Clone, Debug)]
pub struct StoredConnector {
    pub asking: RequestedGrants,
    pub origin: Origin,
    pub component: Digest,
    pub imports: Vec<String>,
    pub state: VersionState,
    /// Why it was refused.
    pub reason: Option<String>,
    pub approval: Approval,
    /// Why it was rejected.
    pub approval_reason: Option<String>,
    pub decided_by: Option<KeyId>,
    pub decided_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(sqlx_macros::FromRow)]
struct ConnectorRow {
    manifest: OrderedJson<Manifest>,
    signer: Option<Vec<u8>>,
    origin: String,
    component: Vec<u8>,
    imports: Json<Vec<String>>,
    state: String,
    reason: Option<String>,
    approval: String,
    approval_reason: Option<String>,
    decided_by: Option<Id>,
    decided_at: Option<Time>,
    created_at: Time,
}

impl ConnectorRow {
    fn stored(self) -> Result<StoredConnector, sqlx::Error> {
        Ok(StoredConnector {
            asking: RequestedGrants { manifest: self.manifest.0, signer: signer(self.signer)? },
            origin: named(self.origin)?,
            component: components::digest(self.component)?,
            imports: self.imports.0,
            state: named(self.state)?,
            reason: self.reason,
            approval: named(self.approval)?,
            approval_reason: self.approval_reason,
            decided_by: self.decided_by.map(|id| KeyId(id.0)),
            decided_at: self.decided_at.map(|at| at.0),
            created_at: self.created_at.0,
        })
    }
}

fn signer(bytes: Option<Vec<u8>>) -> Result<Option<PublicKey>, sqlx::Error> {
    let key = bytes.map(<[u8; 32]>::try_from).transpose();
    Ok(key.map_err(|_| sqlx::Error::Decode("a public key doesn't have 32 bytes".into()))?.map(PublicKey))
}

/// The approved uploads of a connector, newest first.
async fn approved(db: &mut Conn<'_>, new: &NewConnectorVersion) -> Result<Vec<RequestedGrants>, sqlx::Error> {
    let Manifest { id, version, .. } = &new.asking.manifest;
    let found = rows!(
        db,
        (Json<Manifest>, Option<Vec<u8>>),
        "SELECT manifest, signer FROM connector_versions
         WHERE organization_id = $1 AND connector = $2 AND version <> $3 AND origin = 'uploaded'
           AND approval IN ('approved', 'not_needed') AND state IN ('ready', 'compiling')
         ORDER BY created_at DESC, version DESC",
        Id(new.organization.0),
        id.as_str(),
        version.as_str()
    )?;
    found
        .into_iter()
        .map(|(manifest, key)| Ok(RequestedGrants { manifest: manifest.0, signer: signer(key)? }))
        .collect()
}

async fn put(db: &mut Conn<'_>, new: &NewConnectorVersion) -> Result<SavedVersion, sqlx::Error> {
    let RequestedGrants { manifest, signer } = &new.asking;
    let compiling = new.state == VersionState::Compiling;
    // A hash of the version's meaning tells whether another content has the same name. The JSON itself can't, because
    // databases may write it in another way.
    let mut content = manifest.identity().map_err(|error| sqlx::Error::Encode(error.into()))?;
    if let Some(full) = bounds::is_full(db, new, content.len()).await? {
        forget_code(db, new).await?;
        return Ok(full);
    }
    content.extend_from_slice(&new.component.0);
    let content = Digest::of(&content);
    let approval = initial_approval(new.origin, &approved(db, new).await?, &new.asking);
    if let Some(wasm) = &new.wasm {
        components::keep(db, new.component, wasm, new.now).await?;
    }
    execute!(
        db,
        "INSERT INTO connector_versions
             (organization_id, connector, version, manifest, origin, component, content, state, created_at,
              approval, signer, imports, lease_until, attempts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)
         ON CONFLICT (organization_id, connector, version) DO UPDATE
         SET manifest = excluded.manifest, origin = excluded.origin, component = excluded.component,
             content = excluded.content, state = excluded.state, reason = NULL, created_at = excluded.created_at,
             signer = excluded.signer, imports = excluded.imports, lease_until = excluded.lease_until, attempts = 1,
             approval = CASE WHEN connector_versions.content = excluded.content
                              AND connector_versions.state <> 'deleted'
                             THEN connector_versions.approval ELSE excluded.approval END
         WHERE connector_versions.state = 'refused'
            OR (connector_versions.state IN ('compiling', 'deleted')
                AND connector_versions.content = excluded.content)",
        Id(new.organization.0),
        manifest.id.as_str(),
        manifest.version.as_str(),
        OrderedJson(manifest),
        name_of(&new.origin)?,
        new.component.0.as_slice(),
        content.0.as_slice(),
        name_of(&new.state)?,
        Time(new.now),
        name_of(&approval)?,
        signer.as_ref().map(|key| key.0.as_slice()),
        Json(&new.imports),
        compiling.then(|| Time(new.now.plus(LEASE)))
    )?;
    let stored = row!(
        db,
        (Vec<u8>, String, String),
        "SELECT content, state, approval FROM connector_versions
         WHERE organization_id = $1 AND connector = $2 AND version = $3",
        Id(new.organization.0),
        manifest.id.as_str(),
        manifest.version.as_str()
    )?;
    match stored.filter(|(stored, ..)| *stored == content.0) {
        Some((_, state, approval)) => {
            if let Some(object) = &new.object {
                objects::keep(db, object).await?;
            } else if new.wasm.is_some() {
                objects::replace(db, new.organization, &new.component.0).await?;
            }
            Ok(SavedVersion::As { state: named(state)?, approval: named(approval)? })
        }
        None => {
            forget_code(db, new).await?;
            Ok(SavedVersion::Different)
        }
    }
}

/// Has the code of a version deleted that isn't stored.
async fn forget_code(db: &mut Conn<'_>, new: &NewConnectorVersion) -> Result<(), sqlx::Error> {
    if let Some(object) = &new.object {
        objects::discard(db, object).await?;
    }
    components::forget(db, &new.component.0).await
}

/// The connections that use a version.
pub(crate) async fn users(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: &str,
    version: &str,
) -> Result<Vec<(ConnectionId, String)>, sqlx::Error> {
    let found = rows!(
        db,
        (Id, String),
        "SELECT id, name FROM connections WHERE organization_id = $1 AND connector = $2 AND version = $3
         ORDER BY created_at, id",
        Id(organization.0),
        id,
        version
    )?;
    Ok(found.into_iter().map(|(id, name)| (ConnectionId(id.0), name)).collect())
}

async fn delete(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: &str,
    version: &str,
) -> Result<VersionRemoval, sqlx::Error> {
    let users = users(db, organization, id, version).await?;
    if !users.is_empty() {
        return Ok(VersionRemoval::InUse(users));
    }
    let deleted = row!(
        db,
        (Vec<u8>,),
        "UPDATE connector_versions SET state = 'deleted', lease_until = NULL
         WHERE organization_id = $1 AND connector = $2 AND version = $3 AND state <> 'deleted'
         RETURNING component",
        Id(organization.0),
        id,
        version
    )?;
    let Some((component,)) = deleted else { return Ok(VersionRemoval::Missing) };
    objects::release(db, organization, &component).await?;
    components::forget(db, &component).await?;
    Ok(VersionRemoval::Gone)
}

impl Store {
    /// Stores a version. Storing the same content again changes nothing if it is ready, and else begins anew. Another
    /// content replaces only a version that was refused.
    ///
    /// An upload that asks for more than the approved versions of its connector waits for approval. That is decided in
    /// the same transaction. The database has the same code of several organizations once.
    #[boxed]
    pub async fn put_connector(&self, new: NewConnectorVersion) -> Result<SavedVersion, StoreError> {
        if let Some(wasm) = &new.wasm {
            self.put_parts(new.component, wasm, new.now).await?;
        }
        let by = Author::current();
        self.write(RowScope::Host, "store a connector", move |mut db| {
            Box::pin(async move {
                let known = audited::is_known(&mut db, &by, &new).await?;
                let saved = put(&mut db, &new).await?;
                if !known {
                    audited::stored(&mut db, &by, &new, saved).await?;
                }
                Ok(saved)
            })
        })
        .await
    }

    /// Deletes a version that no connection uses, and its code, unless another version has the same.
    #[boxed]
    pub async fn delete_connector(
        &self,
        organization: OrganizationId,
        id: String,
        version: String,
    ) -> Result<VersionRemoval, StoreError> {
        let by = Author::current();
        self.write(RowScope::Host, "delete a connector's version", move |mut db| {
            Box::pin(async move {
                let removal = delete(&mut db, organization, &id, &version).await?;
                audited::deleted(&mut db, &by, organization, (&id, &version), &removal).await?;
                Ok(removal)
            })
        })
        .await
    }

    #[boxed]
    pub async fn connector(
        &self,
        organization: OrganizationId,
        id: &str,
        version: &str,
    ) -> Result<Option<StoredConnector>, StoreError> {
        let doing = "find a connector";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            ConnectorRow,
            select!(version, "FROM connector_versions WHERE organization_id = $1 AND connector = $2 AND version = $3 AND state <> 'deleted'"),
            Id(organization.0),
            id,
            version
        )
        .map_err(failed(doing))?;
        found.map(ConnectorRow::stored).transpose().map_err(failed(doing))
    }

    /// Every version of every connector of the organization's own, by id, oldest version first.
    #[boxed]
    pub async fn list_connectors(&self, organization: OrganizationId) -> Result<Vec<StoredConnector>, StoreError> {
        self.versions(organization, None).await
    }

    /// Every version of one of the organization's own connectors, oldest first.
    #[boxed]
    pub async fn connector_versions(
        &self,
        organization: OrganizationId,
        id: &str,
    ) -> Result<Vec<StoredConnector>, StoreError> {
        self.versions(organization, Some(id)).await
    }

    async fn versions(
        &self,
        organization: OrganizationId,
        id: Option<&str>,
    ) -> Result<Vec<StoredConnector>, StoreError> {
        let doing = "list the connectors";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            ConnectorRow,
            select!(
                version,
                "FROM connector_versions
             WHERE organization_id = $1 AND ($2 IS NULL OR connector = $2) AND state <> 'deleted'
             ORDER BY connector, created_at, version"
            ),
            Id(organization.0),
            id.map(Text)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(ConnectorRow::stored).collect::<Result<_, _>>().map_err(failed(doing))
    }
}
