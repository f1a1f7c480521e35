//! Publishers: whose signatures an organization trusts, and whether it takes uploads of nobody else.

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, PublisherId},
    time::Timestamp,
};
use resly_manifest::signature::PublicKey;
use serde::Serialize;

use crate::{
    Store,
    audit::{Author, Subject, view},
    error::{OperationError, failed, unexpected},
    sql::{execute, row, rows},
    types::{Count, Id, Text, Time},
};

/// The publishers of an organization. More would be a list that nobody looks through.
pub const PUBLISHERS_MOST: u64 = 100;

/// Why a publisher isn't added.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AddPublisherError {
    #[error("there are {PUBLISHERS_MOST} publishers; delete one first")]
    TooMany,
    #[error("there is a publisher with this key already")]
    Known,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug)]
pub struct Publisher {
    pub id: PublisherId,
    /// For people.
    pub name: String,
    pub public_key: PublicKey,
    pub created_at: Timestamp,
}

/// Whom an organization trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whether an upload has to be signed by one of them.
    pub required: bool,
    /// Oldest first.
    pub publishers: Vec<Publisher>,
}

impl Trust {
    pub fn publisher(&self, key: &PublicKey) -> Option<&Publisher> {
        self.publishers.iter().find(|publisher| publisher.public_key == *key)
    }
}

#[derive(sqlx_macros::FromRow)]
struct PublisherRow {
    id: Id,
    name: String,
    public_key: Vec<u8>,
    created_at: Time,
}

impl PublisherRow {
    fn publisher(self) -> Result<Publisher, sqlx::Error> {
        let key = self.public_key.try_into();
        Ok(Publisher {
            id: PublisherId(self.id.0),
            name: self.name,
            public_key: PublicKey(key.map_err(|_| sqlx::Error::Decode("a public key has not 32 bytes".into()))?),
            created_at: self.created_at.0,
        })
    }
}

/// What the audit log shows of a publisher, and of whether one is required.
#[derive(Serialize)]
struct PublisherView<'p> {
    name: &'p str,
    public_key: &'p PublicKey,
}

#[derive(Serialize)]
struct RequirementView {
    required: bool,
}

impl Store {
    #[boxed]
    pub async fn trust(&self, organization: OrganizationId) -> Result<Trust, StoreError> {
        let doing = "read whom an organization trusts";
        let mut db = self.reader(organization, doing).await?;
        let required =
            row!(db, (bool,), "SELECT require_publisher FROM organizations WHERE id = $1", Id(organization.0))
                .map_err(failed(doing))?;
        let found = rows!(
            db,
            PublisherRow,
            "SELECT id, name, public_key, created_at FROM publishers WHERE organization_id = $1 ORDER BY created_at, id",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let publishers = found.into_iter().map(PublisherRow::publisher).collect::<Result<_, _>>();
        Ok(Trust {
            required: required.is_some_and(|(required,)| required),
            publishers: publishers.map_err(failed(doing))?,
        })
    }

    #[boxed]
    pub async fn add_publisher(&self, organization: OrganizationId, new: Publisher) -> Result<(), AddPublisherError> {
        let by = Author::current();
        self.write(organization, "add a publisher", move |mut db| {
            Box::pin(async move {
                // Publishers that are added at once are counted one after the other.
                let lock = db.pick(
                    "SELECT id FROM organizations WHERE id = $1",
                    "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
                );
                row!(db, (Id,), lock, Id(organization.0))?;
                let added = execute!(
                    db,
                    "INSERT INTO publishers (id, organization_id, name, public_key, created_at)
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (organization_id, public_key) DO NOTHING",
                    Id(new.id.0),
                    Id(organization.0),
                    Text(&new.name),
                    new.public_key.0.as_slice(),
                    Time(new.created_at)
                )?;
                if added == 0 {
                    return Err(OperationError::Refused(AddPublisherError::Known));
                }
                let count = "SELECT count(*) FROM publishers WHERE organization_id = $1";
                let with_new = row!(db, (Count,), count, Id(organization.0))?;
                if with_new.is_some_and(|(Count(count),)| count > PUBLISHERS_MOST) {
                    return Err(OperationError::Refused(AddPublisherError::TooMany));
                }
                let after = view(&PublisherView { name: &new.name, public_key: &new.public_key })?;
                let subject = Subject::new(new.id, &new.name);
                Ok(by.created(&mut db, organization, "publisher.create", subject, after).await?)
            })
        })
        .await
    }

    /// False when the organization has no such publisher.
    #[boxed]
    pub async fn delete_publisher(&self, organization: OrganizationId, id: PublisherId) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(organization, "delete a publisher", move |mut db| {
            Box::pin(async move {
                let deleted = row!(
                    db,
                    PublisherRow,
                    "DELETE FROM publishers WHERE id = $1 AND organization_id = $2
                     RETURNING id, name, public_key, created_at",
                    Id(id.0),
                    Id(organization.0)
                )?;
                let Some(deleted) = deleted.map(PublisherRow::publisher).transpose()? else { return Ok(false) };
                let before = view(&PublisherView { name: &deleted.name, public_key: &deleted.public_key })?;
                let subject = Subject::new(id, &deleted.name);
                by.deleted(&mut db, organization, "publisher.delete", subject, before).await?;
                Ok(true)
            })
        })
        .await
    }

    #[boxed]
    pub async fn require_publisher(&self, organization: OrganizationId, required: bool) -> Result<(), StoreError> {
        let by = Author::current();
        self.write(organization, "say whether uploads need a trusted publisher", move |mut db| {
            Box::pin(async move {
                let before = "SELECT require_publisher FROM organizations WHERE id = $1";
                let before = row!(db, (bool,), before, Id(organization.0))?;
                let sql = "UPDATE organizations SET require_publisher = $2 WHERE id = $1";
                if execute!(db, sql, Id(organization.0), required)? == 0 {
                    return Err(unexpected(format!("there is no organization {organization}")).into());
                }
                let before = view(&RequirementView { required: before.is_some_and(|(required,)| required) })?;
                let after = view(&RequirementView { required })?;
                Ok(by.changed(&mut db, organization, "publisher.require", Subject::only(), before, after).await?)
            })
        })
        .await
    }
}
