//! The log of connector calls.

use resly_core::{
    connector::{
        connection::CallRecord,
        sandbox::{Cost, LogLine},
    },
    error::StoreError,
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    Store,
    error::failed,
    sql::{Conn, execute, rows},
    types::{Count, Id, Json, Text, Time, named},
};

/// Which calls to list. What is `None` matches all.
#[derive(Clone, Debug)]
pub struct LogQuery {
    pub connection: Option<ConnectionId>,
    /// `ok`, or a fault's kind.
    pub status: Option<String>,
    pub before: Option<Timestamp>,
    pub limit: u32,
}

#[derive(sqlx::FromRow)]
struct LogRow {
    id: Id,
    connection_id: Id,
    connector: String,
    action: String,
    environment: String,
    key_id: Option<Id>,
    conversation_id: Option<Id>,
    status: String,
    message: Option<String>,
    fuel: Count,
    http_calls: Count,
    response_bytes: Count,
    duration_us: Count,
    log: Json<Vec<LogLine>>,
    requests: Json<Vec<Value>>,
    created_at: Time,
}

impl LogRow {
    fn record(self, organization: OrganizationId) -> Result<CallRecord, sqlx::Error> {
        Ok(CallRecord {
            id: CallId(self.id.0),
            organization,
            connection: ConnectionId(self.connection_id.0),
            connector: self.connector,
            action: self.action,
            environment: named(self.environment)?,
            key: self.key_id.map(|key| KeyId(key.0)),
            conversation: self.conversation_id.map(|conversation| ConversationId(conversation.0)),
            status: self.status,
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
        })
    }
}

/// Writes the row of one call. False when it is there already.
pub(crate) async fn insert(db: &mut Conn<'_>, record: &CallRecord) -> Result<bool, sqlx::Error> {
    let inserted = execute!(
        db,
        "INSERT INTO connector_logs (id, organization_id, connection_id, connector, action, environment, key_id,
                                     conversation_id, status, message, fuel, http_calls, response_bytes, duration_us,
                                     log, requests, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (id) DO NOTHING",
        Id(record.id.0),
        Id(record.organization.0),
        Id(record.connection.0),
        record.connector.as_str(),
        record.action.as_str(),
        record.environment.name(),
        record.key.map(|key| Id(key.0)),
        record.conversation.map(|conversation| Id(conversation.0)),
        record.status.as_str(),
        record.message.as_deref().map(Text),
        Count(record.cost.fuel),
        Count(record.cost.http_calls.into()),
        Count(record.cost.response_bytes),
        Count(record.cost.duration_us),
        Json(&record.log),
        Json(&record.requests),
        Time(record.created_at)
    )?;
    Ok(inserted > 0)
}

impl Store {
    /// The organization's calls, newest first.
    pub async fn logs(&self, organization: OrganizationId, query: LogQuery) -> Result<Vec<CallRecord>, StoreError> {
        let doing = "list the connector calls";
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            LogRow,
            "SELECT id, connection_id, connector, action, environment, key_id, conversation_id, status, message, fuel,
                    http_calls, response_bytes, duration_us, log, requests, created_at
             FROM connector_logs
             WHERE organization_id = $1 AND ($2 OR connection_id = $3) AND ($4 OR status = $5)
               AND ($6 OR created_at < $7)
             ORDER BY created_at DESC, id DESC LIMIT $8",
            Id(organization.0),
            query.connection.is_none(),
            query.connection.map(|connection| Id(connection.0)),
            query.status.is_none(),
            query.status.as_deref().map(Text),
            query.before.is_none(),
            query.before.map(Time),
            i64::from(query.limit)
        )
        .map_err(failed(doing))?;
        let records = found.into_iter().map(|row| row.record(organization));
        records.collect::<Result<_, _>>().map_err(failed(doing))
    }
}
