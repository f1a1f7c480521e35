//! Stores an answer in one transaction: the turn's end, its message, its bill and what it used.

use resly_core::{
    model::FinishReason,
    time::Period,
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

macro_rules! message {
    () => {
        "UPDATE messages SET content = $3, status = $4, citations = $5, steps = $6, input_tokens = $12,
             output_tokens = $13, finish_reason = $14, cached_input_tokens = $15, tokens_estimated = $16,
             updated_at = $11
         WHERE id = $1 AND organization_id = $2"
    };
}

macro_rules! bill_message {
    () => {
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, subject_id, created_at, updated_at)
         SELECT $7, $2, $8, 'messages', $9, $10, $1, $11, $11 WHERE $9 <> 0"
    };
}

/// The tokens are a bill of their own: they were used even when the message is given back.
macro_rules! bill_all {
    () => {
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, subject_id, created_at, updated_at)
         SELECT $7, $2, $8, 'messages', $9, $10, $1, $11, $11 WHERE $9 <> 0
         UNION ALL SELECT $17, $2, 'chat', 'model_input_tokens', $12, $10, $1, $11, $11 WHERE $12 > 0
         UNION ALL SELECT $18, $2, 'chat', 'model_cached_input_tokens', $15, $10, $1, $11, $11 WHERE $15 > 0
         UNION ALL SELECT $19, $2, 'chat', 'model_output_tokens', $13, $10, $1, $11, $11 WHERE $13 > 0"
    };
}

/// It comes last, and always in this order, so that the rows are locked for a short time and nobody deadlocks. An answer
/// that is being written is finished, so no limit stops it.
macro_rules! count_tokens {
    () => {
        "INSERT INTO usage
             (id, organization_id, period_start, meter, environment, used, estimated, plan_limit, created_at, updated_at)
         SELECT $20, id, $10, 'model_input_tokens', 'production', $12, CASE WHEN $16 THEN $12 ELSE 0 END,
             limit_model_input_tokens, $11, $11 FROM organizations WHERE id = $2 AND $12 > 0
         UNION ALL
         SELECT $21, id, $10, 'model_cached_input_tokens', 'production', $15, CASE WHEN $16 THEN $15 ELSE 0 END,
             limit_model_cached_input_tokens, $11, $11 FROM organizations WHERE id = $2 AND $15 > 0
         UNION ALL
         SELECT $22, id, $10, 'model_output_tokens', 'production', $13, CASE WHEN $16 THEN $13 ELSE 0 END,
             limit_model_output_tokens, $11, $11 FROM organizations WHERE id = $2 AND $13 > 0
         ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
         SET used = usage.used + excluded.used, estimated = usage.estimated + excluded.estimated,
             plan_limit = excluded.plan_limit, updated_at = excluded.updated_at"
    };
}

/// What an entry of the journal says of a turn's message.
struct Bill {
    kind: Kind,
    quantity: i64,
    period_start: Time,
}

/// The values of the statements above. Each statement names those that it uses.
macro_rules! run {
    ($db:expr, $turn:expr, $bill:expr, [$($sql:expr),+]) => {
        together!($db, (i64,), [$($sql),+], (
            Id($turn.answer.0),
            Id($turn.organization.0),
            Text(&$turn.content),
            $turn.status.name(),
            Json(&$turn.citations),
            Json(&$turn.steps),
            row_id($turn.now),
            $bill.kind.name(),
            $bill.quantity,
            $bill.period_start,
            Time($turn.now),
            Count($turn.usage.input),
            Count($turn.usage.output),
            $turn.finish.map(FinishReason::name),
            Count($turn.usage.cached_input),
            $turn.usage.estimated,
            row_id($turn.now),
            row_id($turn.now),
            row_id($turn.now),
            row_id($turn.now),
            row_id($turn.now),
            row_id($turn.now),
        ))
    };
}

pub(super) async fn finish(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<FinishOutcome, sqlx::Error> {
    let ended = row!(
        db,
        Ended,
        "UPDATE turns SET status = $3, counted = $4
         WHERE id = $1 AND organization_id = $2 AND host_id = $5 AND status IN ('streaming', 'interrupted')
         RETURNING key_id, period_start, key_counted, billed",
        Id(turn.answer.0),
        Id(turn.organization.0),
        turn.status.name(),
        !turn.refund,
        Id(turn.host.0)
    )?;
    // Only the first end counts. A turn that was repeated under its idempotency key has another answer now, and one that
    // was ended for its host has another host.
    let Some(ended) = ended else {
        count_replaced(db, turn).await?;
        let sql = "SELECT 1 FROM turns WHERE id = $1 AND organization_id = $2 AND host_id = $3";
        let own = row!(db, (i32,), sql, Id(turn.answer.0), Id(turn.organization.0), Id(turn.host.0))?;
        return Ok(own.map_or(FinishOutcome::Superseded, |_| FinishOutcome::Stored));
    };
    let (kind, quantity) = match (turn.refund, ended.billed) {
        (false, false) => (Kind::Chat, 1),
        (true, true) => (Kind::Refund, -1),
        (false, true) | (true, false) => (Kind::Chat, 0),
    };
    let bill = Bill { kind, quantity, period_start: ended.period_start };
    if turn.usage.is_zero() {
        run!(db, turn, bill, [message!(), bill_message!()])?;
    } else {
        run!(db, turn, bill, [message!(), bill_all!(), count_tokens!()])?;
    }
    if turn.refund {
        let key = ended.key_counted.then_some(ended.key_id.0);
        usage::refund_message(db, turn.organization, key, ended.period_start).await?;
    }
    Ok(FinishOutcome::Stored)
}

/// Counts the tokens of an answer whose turn has another answer by now: its host was slow, not dead, and its model was
/// asked all the same. The message tells whether they were counted before.
async fn count_replaced(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<(), sqlx::Error> {
    if turn.usage.is_zero() {
        return Ok(());
    }
    let uncounted = row!(
        db,
        (Time,),
        "UPDATE messages SET input_tokens = $3, output_tokens = $4, cached_input_tokens = $5, tokens_estimated = $6,
             updated_at = $7
         WHERE id = $1 AND organization_id = $2 AND input_tokens IS NULL RETURNING created_at",
        Id(turn.answer.0),
        Id(turn.organization.0),
        Count(turn.usage.input),
        Count(turn.usage.output),
        Count(turn.usage.cached_input),
        turn.usage.estimated,
        Time(turn.now)
    )?;
    if let Some((asked_at,)) = uncounted {
        let period_start = Time(Period::containing(asked_at.0).start);
        let bill = Bill { kind: Kind::Chat, quantity: 0, period_start };
        run!(db, turn, bill, [bill_all!(), count_tokens!()])?;
    }
    Ok(())
}
