//! Stores an answer in one transaction: the turn's end, its message and its bill.

use resly_core::{
    model::FinishReason,
    turn::store::{FinishOutcome, FinishedTurn},
};

use crate::{
    billing::Kind,
    sql::{Conn, row, together},
    types::{Count, Id, Json, Text, Time},
    usage::{self, row_id},
};

/// What a turn's row says about its count.
#[derive(sqlx_macros::FromRow)]
struct Ended {
    key_id: Id,
    period_start: Time,
    key_counted: bool,
    billed: bool,
}

pub(super) async fn finish(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<FinishOutcome, sqlx::Error> {
    let ended = row!(
        db,
        Ended,
        "UPDATE turns SET status = $3, counted = $4
         WHERE id = $1 AND organization_id = $2 AND status IN ('streaming', 'interrupted')
         RETURNING key_id, period_start, key_counted, billed",
        Id(turn.answer.0),
        Id(turn.organization.0),
        turn.status.name(),
        !turn.refund
    )?;
    // Only the first end counts. A turn that was repeated under its idempotency key has another answer now.
    let Some(ended) = ended else {
        let sql = "SELECT 1 FROM turns WHERE id = $1 AND organization_id = $2";
        let own = row!(db, (i32,), sql, Id(turn.answer.0), Id(turn.organization.0))?;
        return Ok(own.map_or(FinishOutcome::Superseded, |_| FinishOutcome::Stored));
    };
    let (kind, quantity): (_, i64) = match (turn.refund, ended.billed) {
        (false, false) => (Kind::Chat, 1),
        (true, true) => (Kind::Refund, -1),
        (false, true) | (true, false) => (Kind::Chat, 0),
    };
    together!(
        db,
        (i64,),
        [
            "UPDATE messages SET content = $3, status = $4, citations = $5, steps = $6, input_tokens = $12,
                 output_tokens = $13, finish_reason = $14, updated_at = $11
             WHERE id = $1 AND organization_id = $2",
            "INSERT INTO billing_events
                 (id, organization_id, kind, meter, quantity, period_start, subject_id, created_at, updated_at)
             SELECT $7, $2, $8, 'messages', $9, $10, $1, $11, $11 WHERE $9 <> 0"
        ],
        (
            Id(turn.answer.0),
            Id(turn.organization.0),
            Text(&turn.content),
            turn.status.name(),
            Json(&turn.citations),
            Json(&turn.steps),
            row_id(turn.now),
            kind.name(),
            quantity,
            ended.period_start,
            Time(turn.now),
            Count(turn.usage.input),
            Count(turn.usage.output),
            turn.finish.map(FinishReason::name)
        )
    )?;
    if turn.refund {
        let key = ended.key_counted.then_some(ended.key_id.0);
        usage::refund_message(db, turn.organization, key, ended.period_start).await?;
    }
    Ok(FinishOutcome::Stored)
}
