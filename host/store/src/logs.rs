//! The log of connector calls. A row never changes, and is deleted after the days that the organization's plan allows.

mod search;

use resly_core::{
    boxed,
    connector::{
        call::{CallRecord, CallStatus},
        connection::{CallerKind, Environment},
        failure_reason::FailureReason,
        sandbox::{Cost, LogLine},
    },
    error::StoreError,
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    RowScope, Store, conversations,
    error::failed,
    log_budget::{self, LogDetail},
    page::Cursor,
    query::Query,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, named},
};

pub(crate) use self::search::{end_of_window, search};

/// Rows deleted in one transaction. Other writes wait for it, so it has to be short.
const BATCH: i64 = 100;

/// Which calls to list. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    pub connection: Option<ConnectionId>,
    pub connector: Option<String>,
    pub action: Option<String>,
    pub status: Option<CallStatus>,
    /// Only calls that failed.
    pub failed: bool,
    pub reason: Option<FailureReason>,
    pub environment: Option<Environment>,
    pub caller: Option<CallerKind>,
    pub key: Option<KeyId>,
    pub conversation: Option<ConversationId>,
    /// The earliest time.
    pub from: Option<Timestamp>,
    /// All times before this one.
    pub to: Option<Timestamp>,
    /// Where the page begins.
    pub before: Option<Cursor>,
    /// Where the page ends: it then has the calls that follow, from the oldest of them on.
    pub after: Option<Cursor>,
    /// A text in the message, in a log line, or in a request's host or path. Case doesn't matter (SQLite: for ASCII).
    pub text: Option<String>,
    pub limit: u32,
}

/// A page of calls.
#[derive(Clone, Debug)]
pub struct LogPage {
    pub calls: Vec<LoggedCall>,
    /// Whether there are older calls; newer ones, when the page was asked for by its end.
    pub more: bool,
    /// The last call that was looked at, where the search ended before it had looked at all.
    pub searched_to: Option<Cursor>,
}

impl LogPage {
    /// Where the next page begins.
    pub fn next(&self) -> Option<Cursor> {
        let last = self.calls.last().filter(|_| self.more);
        last.map(|logged| Cursor { at: logged.call.created_at, id: logged.call.id.0 }).or(self.searched_to)
    }
}

/// A call as it is listed.
#[derive(Clone, Debug)]
pub struct LoggedCall {
    pub call: CallRecord,
    /// Of the key it was made with, also when that has been deleted.
    pub key_name: Option<String>,
}

#[derive(sqlx_macros::FromRow)]
struct LogRow {
    id: Id,
    connection_id: Id,
    connector: String,
    version: String,
    action: String,
    environment: String,
    caller: String,
    key_id: Option<Id>,
    key_name: Option<String>,
    conversation_id: Option<Id>,
    status: String,
    reason: Option<String>,
    cached: bool,
    message: Option<String>,
    fuel: Count,
    http_calls: Count,
    response_bytes: Count,
    duration_us: Count,
    log: Json<Vec<LogLine>>,
    requests: Json<Vec<Value>>,
    created_at: Time,
    found: Count,
}

impl LogRow {
    fn logged(self, organization: OrganizationId) -> Result<LoggedCall, sqlx::Error> {
        let call = CallRecord {
            id: CallId(self.id.0),
            organization,
            connection: ConnectionId(self.connection_id.0),
            connector: self.connector,
            version: self.version,
            action: self.action,
            environment: named(self.environment)?,
            caller: named(self.caller)?,
            key: self.key_id.map(|key| KeyId(key.0)),
            conversation: self.conversation_id.map(|conversation| ConversationId(conversation.0)),
            status: named(self.status)?,
            reason: self.reason.map(named).transpose()?,
            cached: self.cached,
            message: self.message,
            cost: Cost {
                fuel: self.fuel.0,
                http_calls: u32::try_from(self.http_calls.0).unwrap_or(u32::MAX),
                response_bytes: self.response_bytes.0,
                duration_us: self.duration_us.0,
            },
            log: self.log.0,
            requests: self.requests.0,
            created_at: self.created_at.0,
        };
        Ok(LoggedCall { call, key_name: self.key_name })
    }
}

/// Writes the row of one call and counts its bytes. Returns the size of the day's log, or `None` when the row exists.
pub(crate) async fn insert(db: &mut Conn<'_>, kept: &LogDetail) -> Result<Option<u64>, sqlx::Error> {
    let stripped;
    let mut record = &kept.record;
    if let Some(conversation) = record.conversation
        && !conversations::exists(db, record.organization, conversation).await?
    {
        // It was deleted while the call ran, and so is what the call says about it. The row still settles the call.
        let whole = record.clone();
        stripped = CallRecord { conversation: None, message: None, log: Vec::new(), requests: Vec::new(), ..whole };
        record = &stripped;
    }
    let inserted = execute!(
        db,
        "INSERT INTO connector_logs (id, organization_id, connection_id, connector, version, action, environment,
                                     caller, key_id, conversation_id, status, reason, cached, message, fuel,
                                     http_calls, response_bytes, duration_us, log, requests, created_at, bytes, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $21)
         ON CONFLICT (id) DO NOTHING",
        Id(record.id.0),
        Id(record.organization.0),
        Id(record.connection.0),
        record.connector.as_str(),
        record.version.as_str(),
        record.action.as_str(),
        record.environment.name(),
        record.caller.name(),
        record.key.map(|key| Id(key.0)),
        record.conversation.map(|conversation| Id(conversation.0)),
        record.status.name(),
        record.reason.map(FailureReason::name),
        record.cached,
        record.message.as_deref().map(Text),
        Count(record.cost.fuel),
        Count(record.cost.http_calls.into()),
        Count(record.cost.response_bytes),
        Count(record.cost.duration_us),
        Json(&record.log),
        Json(&record.requests),
        Time(record.created_at),
        Count(kept.bytes)
    )?;
    if inserted == 0 { Ok(None) } else { log_budget::add_log(db, kept).await.map(Some) }
}

/// A table whose rows are deleted after the plan's days: the organizations that have such rows at `$1`, with the days that
/// they keep them, in SQLite and in PostgreSQL; and the statement that deletes some of one organization's.
macro_rules! expiring {
    ($table:literal) => {
        (
            concat!(
                "SELECT o.id, o.log_days FROM organizations o WHERE EXISTS (
                     SELECT 1 FROM ",
                $table,
                " l WHERE l.organization_id = o.id
                     AND l.created_at < strftime('%Y-%m-%dT%H:%M:%f', $1, '-' || o.log_days || ' days'))"
            ),
            concat!(
                "SELECT o.id, o.log_days FROM organizations o WHERE EXISTS (
                     SELECT 1 FROM ",
                $table,
                " l WHERE l.organization_id = o.id
                     AND l.created_at < $1 - make_interval(days => o.log_days::int))"
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE id IN (
                     SELECT id FROM ",
                $table,
                " WHERE organization_id = $1 AND created_at < $2 ORDER BY created_at LIMIT $3)"
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE id IN (
                     SELECT id FROM ",
                $table,
                " WHERE organization_id = $1 AND created_at < $2 ORDER BY created_at LIMIT $3
                     FOR UPDATE SKIP LOCKED)"
            ),
        )
    };
}

/// The tables whose rows are deleted after the plan's days.
pub(crate) const EXPIRING: [(&str, &str, &str, &str); 2] = [expiring!("connector_logs"), expiring!("approvals")];
const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;

impl Store {
    /// A page of the organization's calls, newest first. It has at most as many as are asked for, and fewer when they are
    /// large. Where the query needs a look at each call, it looks at some thousands of them, and says where it ended.
    #[boxed]
    pub async fn logs(&self, organization: OrganizationId, query: LogQuery) -> Result<LogPage, StoreError> {
        let doing = "list the connector calls";
        let mut db = self.reader(organization, doing).await?;
        let mut end = None;
        if let Some(last) = end_of_window(&db.conn(), organization, &query) {
            let found: Vec<(Time, Id)> = last.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
            end = found.first().map(|(at, id)| Cursor { at: at.0, id: id.0 });
        }
        let page = search(&db.conn(), organization, &query, end);
        let found: Vec<LogRow> = page.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        let all = found.first().map_or(0, |row| row.found.0);
        let calls = found.into_iter().take(query.limit as usize).map(|row| row.logged(organization));
        let mut calls: Vec<_> = calls.collect::<Result<_, _>>().map_err(failed(doing))?;
        let more = (calls.len() as u64) < all;
        if query.after.is_some() {
            calls.reverse();
        }
        Ok(LogPage { calls, more, searched_to: end.filter(|_| !more) })
    }

    /// One call. `None` when the organization has no such call, or it is no longer kept.
    #[boxed]
    pub async fn log(&self, organization: OrganizationId, id: CallId) -> Result<Option<LoggedCall>, StoreError> {
        let doing = "read a connector call";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(db, LogRow, search::ONE, Id(id.0), Id(organization.0)).map_err(failed(doing))?;
        found.map(|row| row.logged(organization)).transpose().map_err(failed(doing))
    }

    /// When each of these connections was called last, as far as the log goes back.
    #[boxed]
    pub async fn last_calls(
        &self,
        organization: OrganizationId,
        of: &[ConnectionId],
    ) -> Result<Vec<(ConnectionId, Timestamp)>, StoreError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let doing = "find the last call of each connection";
        let mut db = self.reader(organization, doing).await?;
        let mut query = Query::new(
            &db.conn(),
            "SELECT c.id, (SELECT MAX(l.created_at) FROM connector_logs l WHERE l.connection_id = c.id)
             FROM connections c WHERE c.organization_id = ",
        );
        query.bind(Id(organization.0));
        for (at, id) in of.iter().enumerate() {
            query.push(if at == 0 { " AND c.id IN (" } else { ", " }).bind(Id(id.0));
        }
        query.push(")");
        let found: Vec<(Id, Option<Time>)> = query.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        Ok(found.into_iter().filter_map(|(id, at)| Some((ConnectionId(id.0), at?.0))).collect())
    }

    /// Deletes calls and approvals that are older than their organization's plan keeps them. Returns their number. Any
    /// number of hosts may do it at once. Only a reader looks at every organization, so that no write waits for that.
    #[boxed]
    pub async fn expire_logs(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "find old logs";
        let mut deleted = 0;
        for (due, due_postgres, delete, delete_postgres) in EXPIRING {
            let mut db = self.reader(RowScope::Host, doing).await?;
            let sql = db.pick(due, due_postgres);
            let organizations = rows!(db, (Id, Count), sql, Time(now)).map_err(failed(doing))?;
            drop(db);
            for (organization, days) in organizations {
                let kept = i64::try_from(days.0).unwrap_or(i64::MAX).saturating_mul(DAY_MICROS);
                let before = Time(Timestamp::from_micros(now.micros().saturating_sub(kept)));
                loop {
                    let batch = self.write(OrganizationId(organization.0), "delete old logs", move |mut db| {
                        let sql = db.pick(delete, delete_postgres);
                        Box::pin(async move { Ok(execute!(db, sql, organization, before, BATCH)?) })
                    });
                    let batch: u64 = batch.await?;
                    deleted += batch;
                    if batch < BATCH.unsigned_abs() {
                        break;
                    }
                }
            }
        }
        Ok(deleted)
    }
}
