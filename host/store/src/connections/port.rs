//! The port [`ConnectionStore`]: what a connector call reads and writes.

use async_trait::async_trait;
use resly_core::{
    connector::{
        account::{AccountKey, AccountStore},
        call::{BeginCallError, CallRecord, ConnectionStore, FuelGrant},
        connection::{Connection, ConnectionStatus, Environment},
    },
    error::StoreError,
    id::{CallId, ConnectionId, OrganizationId},
    time::Timestamp,
};

use super::{ConnectionRow, set_status};
use crate::{
    Store, calls,
    columns::select,
    error::failed,
    logs,
    sql::{execute, row, rows},
    types::{Count, Id},
};

#[async_trait]
impl ConnectionStore for Store {
    async fn authorized_at(&self, account: &AccountKey) -> Result<Option<Timestamp>, StoreError> {
        let found = self.account(account).await?.filter(|account| account.sealed.is_some());
        Ok(found.map(|account| account.authorized_at))
    }

    async fn enabled_connections(&self, organization: OrganizationId) -> Result<Vec<Connection>, StoreError> {
        let doing = "list the enabled connections";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            ConnectionRow,
            select!(
                connection,
                "FROM connections WHERE organization_id = $1 AND status = 'enabled' ORDER BY created_at, id"
            ),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(ConnectionRow::connection).collect::<Result<_, _>>().map_err(failed(doing))
    }

    async fn connection(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let doing = "find a connection";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            ConnectionRow,
            select!(connection, "FROM connections WHERE id = $1 AND organization_id = $2"),
            Id(id.0),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.map(ConnectionRow::connection).transpose().map_err(failed(doing))
    }

    /// The revision stays, because a credential is bound to nothing that changes here.
    async fn set_connection_status(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
        status: ConnectionStatus,
    ) -> Result<bool, StoreError> {
        self.write(organization, "change a connection's status", move |mut db| {
            Box::pin(async move { Ok(set_status(&mut db, organization, id, status).await?) })
        })
        .await
    }

    async fn refuse_connection(&self, refused: &Connection) -> Result<(), StoreError> {
        let (organization, id, revision) = (Id(refused.organization.0), Id(refused.id.0), Count(refused.revision));
        self.write(refused.organization, "note a refused credential", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE connections SET status = 'needs_auth'
                     WHERE id = $1 AND organization_id = $2 AND revision = $3 AND status <> 'disabled'",
                    id,
                    organization,
                    revision
                )?;
                Ok(())
            })
        })
        .await
    }

    async fn begin_call(
        &self,
        id: CallId,
        organization: OrganizationId,
        environment: Environment,
        fuel: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<FuelGrant, BeginCallError> {
        self.begin_counted(calls::NewCall { id, organization, environment, fuel, now, lease_until }).await
    }

    async fn extend_call(
        &self,
        id: CallId,
        organization: OrganizationId,
        more: u64,
        now: Timestamp,
    ) -> Result<u64, BeginCallError> {
        self.write(organization, "reserve more fuel", move |mut db| {
            Box::pin(async move { calls::extend(&mut db, id, organization, more, now).await })
        })
        .await
    }

    async fn finish_call(&self, record: CallRecord) -> Result<(), StoreError> {
        let counted = record.environment == Environment::Production;
        let kept = self.log_detail(record, counted).await?;
        let (organization, environment, at) =
            (kept.record.organization, kept.record.environment, kept.record.created_at);
        let log_bytes = self.write(organization, "settle a connector call", move |mut db| {
            Box::pin(async move { Ok(calls::finish(&mut db, &kept).await?) })
        });
        self.note_log_bytes(organization, environment, at, log_bytes.await?);
        Ok(())
    }

    async fn give_back_call(&self, record: CallRecord) -> Result<(), StoreError> {
        let counted = record.environment == Environment::Production;
        let kept = self.log_detail(record, counted).await?;
        let (organization, environment, at) =
            (kept.record.organization, kept.record.environment, kept.record.created_at);
        let log_bytes = self.write(organization, "give a connector call back", move |mut db| {
            Box::pin(async move { Ok(calls::refund_call(&mut db, &kept).await?) })
        });
        self.note_log_bytes(organization, environment, at, log_bytes.await?);
        Ok(())
    }

    async fn log_call(&self, record: CallRecord) -> Result<(), StoreError> {
        let kept = self.log_detail(record, false).await?;
        if !kept.written {
            return Ok(());
        }
        let (organization, environment, at) =
            (kept.record.organization, kept.record.environment, kept.record.created_at);
        let log_bytes = self.write(organization, "log a connector call", move |mut db| {
            Box::pin(async move { Ok(logs::insert(&mut db, &kept).await?) })
        });
        self.note_log_bytes(organization, environment, at, log_bytes.await?);
        Ok(())
    }
}
