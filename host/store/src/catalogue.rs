//! The catalogue's own connectors: what organizations described or uploaded, by version, and the code by its digest.

use bytes::Bytes;
use resly_core::{
    connector::{connection::Origin, manifest::Manifest, sandbox::Digest},
    error::StoreError,
    id::OrganizationId,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Store,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Id, Json, Text, Time, name_of, named},
};

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    /// It can be installed.
    Ready,
    /// Its component is being compiled.
    Compiling,
    /// Its component can't be compiled or linked.
    Refused,
}

/// A version of a connector to keep.
#[derive(Clone, Debug)]
pub struct NewConnectorVersion {
    pub organization: OrganizationId,
    pub manifest: Manifest,
    pub origin: Origin,
    /// What runs it.
    pub component: Digest,
    /// The component's bytes, unless it is one that the host carries.
    pub wasm: Option<Bytes>,
    pub state: VersionState,
    pub now: Timestamp,
}

#[derive(Clone, Debug)]
pub struct StoredConnector {
    pub manifest: Manifest,
    pub origin: Origin,
    pub component: Digest,
    pub state: VersionState,
    /// Why it was refused.
    pub reason: Option<String>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct ConnectorRow {
    manifest: Json<Manifest>,
    origin: String,
    component: Vec<u8>,
    state: String,
    reason: Option<String>,
    created_at: Time,
}

impl ConnectorRow {
    fn stored(self) -> Result<StoredConnector, sqlx::Error> {
        let component = self.component.try_into();
        Ok(StoredConnector {
            manifest: self.manifest.0,
            origin: named(self.origin)?,
            component: Digest(component.map_err(|_| sqlx::Error::Decode("a digest has not 32 bytes".into()))?),
            state: named(self.state)?,
            reason: self.reason,
            created_at: self.created_at.0,
        })
    }
}

async fn put(db: &mut Conn<'_>, new: &NewConnectorVersion) -> Result<Option<VersionState>, sqlx::Error> {
    // What the version is, to tell another content under the same name: databases may write JSON in another way.
    let mut content = serde_json::to_vec(&new.manifest).map_err(|error| sqlx::Error::Encode(error.into()))?;
    content.extend_from_slice(&new.component.0);
    let content = Digest::of(&content);
    if let Some(wasm) = &new.wasm {
        execute!(
            db,
            "INSERT INTO components (digest, wasm, created_at) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
            new.component.0.as_slice(),
            wasm.as_ref(),
            Time(new.now)
        )?;
    }
    execute!(
        db,
        "INSERT INTO connector_versions
             (organization_id, connector, version, manifest, origin, component, content, state, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (organization_id, connector, version) DO UPDATE
         SET manifest = excluded.manifest, origin = excluded.origin, component = excluded.component,
             content = excluded.content, state = excluded.state, reason = NULL, created_at = excluded.created_at
         WHERE connector_versions.state = 'refused'
            OR (connector_versions.state = 'compiling' AND connector_versions.content = excluded.content)",
        Id(new.organization.0),
        new.manifest.id.as_str(),
        new.manifest.version.as_str(),
        Json(&new.manifest),
        name_of(&new.origin)?,
        new.component.0.as_slice(),
        content.0.as_slice(),
        name_of(&new.state)?,
        Time(new.now)
    )?;
    let stored = row!(
        db,
        (Vec<u8>, String),
        "SELECT content, state FROM connector_versions WHERE organization_id = $1 AND connector = $2 AND version = $3",
        Id(new.organization.0),
        new.manifest.id.as_str(),
        new.manifest.version.as_str()
    )?;
    stored.filter(|(stored, _)| *stored == content.0).map(|(_, state)| named(state)).transpose()
}

impl Store {
    /// Keeps a version; what state it is in. Putting the same again changes nothing, unless it isn't ready: then it
    /// begins anew. `None` when that id and version is another content, which only takes a refused one's place.
    pub async fn put_connector(&self, new: NewConnectorVersion) -> Result<Option<VersionState>, StoreError> {
        self.write("keep a connector", move |mut db| Box::pin(async move { Ok(put(&mut db, &new).await?) })).await
    }

    /// Says how compiling a version's component went; a reason is a refusal.
    pub async fn settle_connector(
        &self,
        organization: OrganizationId,
        id: String,
        version: String,
        component: Digest,
        refused: Option<String>,
    ) -> Result<(), StoreError> {
        let state = if refused.is_some() { VersionState::Refused } else { VersionState::Ready };
        self.write("settle a connector", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connector_versions SET state = $5, reason = $6
                     WHERE organization_id = $1 AND connector = $2 AND version = $3 AND component = $4
                       AND state = 'compiling'",
                    Id(organization.0),
                    id.as_str(),
                    version.as_str(),
                    component.0.as_slice(),
                    name_of(&state)?,
                    refused.as_deref().map(Text)
                )?;
                Ok(())
            })
        })
        .await
    }

    pub async fn connector(
        &self,
        organization: OrganizationId,
        id: &str,
        version: &str,
    ) -> Result<Option<StoredConnector>, StoreError> {
        let doing = "find a connector";
        let mut db = self.reader(doing).await?;
        let found = row!(
            db,
            ConnectorRow,
            "SELECT manifest, origin, component, state, reason, created_at FROM connector_versions
             WHERE organization_id = $1 AND connector = $2 AND version = $3",
            Id(organization.0),
            id,
            version
        )
        .map_err(failed(doing))?;
        found.map(ConnectorRow::stored).transpose().map_err(failed(doing))
    }

    /// Every version of every connector of the organization's own, by id, oldest version first.
    pub async fn list_connectors(&self, organization: OrganizationId) -> Result<Vec<StoredConnector>, StoreError> {
        let doing = "list the connectors";
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            ConnectorRow,
            "SELECT manifest, origin, component, state, reason, created_at FROM connector_versions
             WHERE organization_id = $1 ORDER BY connector, created_at, version",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(ConnectorRow::stored).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// The bytes of an uploaded component.
    pub async fn wasm(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        let doing = "read a component";
        let mut db = self.reader(doing).await?;
        let found = row!(db, (Vec<u8>,), "SELECT wasm FROM components WHERE digest = $1", digest.0.as_slice());
        Ok(found.map_err(failed(doing))?.map(|(wasm,)| Bytes::from(wasm)))
    }
}
