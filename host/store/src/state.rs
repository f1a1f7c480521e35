//! The state that connectors keep between calls.

use async_trait::async_trait;
use resly_core::{
    connector::sandbox::{SetStateError, StateStore},
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

use crate::{
    Store,
    error::{OperationError, failed},
    log_budget,
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time},
};

const VALUE_BYTES: usize = 64 << 10;
const KEY_BYTES: usize = 256;
const KEYS: u64 = 128;
/// Keys and values of one connection and connector together.
const TOTAL_BYTES: u64 = 1 << 20;

struct Entry {
    organization: OrganizationId,
    connection: ConnectionId,
    connector: String,
    key: String,
    value: Vec<u8>,
    expires_at: Timestamp,
    now: Timestamp,
}

async fn set(db: &mut Conn<'_>, entry: &Entry) -> Result<(), OperationError<SetStateError>> {
    let (connection, connector) = (Id(entry.connection.0), Text(&entry.connector));
    if matches!(db, Conn::Postgres { .. }) {
        // The lock keeps two calls of one connection from both finding room for the last entry. It is a row's, because any
        // login of the database could hold an advisory one.
        execute!(
            db,
            "SELECT FROM connections WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE",
            connection,
            Id(entry.organization.0)
        )?;
    }
    let expired = Time(entry.now);
    execute!(
        db,
        "DELETE FROM connector_state
         WHERE connection_id = $1 AND connector = $2 AND organization_id = $3 AND (expires_at <= $4 OR ($5 AND key = $6))",
        connection,
        connector,
        Id(entry.organization.0),
        expired,
        entry.expires_at <= entry.now,
        Text(&entry.key)
    )?;
    if entry.expires_at <= entry.now {
        return Ok(());
    }
    let others = db.pick(
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(value) + LENGTH(CAST(key AS BLOB))), 0) FROM connector_state
         WHERE connection_id = $1 AND connector = $2 AND key <> $3",
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(value) + OCTET_LENGTH(key)), 0)::bigint FROM connector_state
         WHERE connection_id = $1 AND connector = $2 AND key <> $3",
    );
    let (keys, bytes) =
        row!(db, (Count, Count), others, connection, connector, Text(&entry.key))?.unwrap_or((Count(0), Count(0)));
    let new = entry.value.len().saturating_add(entry.key.len());
    if keys.0 >= KEYS {
        return Err(OperationError::Refused(SetStateError::TooMany));
    }
    if bytes.0.saturating_add(new as u64) > TOTAL_BYTES {
        return Err(OperationError::Refused(SetStateError::TooLarge));
    }
    // The connection may have been deleted meanwhile. Then nothing is stored.
    execute!(
        db,
        "INSERT INTO connector_state (organization_id, connection_id, connector, key, value, expires_at)
         SELECT organization_id, id, $3, $4, $5, $6 FROM connections WHERE id = $1 AND organization_id = $2
         ON CONFLICT (connection_id, connector, key) DO UPDATE
         SET value = excluded.value, expires_at = excluded.expires_at",
        connection,
        Id(entry.organization.0),
        connector,
        Text(&entry.key),
        entry.value.as_slice(),
        Time(entry.expires_at)
    )?;
    log_budget::add_of(db, entry.organization, entry.connection, new, entry.now).await?;
    Ok(())
}

#[async_trait]
impl StateStore for Store {
    async fn get_state(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        connector: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "read a connector's state";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (Vec<u8>,),
            "SELECT value FROM connector_state
             WHERE connection_id = $1 AND connector = $2 AND key = $3 AND organization_id = $4 AND expires_at > $5",
            Id(connection.0),
            Text(connector),
            Text(key),
            Id(organization.0),
            Time(now)
        );
        Ok(found.map_err(failed(doing))?.map(|(value,)| value))
    }

    /// A refused value leaves the old one in place.
    async fn set_state(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        connector: &str,
        key: &str,
        value: &[u8],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), SetStateError> {
        if value.len() > VALUE_BYTES || key.len() > KEY_BYTES {
            return Err(SetStateError::TooLarge);
        }
        let entry = Entry {
            organization,
            connection,
            connector: connector.to_owned(),
            key: key.to_owned(),
            value: value.to_vec(),
            expires_at,
            now,
        };
        self.write(organization, "keep a connector's state", move |mut db| {
            Box::pin(async move { set(&mut db, &entry).await })
        })
        .await
    }
}
