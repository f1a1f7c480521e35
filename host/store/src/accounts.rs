//! Accounts at services: the sealed tokens of a connection or of one visitor. `renewals.rs` renews them.

mod renewals;

use std::collections::BTreeMap;

use resly_core::{
    actor::Actor,
    boxed,
    connector::{
        account::{Account, AccountKey, AccountTerms, RenewalFailure, Renewed, SealedCredentials},
        connection::Connection,
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    Store,
    audit::{Author, Subject, view},
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

/// What the audit log shows of an organization's own account. Those of visitors aren't in it.
#[derive(Serialize)]
struct AccountView<'a> {
    scope: Option<&'a str>,
}

/// An account with its connection.
#[derive(sqlx_macros::FromRow)]
struct KeyedRow {
    connection_id: Id,
    #[sqlx(flatten)]
    account: AccountRow,
}

/// The visitor as the row has it. The organization's own account has ''.
pub(crate) fn visitor_of(key: &AccountKey) -> Text<'_> {
    Text(key.visitor.as_deref().unwrap_or_default())
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

pub(crate) async fn delete(db: &mut Conn<'_>, key: &AccountKey) -> Result<Option<Account>, sqlx::Error> {
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

/// The accounts of a visitor that were connected until `at`.
pub(crate) async fn of_visitor(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    visitor: &str,
    at: Timestamp,
) -> Result<Vec<(AccountKey, Account)>, sqlx::Error> {
    let found = rows!(
        db,
        KeyedRow,
        select!(
            account,
            "FROM connection_accounts WHERE organization_id = $1 AND visitor = $2 AND authorized_at <= $3
             ORDER BY connection_id"
        ),
        Id(organization.0),
        Text(visitor),
        Time(at)
    )?;
    let keyed = found.into_iter().map(|row| {
        let connection = ConnectionId(row.connection_id.0);
        (AccountKey { organization, connection, visitor: Some(visitor.to_owned()) }, row.account.account())
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
    #[boxed]
    pub async fn put_account(
        &self,
        key: AccountKey,
        revision: u64,
        new: Renewed,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(key.organization, "keep a connected account", move |mut db| {
            Box::pin(async move {
                let kept = put(&mut db, &key, revision, &new, now).await?;
                if kept && key.visitor.is_none() {
                    // Whoever gave the authorization came from the service, and is nobody whom the host knows.
                    let by = if by.is_known() { by } else { Author::of(Actor::system("authorization", now)) };
                    let after = view(&AccountView { scope: new.terms.scope.as_deref() })?;
                    let subject = Subject::by_id(key.connection);
                    by.created(&mut db, key.organization, "account.connect", subject, after).await?;
                }
                Ok(kept)
            })
        })
        .await
    }

    /// Deletes an account with the connector's state for it, and returns it. Authorizations of it that haven't ended
    /// will fail.
    #[boxed]
    pub async fn delete_account(&self, key: AccountKey) -> Result<Option<Account>, StoreError> {
        let by = Author::current();
        self.write(key.organization, "forget an account", move |mut db| {
            Box::pin(async move {
                let deleted = delete(&mut db, &key).await?;
                if let Some(account) = deleted.as_ref().filter(|_| key.visitor.is_none()) {
                    let before = view(&AccountView { scope: account.terms.scope.as_deref() })?;
                    let subject = Subject::by_id(key.connection);
                    by.deleted(&mut db, key.organization, "account.disconnect", subject, before).await?;
                }
                Ok(deleted)
            })
        })
        .await
    }

    /// The authorized accounts of the organization itself, by connection.
    #[boxed]
    pub async fn own_accounts(
        &self,
        organization: OrganizationId,
    ) -> Result<BTreeMap<ConnectionId, Account>, StoreError> {
        let doing = "list an organization's accounts";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            KeyedRow,
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
    #[boxed]
    pub async fn accounts(&self, connection: &Connection) -> Result<Vec<(AccountKey, Account)>, StoreError> {
        let doing = "list a connection's accounts";
        let mut db = self.reader(connection.organization, doing).await?;
        of(&mut db.conn(), connection.organization, connection.id).await.map_err(failed(doing))
    }
}
