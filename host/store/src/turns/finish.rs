//! Stores an answer in one transaction: the turn's end, its message, its bill and what it used.

use resly_core::{
    conversation::MessageStatus,
    meter::Meter,
    model::FinishReason,
    time::Period,
    turn::store::{FinishOutcome, FinishedTurn},
};

use crate::{
    billing::Kind,
    row_id::row_id,
    sql::{Conn, Script, execute, row, statement},
    thresholds::{self, Reading},
    types::{Count, Id, Json, Text, Time, named},
    usage::{self, VisitorCount},
    usage_days::{add_to_days, day_of},
};

/// What a turn's row says about its count.
#[derive(sqlx_macros::FromRow)]
struct Ended {
    key_id: Id,
    conversation_id: Id,
    period_start: Time,
    key_counted: bool,
    visitor: Option<String>,
    visitor_counted: bool,
    billed: bool,
    created_at: Time,
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
             (id, organization_id, kind, meter, quantity, period_start, subject_id, key_id, conversation_id, created_at,
              updated_at)
         SELECT $7, $2, $8, 'messages', $9, $10, $1, COALESCE((SELECT lineage FROM api_keys WHERE id = $23), $23), $24,
                $11, $11 WHERE $9 <> 0"
    };
}

/// The tokens are a bill of their own: they were used even when the message is given back.
macro_rules! bill_all {
    () => {
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, subject_id, key_id, conversation_id, created_at,
              updated_at)
         SELECT e.id, $2, e.kind, e.meter, e.quantity, $10, $1, COALESCE((SELECT lineage FROM api_keys WHERE id = $23), $23),
                $24, $11, $11
         FROM (SELECT $7 AS id, $8 AS kind, 'messages' AS meter, $9 AS quantity WHERE $9 <> 0
               UNION ALL SELECT $17, 'chat', 'model_input_tokens', $12 WHERE $12 > 0
               UNION ALL SELECT $18, 'chat', 'model_cached_input_tokens', $15 WHERE $15 > 0
               UNION ALL SELECT $19, 'chat', 'model_output_tokens', $13 WHERE $13 > 0) AS e"
    };
}

/// The shares of the entries in their day's sums. An answer has a conversation, and no connection.
macro_rules! days {
    ($entries:literal) => {
        add_to_days!(concat!(
            "SELECT $2, 'key', $26, COALESCE((SELECT lineage FROM api_keys WHERE id = $23), $23), e.meter, e.quantity FROM (",
            $entries,
            ") AS e WHERE TRUE"
        ))
    };
}

macro_rules! message_days {
    () => {
        days!("SELECT 'messages' AS meter, $9 AS quantity WHERE $9 <> 0")
    };
}

macro_rules! all_days {
    () => {
        days!(
            "SELECT 'messages' AS meter, $9 AS quantity WHERE $9 <> 0
             UNION ALL SELECT 'model_input_tokens', $12 WHERE $12 > 0
             UNION ALL SELECT 'model_cached_input_tokens', $15 WHERE $15 > 0
             UNION ALL SELECT 'model_output_tokens', $13 WHERE $13 > 0"
        )
    };
}

/// It comes last, and always in this order, so that the rows are locked for a short time and nobody deadlocks. An answer
/// that is being written is finished, so no limit stops it.
macro_rules! count_tokens {
    () => {
        "INSERT INTO usage
             (id, organization_id, period_start, meter, environment, used, estimated, plan_limit, minute, minute_used,
              created_at, updated_at)
         SELECT $20, id, $10, 'model_input_tokens', 'production', $12, CASE WHEN $16 THEN $12 ELSE 0 END,
             limit_model_input_tokens, $25, $12, $11, $11 FROM organizations WHERE id = $2 AND $12 > 0
         UNION ALL
         SELECT $21, id, $10, 'model_cached_input_tokens', 'production', $15, CASE WHEN $16 THEN $15 ELSE 0 END,
             limit_model_cached_input_tokens, $25, $15, $11, $11 FROM organizations WHERE id = $2 AND $15 > 0
         UNION ALL
         SELECT $22, id, $10, 'model_output_tokens', 'production', $13, CASE WHEN $16 THEN $13 ELSE 0 END,
             limit_model_output_tokens, $25, $13, $11, $11 FROM organizations WHERE id = $2 AND $13 > 0
         ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
         SET used = usage.used + excluded.used, estimated = usage.estimated + excluded.estimated,
             plan_limit = excluded.plan_limit, updated_at = excluded.updated_at,
             minute_used = excluded.minute_used
                 + CASE WHEN usage.minute - excluded.minute IN (0, 1) THEN usage.minute_used ELSE 0 END,
             minute = CASE WHEN usage.minute - excluded.minute = 1 THEN usage.minute ELSE excluded.minute END
         RETURNING meter, used, plan_limit"
    };
}

/// Ends an answer without tokens. PostgreSQL is told the sums together with what it is asked anyhow.
const END: Script = Script {
    joined: concat!(message!(), ";", bill_message!(), ";", message_days!()),
    each: &[message!(), concat!("WITH billed AS (", bill_message!(), ") ", message_days!())],
};

/// Ends an answer with tokens.
const END_COUNTED: Script = Script {
    joined: concat!(message!(), ";", bill_all!(), ";", all_days!(), ";", count_tokens!()),
    each: &[message!(), bill_all!(), concat!("WITH summed AS (", all_days!(), ") ", count_tokens!())],
};

/// Counts the tokens alone.
const COUNTED: Script = Script {
    joined: concat!(bill_all!(), ";", all_days!(), ";", count_tokens!()),
    each: &[bill_all!(), concat!("WITH summed AS (", all_days!(), ") ", count_tokens!())],
};

/// What an entry of the journal says of a turn's message.
struct Bill {
    kind: Kind,
    quantity: i64,
    period_start: Time,
    key: Id,
    conversation: Id,
}

/// The values of the statements above. Each statement names those that it uses.
macro_rules! run {
    ($db:expr, $turn:expr, $bill:expr, $script:expr) => {
        statement!(
            $db,
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
            $bill.key,
            $bill.conversation,
            usage::minute_of($turn.now),
            Time(day_of($turn.now))
        )
        .fetch_all::<(String, Count, Option<Count>)>($script)
        .await
    };
}

/// Writes and tells the thresholds that the tokens of an answer crossed.
async fn record_thresholds(
    db: &mut Conn<'_>,
    turn: &FinishedTurn,
    counted: Vec<(String, Count, Option<Count>)>,
    period: Time,
) -> Result<(), sqlx::Error> {
    for (meter, used, limit) in counted {
        let meter = named(meter)?;
        let quantity = match meter {
            Meter::ModelInputTokens => turn.usage.input,
            Meter::ModelCachedInputTokens => turn.usage.cached_input,
            _ => turn.usage.output,
        };
        let (used, limit) = (used.0, limit.map(|limit| limit.0));
        let reading = Reading { meter, before: used.saturating_sub(quantity), used, limit };
        thresholds::record(db, turn.organization, reading, Period::containing(period.0), turn.now).await?;
    }
    Ok(())
}

pub(super) async fn finish(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<FinishOutcome, sqlx::Error> {
    let ended = row!(
        db,
        Ended,
        "UPDATE turns SET status = $3, counted = $4
         WHERE id = $1 AND organization_id = $2 AND host_id = $5 AND status IN ('streaming', 'interrupted')
         RETURNING key_id, conversation_id, period_start, key_counted, visitor, visitor_counted, billed, created_at",
        Id(turn.answer.0),
        Id(turn.organization.0),
        turn.status.name(),
        !turn.refund,
        Id(turn.host.0)
    )?;
    // Only the first end counts. A turn that was repeated under its idempotency key has another answer now, one that was
    // ended for its host has another host, and one that a person cut off has none.
    let Some(ended) = ended else {
        count_replaced(db, turn).await?;
        return other_end(db, turn).await;
    };
    let (kind, quantity) = match (turn.refund, ended.billed) {
        (false, false) => (Kind::Chat, 1),
        (true, true) => (Kind::Refund, -1),
        (false, true) | (true, false) => (Kind::Chat, 0),
    };
    let (period_start, key, conversation) = (ended.period_start, ended.key_id, ended.conversation_id);
    let bill = Bill { kind, quantity, period_start, key, conversation };
    // The organization's count is locked before the day's sums, as wherever something is counted.
    if turn.refund {
        let key = ended.key_counted.then_some(ended.key_id.0);
        let visitor = ended.visitor.filter(|_| ended.visitor_counted);
        let visitor =
            visitor.map(|visitor| VisitorCount { key: ended.key_id.0, visitor, counted_at: ended.created_at.0 });
        usage::refund_message(db, turn.organization, key, visitor, ended.period_start).await?;
    }
    if turn.usage.is_zero() {
        run!(db, turn, bill, END)?;
    } else {
        let counted = run!(db, turn, bill, END_COUNTED)?;
        record_thresholds(db, turn, counted, period_start).await?;
    }
    Ok(FinishOutcome::Stored)
}

/// What became of a turn that ended before. Who takes a conversation over takes the turn's host away in the same
/// transaction ([`crate::handover::cut_off`]), so that its answer can't be stored as one any more. What the visitor has seen of it
/// is kept.
async fn other_end(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<FinishOutcome, sqlx::Error> {
    let sql = "SELECT host_id, status FROM turns WHERE id = $1 AND organization_id = $2";
    let found = row!(db, (Option<Id>, String), sql, Id(turn.answer.0), Id(turn.organization.0))?;
    match found {
        Some((Some(host), _)) if host.0 == turn.host.0 => return Ok(FinishOutcome::Stored),
        Some((None, status)) if status == MessageStatus::Interrupted.name() => {}
        _ => return Ok(FinishOutcome::Superseded),
    }
    execute!(
        db,
        "UPDATE messages SET content = $3, citations = $4, steps = $5, updated_at = $6
         WHERE id = $1 AND organization_id = $2 AND status = 'interrupted' AND content = ''",
        Id(turn.answer.0),
        Id(turn.organization.0),
        Text(&turn.content),
        Json(&turn.citations),
        Json(&turn.steps),
        Time(turn.now)
    )?;
    let sql = "UPDATE turns SET cancel_requested = $3 WHERE id = $1 AND organization_id = $2";
    execute!(db, sql, Id(turn.answer.0), Id(turn.organization.0), false)?;
    Ok(FinishOutcome::HandedOver)
}

/// Counts the tokens of an answer whose turn has another answer by now: its host was slow, not dead, and its model was
/// asked all the same. The message tells whether they were counted before.
async fn count_replaced(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<(), sqlx::Error> {
    if turn.usage.is_zero() {
        return Ok(());
    }
    let uncounted = row!(
        db,
        (Time, Id, Id),
        "UPDATE messages SET input_tokens = $3, output_tokens = $4, cached_input_tokens = $5, tokens_estimated = $6,
             updated_at = $7
         WHERE id = $1 AND organization_id = $2 AND input_tokens IS NULL
         RETURNING created_at, conversation_id,
             (SELECT c.key_id FROM conversations c WHERE c.id = messages.conversation_id)",
        Id(turn.answer.0),
        Id(turn.organization.0),
        Count(turn.usage.input),
        Count(turn.usage.output),
        Count(turn.usage.cached_input),
        turn.usage.estimated,
        Time(turn.now)
    )?;
    if let Some((asked_at, conversation, key)) = uncounted {
        let period_start = Time(Period::containing(asked_at.0).start);
        let bill = Bill { kind: Kind::Chat, quantity: 0, period_start, key, conversation };
        let counted = run!(db, turn, bill, COUNTED)?;
        record_thresholds(db, turn, counted, period_start).await?;
    }
    Ok(())
}
