//! Settles what dead processes left: turns and calls whose lease is over.
//!
//! A turn becomes `interrupted` and stays counted once. A call's fuel is free again, and the call stays counted. Any
//! number of hosts may do it at any time, because each takes rows that no other has locked.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, KeyId, OrganizationId},
    meter::Meter,
    time::Timestamp,
};

use crate::{
    RowScope, Store, biller,
    billing::{self, Kind, Origin},
    sql::{Conn, execute, rows},
    types::{Count, Id, Time},
};

/// Rows settled in one transaction. Other writes wait for it, so it has to be short.
const BATCH: i64 = 200;
/// How long the results of idempotency keys, and calls whose lease ended, are kept.
const REMEMBERED_MICROS: i64 = 48 * 3600 * 1_000_000;

const OLD_TURNS: (&str, &str) = (
    "DELETE FROM turns WHERE id IN (
         SELECT id FROM turns WHERE created_at < $1 AND status <> 'streaming' ORDER BY created_at LIMIT $2)",
    "DELETE FROM turns WHERE id IN (
         SELECT id FROM turns WHERE created_at < $1 AND status <> 'streaming' ORDER BY created_at LIMIT $2
         FOR UPDATE SKIP LOCKED)",
);

/// The numbers of rows that were settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub turns: u64,
    pub calls: u64,
}

impl Store {
    /// Settles turns and calls whose lease is over at `now`, and deletes those that are older than two days.
    #[boxed]
    pub async fn recover(&self, now: Timestamp) -> Result<Recovered, StoreError> {
        let recovered = self.settle(now, now).await?;
        self.forget(now).await?;
        Ok(recovered)
    }

    /// Settles all turns and calls. Only for a time at which no host can be running any.
    #[boxed]
    pub(crate) async fn recover_all(&self, now: Timestamp) -> Result<Recovered, StoreError> {
        self.write(RowScope::Host, "free what dead hosts were reading", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE knowledge_sources SET lease = NULL, lease_until = NULL WHERE lease IS NOT NULL";
                execute!(db, sql)?;
                // What a request was adding is given up, since nobody can be adding it any more.
                let sql = "UPDATE knowledge_sources SET status = 'deleting', identity = NULL
                           WHERE kind = 'text' AND status = 'reading' AND chunks = 0 AND due_at IS NULL";
                execute!(db, sql)?;
                let sql = "UPDATE crawls SET lease = NULL, lease_until = NULL WHERE lease IS NOT NULL";
                Ok(execute!(db, sql).map(drop)?)
            })
        })
        .await?;
        self.settle(Timestamp::from_micros(i64::MAX), now).await
    }

    async fn settle(&self, leases_until: Timestamp, now: Timestamp) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        loop {
            let settled = self.write(RowScope::Host, "settle interrupted turns", move |mut db| {
                Box::pin(async move { Ok(interrupt(&mut db, leases_until, now).await?) })
            });
            let settled: u64 = settled.await?;
            recovered.turns += settled;
            if settled < BATCH.unsigned_abs() {
                break;
            }
        }
        loop {
            let settled = self.write(RowScope::Host, "release the fuel of interrupted calls", move |mut db| {
                Box::pin(async move { Ok(release(&mut db, leases_until, now).await?) })
            });
            let settled: u64 = settled.await?;
            recovered.calls += settled;
            if settled < BATCH.unsigned_abs() {
                break;
            }
        }
        self.write(RowScope::Host, "free what dead hosts were compiling", move |mut db| {
            Box::pin(async move { Ok(free_compiling(&mut db, leases_until).await?) })
        })
        .await?;
        Ok(recovered)
    }

    /// Deletes what is older than two days. It may be much after a host was away, so a start doesn't wait for it.
    async fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = Timestamp::from_micros(now.micros().saturating_sub(REMEMBERED_MICROS));
        loop {
            let forgotten = self.write(RowScope::Host, "forget old turns", move |mut db| {
                Box::pin(async move { Ok(execute!(db, db.pick(OLD_TURNS.0, OLD_TURNS.1), Time(before), BATCH)?) })
            });
            let forgotten: u64 = forgotten.await?;
            if forgotten < BATCH.unsigned_abs() {
                break;
            }
        }
        self.write(RowScope::Host, "forget old calls", move |mut db| {
            Box::pin(async move {
                execute!(db, "DELETE FROM call_reservations WHERE created_at < $1 AND released", Time(before))?;
                execute!(db, "DELETE FROM oauth_flows WHERE expires_at <= $1", Time(now))?;
                execute!(db, "DELETE FROM visitor_usage WHERE day < $1", Time(before))?;
                Ok(biller::forget(&mut db, now).await?)
            })
        })
        .await
    }
}

#[derive(sqlx_macros::FromRow)]
pub(crate) struct DeadTurn {
    id: Id,
    organization_id: Id,
    conversation_id: Id,
    key_id: Id,
    period_start: Time,
    billed: bool,
}

async fn interrupt(db: &mut Conn<'_>, leases_until: Timestamp, now: Timestamp) -> Result<u64, sqlx::Error> {
    let sql = db.pick(
        "UPDATE turns SET status = 'interrupted'
         WHERE id IN (SELECT id FROM turns WHERE status = 'streaming' AND lease_until <= $1 LIMIT $2)
         RETURNING id, organization_id, conversation_id, key_id, period_start, billed",
        "UPDATE turns SET status = 'interrupted'
         WHERE id IN (SELECT id FROM turns WHERE status = 'streaming' AND lease_until <= $1 LIMIT $2
                      FOR UPDATE SKIP LOCKED)
         RETURNING id, organization_id, conversation_id, key_id, period_start, billed",
    );
    let dead = rows!(db, DeadTurn, sql, Time(leases_until), BATCH)?;
    for turn in &dead {
        interrupt_answer(db, turn, now).await?;
    }
    Ok(dead.len() as u64)
}

/// Marks the answer of an interrupted turn, and bills the turn unless it is billed.
pub(crate) async fn interrupt_answer(db: &mut Conn<'_>, turn: &DeadTurn, now: Timestamp) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE messages SET status = 'interrupted' WHERE id = $1 AND organization_id = $2 AND status = 'streaming'",
        turn.id,
        turn.organization_id
    )?;
    if turn.billed {
        return Ok(());
    }
    let (organization, subject) = (OrganizationId(turn.organization_id.0), Some(turn.id.0));
    let of = Origin {
        key: Some(KeyId(turn.key_id.0)),
        conversation: Some(ConversationId(turn.conversation_id.0)),
        ..Origin::default()
    };
    let period = turn.period_start;
    billing::enter(db, organization, Kind::Chat, Meter::Messages, 1, subject, of, period, now).await?;
    execute!(db, "UPDATE turns SET billed = $2 WHERE id = $1", turn.id, true).map(drop)
}

#[derive(sqlx_macros::FromRow)]
struct DeadCall {
    id: Id,
    organization_id: Id,
    period_start: Time,
    fuel: Count,
    reading: bool,
}

async fn release(db: &mut Conn<'_>, leases_until: Timestamp, now: Timestamp) -> Result<u64, sqlx::Error> {
    let sql = db.pick(
        "UPDATE call_reservations SET released = $3
         WHERE id IN (SELECT id FROM call_reservations WHERE NOT released AND lease_until <= $1 LIMIT $2)
         RETURNING id, organization_id, period_start, fuel, reading",
        "UPDATE call_reservations SET released = $3
         WHERE id IN (SELECT id FROM call_reservations WHERE NOT released AND lease_until <= $1 LIMIT $2
                      FOR UPDATE SKIP LOCKED)
         RETURNING id, organization_id, period_start, fuel, reading",
    );
    let mut dead = rows!(db, DeadCall, sql, Time(leases_until), BATCH, true)?;
    // All hosts lock the organizations' counts in the same order, so that they can't deadlock.
    dead.sort_by_key(|call| (call.organization_id.0, call.period_start));
    for call in &dead {
        execute!(
            db,
            "UPDATE usage SET reserved = reserved - $3
             WHERE organization_id = $1 AND period_start = $2 AND meter = 'fuel' AND environment = 'production'",
            call.organization_id,
            call.period_start,
            call.fuel
        )?;
        if call.reading {
            continue;
        }
        let (organization, subject) = (OrganizationId(call.organization_id.0), Some(call.id.0));
        let (kind, meter) = (Kind::ConnectorCall, Meter::ConnectorCalls);
        // What the call was for is in the row that it writes if it still ends.
        let of = Origin::default();
        billing::enter(db, organization, kind, meter, 1, subject, of, call.period_start, now).await?;
    }
    Ok(dead.len() as u64)
}

async fn free_compiling(db: &mut Conn<'_>, leases_until: Timestamp) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE connector_versions SET lease_until = NULL WHERE state = 'compiling' AND lease_until <= $1",
        Time(leases_until)
    )
    .map(drop)
}
