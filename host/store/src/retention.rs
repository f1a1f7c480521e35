//! Retention: conversations that nobody continued for as many days as the organization's plan keeps them, and visitors
//! who have none left, are deleted.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, OrganizationId},
    time::Timestamp,
};

use crate::{
    RowScope, Store,
    error::failed,
    page::Cursor,
    purge::{self, DeletedRows},
    sql::{Conn, execute, rows},
    types::{Count, Id, Time},
};

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// The most visitors that one transaction deletes.
const VISITORS: i64 = 100;

/// One organization's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub organization: OrganizationId,
    pub days: u32,
}

impl Retention {
    /// What wasn't touched since then is deleted.
    fn cutoff(self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros().saturating_sub(i64::from(self.days).saturating_mul(DAY_MICROS)))
    }
}

/// A part of what was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiredBatch {
    pub deleted: DeletedRows,
    /// Where the next part begins. `None` after the last one.
    pub next: Option<Cursor>,
}

/// The conversations that are due, oldest first. One that belongs to an open ticket, or to a ticket that was changed
/// within the days, stays: somebody may be working on it.
macro_rules! due {
    ($lock:literal) => {
        concat!(
            "SELECT id, next_position, updated_at FROM conversations c
             WHERE organization_id = $1 AND updated_at < $2 AND (updated_at, id) > ($3, $4)
               AND NOT EXISTS (SELECT 1 FROM tickets t WHERE t.conversation_id = c.id AND t.organization_id = $1
                               AND (t.status = 'open' OR t.updated_at >= $2))
             ORDER BY updated_at, id LIMIT $5",
            $lock
        )
    };
}

pub(crate) const DUE: (&str, &str) = (due!(""), due!(" FOR UPDATE SKIP LOCKED"));

async fn expire(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    cutoff: Timestamp,
    after: Option<Cursor>,
) -> Result<ExpiredBatch, sqlx::Error> {
    let sql = db.pick(DUE.0, DUE.1);
    let after = after.unwrap_or(Cursor::before(Timestamp::from_micros(0)));
    let (at, id) = (Time(after.at), Id(after.id));
    let found = rows!(db, (Id, i64, Time), sql, Id(organization.0), Time(cutoff), at, id, purge::CONVERSATIONS)?;
    let sizes = found.iter().map(|(id, next_position, _)| (*id, *next_position)).collect();
    let batch: Vec<ConversationId> = purge::batch(sizes);
    let Some((last, _, last_at)) = batch.len().checked_sub(1).and_then(|last| found.get(last)) else {
        return Ok(ExpiredBatch::default());
    };
    let deleted = purge::purge(db, organization, &batch).await?;
    let whole = deleted.conversations == batch.len() as u64;
    let next = if whole { Cursor { at: last_at.0, id: last.0 } } else { after };
    Ok(ExpiredBatch { deleted, next: Some(next) })
}

pub(crate) const VISITORS_DUE: (&str, &str) = (
    "DELETE FROM visitors WHERE id IN (
         SELECT id FROM visitors v WHERE organization_id = $1 AND updated_at < $2
           AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.visitor_id = v.id) LIMIT $3)",
    "DELETE FROM visitors WHERE id IN (
         SELECT id FROM visitors v WHERE organization_id = $1 AND updated_at < $2
           AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.visitor_id = v.id) LIMIT $3
         FOR UPDATE SKIP LOCKED)",
);

async fn expire_visitors(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    cutoff: Timestamp,
) -> Result<u64, sqlx::Error> {
    execute!(db, db.pick(VISITORS_DUE.0, VISITORS_DUE.1), Id(organization.0), Time(cutoff), VISITORS)
}

impl Store {
    /// The organizations whose plan deletes old conversations.
    #[boxed]
    pub async fn retentions(&self) -> Result<Vec<Retention>, StoreError> {
        let doing = "read how long conversations are kept";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            (Id, Count),
            "SELECT id, conversation_days FROM organizations WHERE conversation_days IS NOT NULL ORDER BY id"
        );
        let retention = |(id, days): (Id, Count)| Retention {
            organization: OrganizationId(id.0),
            days: u32::try_from(days.0).unwrap_or(u32::MAX),
        };
        Ok(found.map_err(failed(doing))?.into_iter().map(retention).collect())
    }

    /// Deletes some of the conversations that are older than the plan keeps them, in one short transaction. Any number of
    /// hosts may do it at once.
    #[boxed]
    pub async fn expire_conversations(
        &self,
        of: Retention,
        after: Option<Cursor>,
        now: Timestamp,
    ) -> Result<ExpiredBatch, StoreError> {
        self.write(of.organization, "delete old conversations", move |mut db| {
            Box::pin(async move { Ok(expire(&mut db, of.organization, of.cutoff(now), after).await?) })
        })
        .await
    }

    /// Deletes some of the visitors who have no conversation left and weren't seen for as many days. Returns how many
    /// there were, and whether there may be more.
    #[boxed]
    pub async fn expire_visitors(&self, of: Retention, now: Timestamp) -> Result<(u64, bool), StoreError> {
        self.write(of.organization, "delete old visitors", move |mut db| {
            Box::pin(async move {
                let deleted = expire_visitors(&mut db, of.organization, of.cutoff(now)).await?;
                Ok((deleted, deleted == VISITORS.unsigned_abs()))
            })
        })
        .await
    }
}
