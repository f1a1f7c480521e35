//! Connections: the connectors that organizations have installed.

mod audited;
mod change;
mod port;

use std::collections::BTreeMap;

use resly_core::{
    boxed,
    connector::{
        account::{Account, AccountKey, SealedCredentials},
        connection::{Connection, ConnectionStatus, Environment, Policy},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use resly_manifest::AuthType;
use serde_json::Value;

use self::audited::view;
pub use self::change::{ConnectionChange, CredentialsExpiry};
use crate::{
    Store, accounts, alerts,
    audit::{Author, Subject},
    columns::{returning, select},
    error::failed,
    health,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, named},
};

#[derive(sqlx_macros::FromRow)]
struct ConnectionRow {
    id: Id,
    organization_id: Id,
    connector: String,
    version: String,
    name: String,
    environment: String,
    status: String,
    settings: Json<Value>,
    auth: Option<String>,
    owner: String,
    credentials: Option<Vec<u8>>,
    policy: Json<Policy>,
    mappings: Json<BTreeMap<String, String>>,
    tested_at: Option<Time>,
    revision: Count,
    created_at: Time,
}

impl ConnectionRow {
    fn connection(self) -> Result<Connection, sqlx::Error> {
        Ok(Connection {
            id: ConnectionId(self.id.0),
            organization: OrganizationId(self.organization_id.0),
            connector: self.connector,
            version: self.version,
            name: self.name,
            environment: named(self.environment)?,
            status: named(self.status)?,
            settings: self.settings.0,
            auth: self.auth.map(named).transpose()?,
            owner: named(self.owner)?,
            credentials: self.credentials.map(SealedCredentials),
            policy: self.policy.0,
            mappings: self.mappings.0,
            tested_at: self.tested_at.map(|at| at.0),
            created_at: self.created_at.0,
            revision: self.revision.0,
        })
    }
}

/// A connection, which no other transaction changes until this one ends.
async fn find_locked(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<Option<Connection>, sqlx::Error> {
    let sql = db.pick(
        select!(connection, "FROM connections WHERE id = $1 AND organization_id = $2"),
        select!(connection, "FROM connections WHERE id = $1 AND organization_id = $2 FOR UPDATE"),
    );
    row!(db, ConnectionRow, sql, Id(id.0), Id(organization.0))?.map(ConnectionRow::connection).transpose()
}

async fn insert(db: &mut Conn<'_>, new: &Connection) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO connections (id, organization_id, connector, version, name, environment, status, settings,
                                  credentials, policy, mappings, revision, created_at, auth, owner, tested_at, wanted)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        Id(new.id.0),
        Id(new.organization.0),
        new.connector.as_str(),
        new.version.as_str(),
        Text(&new.name),
        new.environment.name(),
        new.status.name(),
        Json(&new.settings),
        new.credentials.as_ref().map(|sealed| sealed.0.as_slice()),
        Json(new.policy),
        Json(&new.mappings),
        Count(new.revision),
        Time(new.created_at),
        new.auth.map(AuthType::name),
        new.owner.name(),
        new.tested_at.map(Time),
        new.status == ConnectionStatus::Enabled
    )
    .map(drop)
}

async fn update(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConnectionId,
    change: &ConnectionChange,
) -> Result<Option<Connection>, sqlx::Error> {
    let credentials = change.credentials.as_ref();
    let updated = row!(
        db,
        ConnectionRow,
        returning!(
            connection,
            "UPDATE connections SET
             name = COALESCE($3, name), settings = COALESCE($4, settings),
             credentials = CASE WHEN $5 THEN $6 ELSE credentials END,
             policy = COALESCE($7, policy), mappings = COALESCE($8, mappings), version = COALESCE($9, version),
             environment = COALESCE($10, environment), auth = COALESCE($11, auth),
             tested_at = CASE WHEN $12 THEN NULL ELSE tested_at END,
             status = CASE WHEN status = 'needs_auth' AND $13 THEN 'installed'
                           WHEN status = 'enabled' THEN COALESCE($14, status) ELSE status END,
             wanted = CASE WHEN $16 THEN FALSE ELSE wanted END,
             revision = revision + 1
         WHERE id = $1 AND organization_id = $2 AND revision = COALESCE($15, revision)"
        ),
        Id(id.0),
        Id(organization.0),
        change.name.as_deref().map(Text),
        change.settings.as_ref().map(Json),
        credentials.is_some(),
        credentials.and_then(Option::as_ref).map(|sealed| sealed.0.as_slice()),
        change.policy.map(Json),
        change.mappings.as_ref().map(Json),
        change.version.as_deref(),
        change.environment.map(Environment::name),
        change.auth.map(AuthType::name),
        change.reset_test,
        change.credential_renewed,
        change.demote_to.map(ConnectionStatus::name),
        change.expected_revision.map(Count),
        change.needs_enabling
    )?;
    if updated.is_some() && change.forget_accounts {
        accounts::delete_all(db, organization, id).await?;
    }
    if updated.is_some() && (change.forget_accounts || change.reset_test || change.credentials.is_some()) {
        health::forget(db, organization, id).await?;
    }
    if let Some(CredentialsExpiry { ends, now }) = change.expiry.filter(|_| updated.is_some()) {
        alerts::set_expiry(db, organization, id, ends, now).await?;
    }
    updated.map(ConnectionRow::connection).transpose()
}

async fn set_status(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConnectionId,
    status: ConnectionStatus,
) -> Result<bool, sqlx::Error> {
    let changed = execute!(
        db,
        "UPDATE connections SET status = $3, wanted = $4 WHERE id = $1 AND organization_id = $2",
        Id(id.0),
        Id(organization.0),
        status.name(),
        status == ConnectionStatus::Enabled
    )?;
    Ok(changed > 0)
}

impl Store {
    /// Creates a connection. `ends` is when its credential ends, if an admin knows that.
    #[boxed]
    pub async fn create_connection(&self, new: Connection, ends: Option<Timestamp>) -> Result<(), StoreError> {
        let by = Author::current();
        self.write(new.organization, "create a connection", move |mut db| {
            Box::pin(async move {
                insert(&mut db, &new).await?;
                let after = view(&new, None)?;
                by.created(&mut db, new.organization, "connection.create", Subject::new(new.id, &new.name), after)
                    .await?;
                if ends.is_some() {
                    alerts::set_expiry(&mut db, new.organization, new.id, ends, new.created_at).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Oldest first.
    #[boxed]
    pub async fn list_connections(&self, organization: OrganizationId) -> Result<Vec<Connection>, StoreError> {
        let doing = "list the connections";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            ConnectionRow,
            select!(connection, "FROM connections WHERE organization_id = $1 ORDER BY created_at, id"),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(ConnectionRow::connection).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Their ids and names, oldest first.
    #[boxed]
    pub async fn connection_names(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<(ConnectionId, String)>, StoreError> {
        let doing = "list the connections' names";
        let mut db = self.reader(organization, doing).await?;
        let sql = "SELECT id, name FROM connections WHERE organization_id = $1 ORDER BY created_at, id";
        let found = rows!(db, (Id, String), sql, Id(organization.0)).map_err(failed(doing))?;
        Ok(found.into_iter().map(|(id, name)| (ConnectionId(id.0), name)).collect())
    }

    /// Applies a change and raises the revision. `None` when the organization has no such connection, or when the
    /// connection has another revision than the change expects.
    #[boxed]
    pub async fn update_connection(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
        change: ConnectionChange,
    ) -> Result<Option<Connection>, StoreError> {
        let by = Author::current();
        self.write(organization, "change a connection", move |mut db| {
            Box::pin(async move {
                let before = if by.is_known() { find_locked(&mut db, organization, id).await? } else { None };
                let updated = update(&mut db, organization, id, &change).await?;
                if let (Some(before), Some(after)) = (before, &updated) {
                    let subject = Subject::new(id, &before.name);
                    let (before, after) = (view(&before, None)?, view(after, Some(&change))?);
                    by.changed(&mut db, organization, "connection.change", subject, before, after).await?;
                }
                Ok(updated)
            })
        })
        .await
    }

    /// Notes that a connection passed a test, unless it has changed since. A connection that was disabled until it
    /// passes a test is enabled again, if an admin wants that.
    #[boxed]
    pub async fn set_connection_tested(&self, tested: &Connection, now: Timestamp) -> Result<(), StoreError> {
        let (organization, id, revision) = (Id(tested.organization.0), Id(tested.id.0), Count(tested.revision));
        self.write(tested.organization, "note a passed test", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connections SET tested_at = $4,
                         status = CASE WHEN status NOT IN ('installed', 'needs_auth') THEN status
                                       WHEN wanted THEN 'enabled' ELSE 'installed' END
                     WHERE id = $1 AND organization_id = $2 AND revision = $3",
                    id,
                    organization,
                    revision,
                    Time(now)
                )?;
                Ok(())
            })
        })
        .await
    }

    /// Deletes a connection with its state, and resolves its alerts. Its log stays. Returns the accounts that it had, or
    /// `None` when the organization has no such connection.
    #[boxed]
    pub async fn delete_connection(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Option<Vec<(AccountKey, Account)>>, StoreError> {
        let by = Author::current();
        self.write(organization, "delete a connection", move |mut db| {
            Box::pin(async move {
                if by.is_known()
                    && let Some(before) = find_locked(&mut db, organization, id).await?
                {
                    let subject = Subject::new(id, &before.name);
                    by.deleted(&mut db, organization, "connection.delete", subject, view(&before, None)?).await?;
                }
                let accounts = accounts::of(&mut db, organization, id).await?;
                let deleted = execute!(
                    db,
                    "DELETE FROM connections WHERE id = $1 AND organization_id = $2",
                    Id(id.0),
                    Id(organization.0)
                )?;
                if deleted == 0 {
                    return Ok(None);
                }
                alerts::close(&mut db, organization, id, None, now).await?;
                Ok(Some(accounts))
            })
        })
        .await
    }

    /// Enables a connection, unless it has changed since `seen` was checked.
    #[boxed]
    pub async fn enable_connection(&self, seen: &Connection) -> Result<bool, StoreError> {
        let (organization, id, revision) = (Id(seen.organization.0), Id(seen.id.0), Count(seen.revision));
        let (by, before) = (Author::current(), seen.clone());
        self.write(seen.organization, "enable a connection", move |mut db| {
            Box::pin(async move {
                let changed = execute!(
                    db,
                    "UPDATE connections SET status = 'enabled', wanted = $4
                     WHERE id = $1 AND organization_id = $2 AND revision = $3",
                    id,
                    organization,
                    revision,
                    true
                )?;
                if changed > 0 {
                    audited::status(&mut db, &by, &before, ConnectionStatus::Enabled).await?;
                }
                Ok(changed > 0)
            })
        })
        .await
    }

    /// Disables a connection and resolves its alerts. False when the organization has no such connection.
    #[boxed]
    pub async fn disable_connection(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(organization, "disable a connection", move |mut db| {
            Box::pin(async move {
                if by.is_known()
                    && let Some(before) = find_locked(&mut db, organization, id).await?
                {
                    audited::status(&mut db, &by, &before, ConnectionStatus::Disabled).await?;
                }
                let changed = set_status(&mut db, organization, id, ConnectionStatus::Disabled).await?;
                if changed {
                    alerts::close(&mut db, organization, id, None, now).await?;
                }
                Ok(changed)
            })
        })
        .await
    }
}
