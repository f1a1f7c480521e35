//! Alerts. Raising or resolving one queues the webhook's message in the same transaction.

use resly_core::{
    alert::{
        AlertKind, AlertState, AlertSubject, EXPIRY_AHEAD, Event, NewAlert, Severity, alert_data, expiry, health_cause,
        payload,
    },
    boxed,
    connector::failure_reason::FailureReason,
    error::StoreError,
    id::{AlertId, ConnectionId, OrganizationId},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::{
    RowScope, Store,
    columns::{returning, select},
    error::failed,
    page::Cursor,
    query::Query,
    row_id::row_id,
    sql::{Conn, execute, row, rows},
    types::{Id, Text, Time, named},
    webhooks,
};

/// The most credentials that one transaction checks.
const BATCH: i64 = 100;

/// An alert as an admin sees it.
#[derive(Clone, Debug)]
pub struct Alert {
    pub id: AlertId,
    pub connection: Option<ConnectionId>,
    pub kind: AlertKind,
    pub severity: Severity,
    pub state: AlertState,
    pub title: String,
    /// What happened; redacted.
    pub message: Option<String>,
    pub reason: Option<FailureReason>,
    pub created_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
}

/// Which alerts to list. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct AlertQuery {
    pub state: Option<AlertState>,
    pub connection: Option<ConnectionId>,
    pub before: Option<Cursor>,
    pub limit: u32,
}

/// A connection, as alerts name it.
pub(crate) async fn subject(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
) -> Result<Option<AlertSubject>, sqlx::Error> {
    let found = row!(
        db,
        (String, String, String),
        "SELECT name, connector, environment FROM connections WHERE id = $1 AND organization_id = $2",
        Id(connection.0),
        Id(organization.0)
    )?;
    let subject = |(name, connector, environment)| {
        Ok(AlertSubject { connection, name, connector, environment: named(environment)? })
    };
    found.map(subject).transpose()
}

#[derive(sqlx_macros::FromRow)]
struct AlertRow {
    id: Id,
    connection_id: Option<Id>,
    kind: String,
    severity: String,
    state: String,
    title: String,
    message: Option<String>,
    reason: Option<String>,
    created_at: Time,
    resolved_at: Option<Time>,
}

impl AlertRow {
    fn alert(self) -> Result<Alert, sqlx::Error> {
        Ok(Alert {
            id: AlertId(self.id.0),
            connection: self.connection_id.map(|id| ConnectionId(id.0)),
            kind: named(self.kind)?,
            severity: named(self.severity)?,
            state: named(self.state)?,
            title: self.title,
            message: self.message,
            reason: self.reason.map(named).transpose()?,
            created_at: self.created_at.0,
            resolved_at: self.resolved_at.map(|at| at.0),
        })
    }
}

/// Raises an alert, unless one is open for its cause.
pub(crate) async fn raise(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    subject: &AlertSubject,
    alert: &NewAlert,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let raised = row!(
        db,
        (Id,),
        "INSERT INTO alerts (id, organization_id, connection_id, kind, severity, cause, state, title, message, reason,
                             created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10)
         ON CONFLICT (organization_id, cause) WHERE state = 'open' DO NOTHING
         RETURNING id",
        row_id(now),
        Id(organization.0),
        Id(subject.connection.0),
        alert.kind.name(),
        alert.kind.severity().name(),
        alert.cause.as_str(),
        Text(&alert.title),
        alert.message.as_deref().map(Text),
        alert.reason.map(FailureReason::name),
        Time(now)
    )?;
    let Some((id,)) = raised else { return Ok(()) };
    let id = AlertId(id.0);
    let data = alert_data(id, alert.kind, &alert.title, alert.reason, subject);
    queue_event(db, organization, alert.kind.event(), Some(id), data, now).await
}

/// Resolves the open alerts about a connection's health. When there was one, the webhook is told.
pub(crate) async fn resolve_health_alerts(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    subject: &AlertSubject,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut ended = Vec::new();
    for kind in [AlertKind::NeedsAuth, AlertKind::ConnectionFailing] {
        let resolved = row!(
            db,
            (Id,),
            "UPDATE alerts SET state = 'resolved', resolved_at = $3
             WHERE organization_id = $1 AND cause = $2 AND state = 'open' RETURNING id",
            Id(organization.0),
            health_cause(kind, subject.connection),
            Time(now)
        )?;
        ended.extend(resolved.map(|(id,)| id.0));
    }
    if ended.is_empty() {
        return Ok(());
    }
    let data = json!({"alerts": ended, "connection": subject.data()});
    queue_event(db, organization, Event::ConnectionRecovered, None, data, now).await
}

async fn queue_event(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    event: Event,
    alert: Option<AlertId>,
    data: Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    webhooks::enqueue(db, organization, event, alert, payload(event, now, data), now).await
}

/// Resolves all open alerts of a connection without telling the webhook, because an admin disabled the connection or gave
/// it another credential.
pub(crate) async fn close(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
    kind: Option<AlertKind>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE alerts SET state = 'resolved', resolved_at = $4
         WHERE organization_id = $1 AND connection_id = $2 AND state = 'open' AND ($3 IS NULL OR kind = $3)",
        Id(organization.0),
        Id(connection.0),
        kind.map(AlertKind::name),
        Time(now)
    )
    .map(drop)
}

/// Stores when a connection's credential ends, and resolves the alert about its end.
pub(crate) async fn set_expiry(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
    ends: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let changed = execute!(
        db,
        "UPDATE connections SET credentials_expire_at = $3 WHERE id = $1 AND organization_id = $2",
        Id(connection.0),
        Id(organization.0),
        ends.map(Time)
    )?;
    if changed > 0 {
        close(db, organization, connection, Some(AlertKind::CredentialExpiring), now).await?;
    }
    Ok(())
}

/// When each production connection's credential ends unless a person renews it. It is the earlier of two times: the one
/// that an admin set, and the end of the account's tokens.
macro_rules! ends {
    ($select:literal) => {
        concat!(
            "WITH ends AS (
                 SELECT c.id, c.organization_id, c.expiry_told_at,
                        CASE WHEN a.ends IS NULL OR c.credentials_expire_at < a.ends THEN c.credentials_expire_at
                             ELSE a.ends END AS ends
                 FROM connections c
                 LEFT JOIN (SELECT connection_id, CASE WHEN refreshable THEN refresh_expires_at ELSE expires_at END AS ends
                            FROM connection_accounts WHERE visitor = '') a ON a.connection_id = c.id
                 WHERE c.environment = 'production') ",
            $select
        )
    };
}

/// Raises alerts about credentials that end soon and have none, and resolves those about credentials that don't any more.
async fn warn(db: &mut Conn<'_>, now: Timestamp) -> Result<u64, sqlx::Error> {
    let soon = Time(now.plus(EXPIRY_AHEAD));
    let found = rows!(
        db,
        (Id, Id, Time),
        ends!(
            "SELECT id, organization_id, ends FROM ends
             WHERE ends <= $1 AND (expiry_told_at IS NULL OR expiry_told_at <> ends) ORDER BY ends LIMIT $2"
        ),
        soon,
        BATCH
    )?;
    for (connection, organization, ends) in &found {
        let told = execute!(
            db,
            "UPDATE connections SET expiry_told_at = $2
             WHERE id = $1 AND (expiry_told_at IS NULL OR expiry_told_at <> $2)",
            *connection,
            *ends
        )?;
        let (organization, connection) = (OrganizationId(organization.0), ConnectionId(connection.0));
        if told > 0
            && let Some(subject) = subject(db, organization, connection).await?
        {
            close(db, organization, connection, Some(AlertKind::CredentialExpiring), now).await?;
            raise(db, organization, &subject, &expiry(&subject, ends.0), now).await?;
        }
    }
    execute!(
        db,
        ends!(
            "UPDATE alerts SET state = 'resolved', resolved_at = $2
             WHERE kind = 'credential_expiring' AND state = 'open'
               AND connection_id NOT IN (SELECT id FROM ends WHERE ends <= $1)"
        ),
        soon,
        Time(now)
    )?;
    Ok(found.len() as u64)
}

impl Store {
    /// The organization's alerts, newest first.
    #[boxed]
    pub async fn alerts(&self, organization: OrganizationId, query: AlertQuery) -> Result<Vec<Alert>, StoreError> {
        let doing = "list the alerts";
        let mut db = self.reader(organization, doing).await?;
        let mut list = Query::new(&db.conn(), select!(alert, "FROM alerts WHERE organization_id = "));
        list.bind(Id(organization.0))
            .filter(" AND state = ", query.state.map(AlertState::name))
            .filter(" AND connection_id = ", query.connection.map(|id| Id(id.0)))
            .older(" AND (created_at, id)", query.before)
            .push(" ORDER BY created_at DESC, id DESC LIMIT ")
            .bind(i64::from(query.limit));
        let found: Vec<AlertRow> = list.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(AlertRow::alert).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Resolves an alert for an admin, and returns it. `None` when the organization has no such alert.
    #[boxed]
    pub async fn resolve_alert(
        &self,
        organization: OrganizationId,
        id: AlertId,
        now: Timestamp,
    ) -> Result<Option<Alert>, StoreError> {
        self.write(organization, "resolve an alert", move |mut db| {
            Box::pin(async move {
                let resolved = row!(
                    db,
                    AlertRow,
                    returning!(
                        alert,
                        "UPDATE alerts SET state = 'resolved', resolved_at = COALESCE(resolved_at, $3)
                     WHERE id = $1 AND organization_id = $2"
                    ),
                    Id(id.0),
                    Id(organization.0),
                    Time(now)
                )?;
                Ok(resolved.map(AlertRow::alert).transpose()?)
            })
        })
        .await
    }

    /// Resolves all open alerts of a connection that was disabled.
    pub async fn close_alerts(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(organization, "end a connection's alerts", move |mut db| {
            Box::pin(async move { Ok(close(&mut db, organization, connection, None, now).await?) })
        })
        .await
    }

    /// Stores when a connection's credential ends, as an admin says. `None` when it doesn't end.
    pub async fn set_credentials_expiry(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        ends: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(organization, "note when a credential ends", move |mut db| {
            Box::pin(async move { Ok(set_expiry(&mut db, organization, connection, ends, now).await?) })
        })
        .await
    }

    /// When the credentials of an organization's connections end. Connections without a known end are left out.
    #[boxed]
    pub async fn credential_expiries(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<(ConnectionId, Timestamp)>, StoreError> {
        let doing = "read when credentials end";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            (Id, Time),
            "SELECT id, credentials_expire_at FROM connections
             WHERE organization_id = $1 AND credentials_expire_at IS NOT NULL",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        Ok(found.into_iter().map(|(id, ends)| (ConnectionId(id.0), ends.0)).collect())
    }

    /// Raises an alert for each credential that ends soon and can't be refreshed, once for each end. Any number of hosts
    /// may do it at once.
    #[boxed]
    pub async fn warn_of_expiry(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut warned = 0;
        loop {
            let batch = self.write(RowScope::Host, "warn of credentials that end", move |mut db| {
                Box::pin(async move { Ok(warn(&mut db, now).await?) })
            });
            let batch: u64 = batch.await?;
            warned += batch;
            if batch < BATCH.unsigned_abs() {
                return Ok(warned);
            }
        }
    }
}
