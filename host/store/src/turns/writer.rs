//! The host that writes an answer: who it is, and what becomes of the answer when that host is gone.

use resly_core::{
    error::StoreError,
    id::{ConversationId, HostId, MessageId, OrganizationId},
    time::Timestamp,
    turn::store::{AnswerInProgress, AnswerWriter},
};

use crate::{
    Store,
    error::failed,
    recover::{self, DeadTurn},
    sql::{Conn, row},
    types::{Id, Time},
};

#[derive(sqlx_macros::FromRow)]
struct WriterRow {
    id: Id,
    host_id: Option<Id>,
    url: Option<String>,
    lease_until: Time,
    host_lease_until: Option<Time>,
}

macro_rules! writer {
    () => {
        "SELECT turns.id, turns.host_id, hosts.url, turns.lease_until, hosts.lease_until AS host_lease_until
         FROM turns LEFT JOIN hosts ON hosts.id = turns.host_id
         WHERE turns.organization_id = $1 AND turns.status = 'streaming'"
    };
}

impl WriterRow {
    fn writer(self, now: Timestamp) -> AnswerWriter {
        let Self { host_id, url, lease_until, host_lease_until, .. } = self;
        // Turns of earlier versions name no host, so only their own lease tells.
        let host_lives = host_id.is_none() || host_lease_until.is_some_and(|until| until.0 > now);
        AnswerWriter { host: host_id.map(|id| HostId(id.0)), url, alive: host_lives && lease_until.0 > now }
    }
}

pub(super) async fn in_progress(
    store: &Store,
    organization: OrganizationId,
    conversation: ConversationId,
    now: Timestamp,
) -> Result<Option<AnswerInProgress>, StoreError> {
    let doing = "find an answer in progress";
    let mut db = store.reader(organization, doing).await?;
    let found = row!(
        db,
        WriterRow,
        concat!(
            writer!(),
            " AND turns.conversation_id = $2 AND turns.lease_until > $3
             ORDER BY turns.created_at DESC, turns.id DESC LIMIT 1"
        ),
        Id(organization.0),
        Id(conversation.0),
        Time(now)
    );
    let found = found.map_err(failed(doing))?;
    Ok(found.map(|row| AnswerInProgress { answer: MessageId(row.id.0), writer: row.writer(now) }))
}

pub(super) async fn of(
    store: &Store,
    organization: OrganizationId,
    answer: MessageId,
    now: Timestamp,
) -> Result<Option<AnswerWriter>, StoreError> {
    let doing = "find who writes an answer";
    let mut db = store.reader(organization, doing).await?;
    let sql = concat!(writer!(), " AND turns.id = $2");
    let found = row!(db, WriterRow, sql, Id(organization.0), Id(answer.0)).map_err(failed(doing))?;
    Ok(found.map(|row| row.writer(now)))
}

/// Ends the turn of a host that is gone. The turn gets another host, so its old one can't end it any more.
pub(super) async fn end(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    answer: MessageId,
    gone: HostId,
    by: HostId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let ended = row!(
        db,
        DeadTurn,
        "UPDATE turns SET status = 'interrupted', host_id = $4
         WHERE id = $1 AND organization_id = $2 AND host_id = $3 AND status = 'streaming'
         RETURNING id, organization_id, conversation_id, key_id, period_start, billed",
        Id(answer.0),
        Id(organization.0),
        Id(gone.0),
        Id(by.0)
    )?;
    match ended {
        Some(turn) => recover::interrupt_answer(db, &turn, now).await,
        None => Ok(()),
    }
}
