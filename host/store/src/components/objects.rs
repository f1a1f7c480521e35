//! The rows of components whose code is in an object store. [`resly_core::object`] says how objects are named.
//!
//! A row is `writing` before its object is written, `stored` from the transaction on that stores the version, and
//! `deleting` until the object is gone. Whenever a host dies, the row tells what is left to do.

use bytes::Bytes;
use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    object::{ComponentObject, ObjectContent},
    time::Timestamp,
};
use resly_manifest::Digest;

use super::{UNFINISHED_MICROS, digest, forget};
use crate::{
    RowScope, Store,
    columns::select,
    error::{failed, unexpected},
    sql::{Conn, execute, rows},
    types::{Count, Id, Time},
};

/// The objects that one look finds.
const DUE: i64 = 200;

#[derive(sqlx_macros::FromRow)]
struct ObjectRow {
    id: Id,
    organization_id: Id,
    digest: Vec<u8>,
    length: Count,
}

impl ObjectRow {
    fn object(self) -> Result<ComponentObject, sqlx::Error> {
        let content = ObjectContent { digest: digest(self.digest)?, length: self.length.0 };
        Ok(ComponentObject { id: self.id.0, organization: OrganizationId(self.organization_id.0), content })
    }
}

fn objects(found: Vec<ObjectRow>) -> Result<Vec<ComponentObject>, sqlx::Error> {
    found.into_iter().map(ObjectRow::object).collect()
}

/// Has uploads and deletions of the same code by one organization wait for each other.
async fn lock(db: &mut Conn<'_>, organization: OrganizationId, digest: &[u8]) -> Result<(), sqlx::Error> {
    let lock = db.pick(
        "SELECT id FROM component_objects WHERE organization_id = $1 AND digest = $2 ORDER BY id",
        "SELECT id FROM component_objects WHERE organization_id = $1 AND digest = $2 ORDER BY id FOR UPDATE",
    );
    rows!(db, (Id,), lock, Id(organization.0), digest).map(drop)
}

/// Makes an object the one that has the code of its organization's versions. The one before, which may be damaged, is
/// deleted. Then the database needs the code no more.
pub(crate) async fn keep(db: &mut Conn<'_>, object: &ComponentObject) -> Result<(), sqlx::Error> {
    let digest = object.content.digest.0.as_slice();
    lock(db, object.organization, digest).await?;
    execute!(
        db,
        "UPDATE component_objects SET state = 'deleting'
         WHERE organization_id = $1 AND digest = $2 AND state = 'stored' AND id <> $3",
        Id(object.organization.0),
        digest,
        Id(object.id)
    )?;
    let kept = execute!(
        db,
        "UPDATE component_objects SET state = 'stored' WHERE organization_id = $1 AND id = $2 AND state = 'writing'",
        Id(object.organization.0),
        Id(object.id)
    )?;
    if kept == 0 {
        return Err(unexpected("the upload took more than an hour, so its object was deleted; upload it again"));
    }
    forget(db, digest).await
}

/// Has the object of an upload deleted that came to nothing.
pub(crate) async fn discard(db: &mut Conn<'_>, object: &ComponentObject) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE component_objects SET state = 'deleting' WHERE organization_id = $1 AND id = $2 AND state = 'writing'",
        Id(object.organization.0),
        Id(object.id)
    )
    .map(drop)
}

/// Has the objects of an organization deleted that hold code which none of its versions has.
pub(crate) async fn release(db: &mut Conn<'_>, organization: OrganizationId, digest: &[u8]) -> Result<(), sqlx::Error> {
    // With the lock first, the next statement sees a version that another transaction stores, or that one finds the
    // object `deleting` and keeps its own.
    lock(db, organization, digest).await?;
    execute!(
        db,
        "UPDATE component_objects SET state = 'deleting'
         WHERE organization_id = $1 AND digest = $2 AND state = 'stored'
           AND NOT EXISTS (SELECT 1 FROM connector_versions
                           WHERE organization_id = $1 AND component = $2 AND state <> 'deleted')",
        Id(organization.0),
        digest
    )
    .map(drop)
}

/// Has the objects of an organization deleted whose code the database has.
pub(crate) async fn replace(db: &mut Conn<'_>, organization: OrganizationId, digest: &[u8]) -> Result<(), sqlx::Error> {
    lock(db, organization, digest).await?;
    execute!(
        db,
        "UPDATE component_objects SET state = 'deleting'
         WHERE organization_id = $1 AND digest = $2 AND state = 'stored'",
        Id(organization.0),
        digest
    )
    .map(drop)
}

impl Store {
    /// Stores the row of an object that is about to be written.
    #[boxed]
    pub async fn begin_component_object(&self, object: ComponentObject, now: Timestamp) -> Result<(), StoreError> {
        self.write(object.organization, "begin to store a component", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "INSERT INTO component_objects (id, organization_id, digest, length, state, created_at)
                     VALUES ($1, $2, $3, $4, 'writing', $5)",
                    Id(object.id),
                    Id(object.organization.0),
                    object.content.digest.0.as_slice(),
                    Count(object.content.length),
                    Time(now)
                )?;
                Ok(())
            })
        })
        .await
    }

    /// The objects that hold a component, of any organization, the newest first.
    #[boxed]
    pub async fn component_objects(&self, digest: Digest) -> Result<Vec<ComponentObject>, StoreError> {
        let doing = "find the object of a component";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            ObjectRow,
            select!(
                component_object,
                "FROM component_objects WHERE digest = $1 AND state = 'stored' ORDER BY created_at DESC, id DESC"
            ),
            digest.0.as_slice()
        );
        found.and_then(objects).map_err(failed(doing))
    }

    /// The objects to delete: those that nothing needs, and those of uploads that were cut off.
    #[boxed]
    pub async fn due_component_objects(&self, now: Timestamp) -> Result<Vec<ComponentObject>, StoreError> {
        let before = Timestamp::from_micros(now.micros().saturating_sub(UNFINISHED_MICROS));
        self.write(RowScope::Host, "find objects to delete", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE component_objects SET state = 'deleting' WHERE state = 'writing' AND created_at < $1",
                    Time(before)
                )?;
                let found = rows!(
                    db,
                    ObjectRow,
                    select!(
                        component_object,
                        "FROM component_objects WHERE state = 'deleting' ORDER BY created_at, id LIMIT $1"
                    ),
                    DUE
                )?;
                Ok(objects(found)?)
            })
        })
        .await
    }

    /// Deletes the row of an object that was deleted.
    #[boxed]
    pub async fn forget_component_object(&self, object: ComponentObject) -> Result<(), StoreError> {
        self.write(object.organization, "forget an object", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "DELETE FROM component_objects WHERE organization_id = $1 AND id = $2 AND state = 'deleting'",
                    Id(object.organization.0),
                    Id(object.id)
                )?;
                Ok(())
            })
        })
        .await
    }

    /// The components that organizations have in the database alone.
    #[boxed]
    pub async fn components_in_database(&self) -> Result<Vec<(OrganizationId, Digest)>, StoreError> {
        let doing = "list the components in the database";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            (Id, Vec<u8>),
            "SELECT DISTINCT v.organization_id, v.component
             FROM connector_versions v JOIN components c ON c.digest = v.component
             WHERE v.state <> 'deleted'
               AND NOT EXISTS (SELECT 1 FROM component_objects o
                               WHERE o.organization_id = v.organization_id AND o.digest = v.component
                                 AND o.state = 'stored')"
        );
        let found = found.map_err(failed(doing))?.into_iter();
        let each = found.map(|(organization, component)| Ok((OrganizationId(organization.0), digest(component)?)));
        each.collect::<Result<_, sqlx::Error>>().map_err(failed(doing))
    }

    /// The components that are in the object store.
    #[boxed]
    pub async fn stored_component_objects(&self) -> Result<Vec<ComponentObject>, StoreError> {
        let doing = "list the components in the object store";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            ObjectRow,
            select!(component_object, "FROM component_objects WHERE state = 'stored' ORDER BY created_at, id")
        );
        found.and_then(objects).map_err(failed(doing))
    }

    /// Has an object take the place of the code in the database.
    #[boxed]
    pub async fn move_component_to_object(&self, object: ComponentObject) -> Result<(), StoreError> {
        self.write(RowScope::Host, "move a component to the object store", move |mut db| {
            Box::pin(async move {
                keep(&mut db, &object).await?;
                // Its version may have been deleted meanwhile.
                Ok(release(&mut db, object.organization, &object.content.digest.0).await?)
            })
        })
        .await
    }

    /// Has the code in the database take the place of an object.
    #[boxed]
    pub async fn move_component_to_database(
        &self,
        object: ComponentObject,
        wasm: Bytes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let digest = object.content.digest;
        self.put_parts(digest, &wasm, now).await?;
        self.write(RowScope::Host, "move a component to the database", move |mut db| {
            Box::pin(async move {
                super::keep(&mut db, digest, &wasm, now).await?;
                replace(&mut db, object.organization, &digest.0).await?;
                // Its version may have been deleted meanwhile.
                Ok(forget(&mut db, &digest.0).await?)
            })
        })
        .await
    }
}
