//! The health of connections. Each connection that was called, or is due for a check, has one row under its own id.

use async_trait::async_trait;
use resly_core::{
    alert::{HealthChange, health_change},
    boxed,
    connector::{
        failure_reason::FailureReason,
        health::{DueCheck, Health, HealthObservation, HealthState, HealthStore},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

use crate::{
    RowScope, Store, alerts,
    columns::select,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Text, Time, named},
};

#[derive(sqlx_macros::FromRow)]
struct HealthRow {
    state: String,
    reason: Option<String>,
    message: Option<String>,
    since: Time,
    checked_at: Option<Time>,
    next_check_at: Time,
    failures: Count,
}

impl HealthRow {
    fn health(self) -> Result<Health, sqlx::Error> {
        Ok(Health {
            state: named(self.state)?,
            reason: self.reason.map(named).transpose()?,
            message: self.message,
            since: self.since.0,
            checked_at: self.checked_at.map(|at| at.0),
            next_check_at: self.next_check_at.0,
            failures: u32::try_from(self.failures.0).unwrap_or(u32::MAX),
        })
    }
}

async fn observe(db: &mut Conn<'_>, observed: HealthObservation) -> Result<(), sqlx::Error> {
    let HealthObservation { organization, connection, evidence, offered, schedule, chance, now } = observed;
    let Some(subject) = alerts::subject(db, organization, connection).await? else { return Ok(()) };
    execute!(
        db,
        "INSERT INTO connection_health (id, organization_id, state, since, next_check_at, failures, created_at)
         VALUES ($1, $2, 'unknown', $3, $3, 0, $3) ON CONFLICT (id) DO NOTHING",
        Id(connection.0),
        Id(organization.0),
        Time(now)
    )?;
    // The lock makes two hosts that saw a failure at the same time count one after the other.
    let sql = db.pick(
        select!(health, "FROM connection_health WHERE id = $1"),
        select!(health, "FROM connection_health WHERE id = $1 FOR UPDATE"),
    );
    let Some(before) = row!(db, HealthRow, sql, Id(connection.0))? else { return Ok(()) };
    let before = before.health()?;
    let after = before.after(evidence, schedule, chance, now);
    execute!(
        db,
        "UPDATE connection_health
         SET state = $2, reason = $3, message = $4, since = $5, checked_at = $6, next_check_at = $7, failures = $8,
             lease_until = NULL
         WHERE id = $1",
        Id(connection.0),
        after.state.name(),
        after.reason.map(FailureReason::name),
        after.message.as_deref().map(Text),
        Time(after.since),
        after.checked_at.map(Time),
        Time(after.next_check_at),
        Count(after.failures.into())
    )?;
    match health_change(&before, &after, &subject, offered) {
        None => Ok(()),
        Some(HealthChange::Raise(alert)) => alerts::raise(db, organization, &subject, &alert, now).await,
        Some(HealthChange::Recovered) => alerts::resolve_health_alerts(db, organization, &subject, now).await,
    }
}

/// Deletes the health of a connection that has changed.
pub(crate) async fn forget(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM connection_health WHERE id = $1 AND organization_id = $2";
    execute!(db, sql, Id(connection.0), Id(organization.0)).map(drop)
}

/// Takes connections whose check is due. Enabled connections without a row get one that is due at once, because the
/// test that allowed enabling them may be old.
async fn take_due(
    db: &mut Conn<'_>,
    now: Timestamp,
    lease_until: Timestamp,
    most: u32,
) -> Result<Vec<DueCheck>, sqlx::Error> {
    execute!(
        db,
        "INSERT INTO connection_health (id, organization_id, state, since, next_check_at, failures, created_at)
         SELECT c.id, c.organization_id, 'unknown', $1, $1, 0, $1 FROM connections c
         WHERE c.status = 'enabled' AND c.environment = 'production' AND c.owner = 'organization'
           AND NOT EXISTS (SELECT 1 FROM connection_health h WHERE h.id = c.id)
         ON CONFLICT (id) DO NOTHING",
        Time(now)
    )?;
    let sql = db.pick(
        "UPDATE connection_health SET lease_until = $2 WHERE id IN (
             SELECT h.id FROM connection_health h JOIN connections c ON c.id = h.id
             WHERE c.status = 'enabled' AND c.environment = 'production' AND c.owner = 'organization'
               AND h.next_check_at <= $1 AND (h.lease_until IS NULL OR h.lease_until <= $1)
             ORDER BY h.next_check_at LIMIT $3)
         RETURNING id, organization_id",
        "UPDATE connection_health SET lease_until = $2 WHERE id IN (
             SELECT h.id FROM connection_health h JOIN connections c ON c.id = h.id
             WHERE c.status = 'enabled' AND c.environment = 'production' AND c.owner = 'organization'
               AND h.next_check_at <= $1 AND (h.lease_until IS NULL OR h.lease_until <= $1)
             ORDER BY h.next_check_at LIMIT $3 FOR UPDATE OF h SKIP LOCKED)
         RETURNING id, organization_id",
    );
    let due = rows!(db, (Id, Id), sql, Time(now), Time(lease_until), i64::from(most))?;
    let check = |(id, organization): (Id, Id)| DueCheck {
        organization: OrganizationId(organization.0),
        connection: ConnectionId(id.0),
        lease_until,
    };
    Ok(due.into_iter().map(check).collect())
}

impl Store {
    /// The health of a connection. `None` when it was never called.
    #[boxed]
    pub async fn health(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
    ) -> Result<Option<Health>, StoreError> {
        let doing = "read a connection's health";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            HealthRow,
            select!(health, "FROM connection_health WHERE id = $1 AND organization_id = $2"),
            Id(connection.0),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.map(HealthRow::health).transpose().map_err(failed(doing))
    }

    /// The states of all connections of an organization that were ever called.
    #[boxed]
    pub async fn health_states(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<(ConnectionId, HealthState)>, StoreError> {
        let doing = "read the connections' health";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            (Id, String),
            "SELECT id, state FROM connection_health WHERE organization_id = $1",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let state = |(id, state): (Id, String)| Ok((ConnectionId(id.0), named(state)?));
        found.into_iter().map(state).collect::<Result<_, _>>().map_err(failed(doing))
    }
}

#[async_trait]
impl HealthStore for Store {
    async fn observe(&self, observed: HealthObservation) -> Result<(), StoreError> {
        // Most calls change nothing, so they cost only this read.
        let known = self.health(observed.organization, observed.connection).await?;
        if known.is_some_and(|health| health.is_redundant(&observed.evidence, observed.now)) {
            return Ok(());
        }
        self.write(observed.organization, "store a connection's health", move |mut db| {
            Box::pin(async move { Ok(observe(&mut db, observed).await?) })
        })
        .await
    }

    async fn take_due_checks(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        most: u32,
    ) -> Result<Vec<DueCheck>, StoreError> {
        self.write(RowScope::Host, "take the checks that are due", move |mut db| {
            Box::pin(async move { Ok(take_due(&mut db, now, lease_until, most).await?) })
        })
        .await
    }

    async fn postpone_check(&self, check: DueCheck, at: Timestamp) -> Result<(), StoreError> {
        self.write(check.organization, "postpone a check", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connection_health SET next_check_at = $3, lease_until = NULL
                     WHERE id = $1 AND organization_id = $2 AND lease_until = $4",
                    Id(check.connection.0),
                    Id(check.organization.0),
                    Time(at),
                    Time(check.lease_until)
                )?;
                Ok(())
            })
        })
        .await
    }
}
