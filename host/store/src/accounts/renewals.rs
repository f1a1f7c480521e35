//! The port [`AccountStore`]: one of many hosts renews an account's tokens, under a lease.

use async_trait::async_trait;
use resly_core::{
    connector::account::{Account, AccountKey, AccountStore, RenewalFailure, RenewalLease, Renewed},
    error::StoreError,
    time::Timestamp,
};

use super::{AccountRow, visitor_of};
use crate::{
    Store,
    columns::select,
    error::failed,
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Text, Time},
};

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

#[async_trait]
impl AccountStore for Store {
    async fn account(&self, key: &AccountKey) -> Result<Option<Account>, StoreError> {
        let doing = "find an account";
        let mut db = self.reader(key.organization, doing).await?;
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
        self.write(key.organization, "lease an account's renewal", move |mut db| {
            Box::pin(async move { Ok(take_lease(&mut db, &key, lease, now, until).await?) })
        })
        .await
    }

    async fn renew_account(&self, key: &AccountKey, lease: RenewalLease, renewed: Renewed) -> Result<bool, StoreError> {
        let key = key.clone();
        self.write(key.organization, "keep an account's new tokens", move |mut db| {
            Box::pin(async move { Ok(renew(&mut db, &key, lease, &renewed).await?) })
        })
        .await
    }

    async fn release_account(&self, key: &AccountKey, lease: RenewalLease) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(key.organization, "release an account's lease", move |mut db| {
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
        self.write(key.organization, "keep why a renewal failed", move |mut db| {
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
        self.write(key.organization, "forget a dead account", move |mut db| {
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
