//! Accounts at services: the sealed tokens of a connection or of one visitor, and the lease to renew them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use resly_core::{
    connector::{
        account::{
            Account, AccountKey, AccountStore, AccountTerms, RenewalFailure, RenewalLease, Renewed, SealedCredentials,
        },
        connection::Connection,
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

use crate::{
    Store,
    columns::{returning, select},
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time},
};

#[derive(sqlx_macros::FromRow)]
struct AccountRow {
    visitor: String,
    sealed: Option<Vec<u8>>,
    scope: Option<String>,
    expires_at: Option<Time>,
    renew_at: Option<Time>,
    refreshable: bool,
    refresh_expires_at: Option<Time>,
    version: Count,
    claimed_until: Option<Time>,
    renewal_failure: Option<Json<RenewalFailure>>,
    authorized_at: Time,
}

impl AccountRow {
    fn account(self) -> Account {
        Account {
            sealed: self.sealed.map(SealedCredentials),
            terms: AccountTerms {
                scope: self.scope,
                expires_at: self.expires_at.map(|at| at.0),
                renew_at: self.renew_at.map(|at| at.0),
                refreshable: self.refreshable,
                refresh_expires_at: self.refresh_expires_at.map(|at| at.0),
            },
            version: self.version.0,
            claimed_until: self.claimed_until.map(|at| at.0),
            failure: self.renewal_failure.map(|failure| failure.0),
            authorized_at: self.authorized_at.0,
        }
    }
}

/// The visitor as the row has it. The organization's own account has ''.
pub(crate) fn visitor_of(key: &AccountKey) -> Text<'_> {
    Text(key.visitor.as_deref().unwrap_or_default())
}

async fn take_lease(
    db: &mut Conn<'_>,
    key: &AccountKey,
    lease: RenewalLease,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, sqlx::Error> {
    let (connection, organization, visitor) = (Id(key.connection.0), Id(key.organization.0), visitor_of(key));
    let claimed = if lease.version == 0 {
        execute!(
            db,
            "INSERT INTO connection_accounts
                 (organization_id, connection_id, visitor, refreshable, version, claimed_by, claimed_until, authorized_at)
             SELECT organization_id, id, $3, $7, 0, $4, $5, $6 FROM connections WHERE id = $1 AND organization_id = $2
             ON CONFLICT (connection_id, visitor) DO UPDATE
             SET claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
             WHERE connection_accounts.version = 0
               AND (connection_accounts.claimed_until IS NULL OR connection_accounts.claimed_until <= $6)",
            connection,
            organization,
            visitor,
            Id(lease.id),
            Time(until),
            Time(now),
            false
        )?
    } else {
        execute!(
            db,
            "UPDATE connection_accounts SET claimed_by = $4, claimed_until = $5
             WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3 AND version = $7
               AND (claimed_until IS NULL OR claimed_until <= $6)",
            connection,
            organization,
            visitor,
            Id(lease.id),
            Time(until),
            Time(now),
            Count(lease.version)
        )?
    };
    Ok(claimed > 0)
}

async fn renew(db: &mut Conn<'_>, key: &AccountKey, lease: RenewalLease, new: &Renewed) -> Result<bool, sqlx::Error> {
    let renewed = execute!(
        db,
        "UPDATE connection_accounts
         SET sealed = $6, scope = $7, expires_at = $8, renew_at = $9, refreshable = $10, refresh_expires_at = $11,
             version = version + 1, claimed_by = NULL, claimed_until = NULL, renewal_failure = NULL
         WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3 AND version = $4 AND claimed_by = $5",
        Id(key.connection.0),
        Id(key.organization.0),
        visitor_of(key),
        Count(lease.version),
        Id(lease.id),
        new.sealed.0.as_slice(),
        new.terms.scope.as_deref().map(Text),
        new.terms.expires_at.map(Time),
        new.terms.renew_at.map(Time),
        new.terms.refreshable,
        new.terms.refresh_expires_at.map(Time)
    )?;
    Ok(renewed > 0)
}

/// Stores a new account in place of the old one, even while a host renews the old one. The connection has to be at the
/// revision at which the new account was authorized.
async fn put(
    db: &mut Conn<'_>,
    key: &AccountKey,
    revision: u64,
    new: &Renewed,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let own = key.visitor.is_none();
    // Cached reads have the revision in their key. A higher one keeps what the old account read from the new one.
    let unchanged = execute!(
        db,
        "UPDATE connections SET revision = CASE WHEN $4 THEN revision + 1 ELSE revision END,
             tested_at = CASE WHEN $4 THEN NULL ELSE tested_at END,
             status = CASE WHEN $4 AND status IN ('enabled', 'needs_auth') THEN 'installed' ELSE status END
         WHERE id = $1 AND organization_id = $2 AND revision = $3",
        Id(key.connection.0),
        Id(key.organization.0),
        Count(revision),
        own
    )?;
    if unchanged == 0 {
        return Ok(false);
    }
    execute!(
        db,
        "INSERT INTO connection_accounts
             (organization_id, connection_id, visitor, sealed, scope, expires_at, renew_at, refreshable,
              refresh_expires_at, version, authorized_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10)
         ON CONFLICT (connection_id, visitor) DO UPDATE
         SET sealed = excluded.sealed, scope = excluded.scope, expires_at = excluded.expires_at,
             renew_at = excluded.renew_at, refreshable = excluded.refreshable,
             refresh_expires_at = excluded.refresh_expires_at, version = connection_accounts.version + 1,
             claimed_by = NULL, claimed_until = NULL, renewal_failure = NULL,
             authorized_at = excluded.authorized_at",
        Id(key.organization.0),
        Id(key.connection.0),
        visitor_of(key),
        new.sealed.0.as_slice(),
        new.terms.scope.as_deref().map(Text),
        new.terms.expires_at.map(Time),
        new.terms.renew_at.map(Time),
        new.terms.refreshable,
        new.terms.refresh_expires_at.map(Time),
        Time(now)
    )?;
    Ok(true)
}

async fn delete(db: &mut Conn<'_>, key: &AccountKey) -> Result<Option<Account>, sqlx::Error> {
    let deleted = row!(
        db,
        AccountRow,
        returning!(
            account,
            "DELETE FROM connection_accounts WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3"
        ),
        Id(key.connection.0),
        Id(key.organization.0),
        visitor_of(key)
    )?;
    execute!(
        db,
        "DELETE FROM oauth_flows WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3",
        Id(key.connection.0),
        Id(key.organization.0),
        visitor_of(key)
    )?;
    if key.visitor.is_some() {
        // Deletes the connector's state for this visitor (`core/src/connector/call/invocation.rs` names the scope).
        execute!(
            db,
            "DELETE FROM connector_state WHERE connection_id = $1 AND organization_id = $2
             AND connector = (SELECT connector FROM connections WHERE id = $1) || '/' || $3",
            Id(key.connection.0),
            Id(key.organization.0),
            visitor_of(key)
        )?;
    }
    Ok(deleted.map(AccountRow::account))
}

/// Every account of a connection.
pub(crate) async fn of(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
) -> Result<Vec<(AccountKey, Account)>, sqlx::Error> {
    let found = rows!(
        db,
        AccountRow,
        select!(account, "FROM connection_accounts WHERE connection_id = $1 AND organization_id = $2 ORDER BY visitor"),
        Id(connection.0),
        Id(organization.0)
    )?;
    let keyed = found.into_iter().map(|row| {
        let visitor = Some(row.visitor.clone()).filter(|visitor| !visitor.is_empty());
        (AccountKey { organization, connection, visitor }, row.account())
    });
    Ok(keyed.collect())
}

/// Deletes every account of a connection, and every authorization of it that hasn't ended.
pub(crate) async fn delete_all(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
) -> Result<(), sqlx::Error> {
    let (connection, organization) = (Id(connection.0), Id(organization.0));
    let accounts = "DELETE FROM connection_accounts WHERE connection_id = $1 AND organization_id = $2";
    execute!(db, accounts, connection, organization)?;
    execute!(
        db,
        "DELETE FROM oauth_flows WHERE connection_id = $1 AND organization_id = $2",
        connection,
        organization
    )?;
    Ok(())
}

impl Store {
    /// Stores an account that was just connected, in place of the old one. Returns false and stores nothing when the
    /// connection has another revision. An account of the connection itself raises the revision, and the connection has
    /// to pass a test before chats may use it again.
    pub async fn put_account(
        &self,
        key: AccountKey,
        revision: u64,
        new: Renewed,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("keep a connected account", move |mut db| {
            Box::pin(async move { Ok(put(&mut db, &key, revision, &new, now).await?) })
        })
        .await
    }

    /// Deletes an account with the connector's state for it, and returns it. Authorizations of it that haven't ended
    /// will fail.
    pub async fn delete_account(&self, key: AccountKey) -> Result<Option<Account>, StoreError> {
        self.write("forget an account", move |mut db| Box::pin(async move { Ok(delete(&mut db, &key).await?) })).await
    }

    /// The authorized accounts of the organization itself, by connection.
    pub async fn own_accounts(
        &self,
        organization: OrganizationId,
    ) -> Result<BTreeMap<ConnectionId, Account>, StoreError> {
        #[derive(sqlx_macros::FromRow)]
        struct Keyed {
            connection_id: Id,
            #[sqlx(flatten)]
            account: AccountRow,
        }
        let doing = "list an organization's accounts";
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            Keyed,
            select!(
                account,
                "FROM connection_accounts WHERE organization_id = $1 AND visitor = '' AND sealed IS NOT NULL"
            ),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        Ok(found.into_iter().map(|row| (ConnectionId(row.connection_id.0), row.account.account())).collect())
    }

    /// Every account of one connection.
    pub async fn accounts(&self, connection: &Connection) -> Result<Vec<(AccountKey, Account)>, StoreError> {
        let doing = "list a connection's accounts";
        let mut db = self.reader(doing).await?;
        of(&mut db.conn(), connection.organization, connection.id).await.map_err(failed(doing))
    }
}

#[async_trait]
impl AccountStore for Store {
    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, StoreError> {
        let doing = "find an account";
        let mut db = self.reader(doing).await?;
        let found = row!(
            db,
            AccountRow,
            select!(
                account,
                "FROM connection_accounts WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3"
            ),
            Id(key.connection.0),
            Id(key.organization.0),
            visitor_of(key)
        );
        Ok(found.map_err(failed(doing))?.map(AccountRow::account))
    }

    async fn lease_account(
        &self,
        key: &AccountKey,
        lease: RenewalLease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write("lease an account's renewal", move |mut db| {
            Box::pin(async move { Ok(take_lease(&mut db, &key, lease, now, until).await?) })
        })
        .await
    }

    async fn renew_account(&self, key: &AccountKey, lease: RenewalLease, renewed: Renewed) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write("keep an account's new tokens", move |mut db| {
            Box::pin(async move { Ok(renew(&mut db, &key, lease, &renewed).await?) })
        })
        .await
    }

    async fn release_account(&self, key: &AccountKey, lease: RenewalLease) -> Result<(), StoreError> {
        let key = key.clone();
        self.write("release an account's lease", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connection_accounts SET claimed_by = NULL, claimed_until = NULL
                     WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3 AND claimed_by = $4",
                    Id(key.connection.0),
                    Id(key.organization.0),
                    visitor_of(&key),
                    Id(lease.id)
                )?;
                Ok(())
            })
        })
        .await
    }

    async fn fail_account(
        &self,
        key: &AccountKey,
        lease: RenewalLease,
        failure: RenewalFailure,
    ) -> Result<(), StoreError> {
        let key = key.clone();
        self.write("keep why a renewal failed", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connection_accounts SET claimed_by = NULL, claimed_until = NULL, renewal_failure = $5
                     WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3 AND claimed_by = $4",
                    Id(key.connection.0),
                    Id(key.organization.0),
                    visitor_of(&key),
                    Id(lease.id),
                    Json(&failure)
                )?;
                Ok(())
            })
        })
        .await
    }

    async fn forget_account(&self, key: &AccountKey, lease: RenewalLease) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write("forget a dead account", move |mut db| {
            Box::pin(async move {
                let forgotten = execute!(
                    db,
                    "DELETE FROM connection_accounts
                     WHERE connection_id = $1 AND organization_id = $2 AND visitor = $3 AND version = $4
                       AND claimed_by = $5",
                    Id(key.connection.0),
                    Id(key.organization.0),
                    visitor_of(&key),
                    Count(lease.version),
                    Id(lease.id)
                )?;
                Ok(forgotten > 0)
            })
        })
        .await
    }
}
