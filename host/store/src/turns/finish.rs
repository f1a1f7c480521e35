//! Stores an answer in one transaction: the turn's end, its message and its bill.

use resly_core::{model::FinishReason, turn::store::FinishedTurn};

use crate::{
    billing::Kind,
    row_id::row_id,
    sql::{Conn, row, together},
    types::{Count, Id, Json, Text, Time},
    usage::{self, VisitorCount},
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

pub(super) async fn finish(db: &mut Conn<'_>, turn: &FinishedTurn) -> Result<(), sqlx::Error> {
    let ended = row!(
        db,
        Ended,
        "UPDATE turns SET status = $3, counted = $4
         WHERE id = $1 AND organization_id = $2 AND status IN ('streaming', 'interrupted')
         RETURNING key_id, conversation_id, period_start, key_counted, visitor, visitor_counted, billed, created_at",
        Id(turn.answer.0),
        Id(turn.organization.0),
        turn.status.name(),
        !turn.refund
    )?;
    // Only the first end counts. A turn that was repeated under its idempotency key has another answer now.
    let Some(ended) = ended else { return Ok(()) };
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
                 (id, organization_id, kind, meter, quantity, period_start, subject_id, key_id, conversation_id,
                  created_at, updated_at)
             SELECT $7, $2, $8, 'messages', $9, $10, $1,
                    COALESCE((SELECT lineage FROM api_keys WHERE id = $15), $15), $16, $11, $11 WHERE $9 <> 0"
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
            turn.finish.map(FinishReason::name),
            ended.key_id,
            ended.conversation_id
        )
    )?;
    if turn.refund {
        let key = ended.key_counted.then_some(ended.key_id.0);
        let visitor = ended.visitor.filter(|_| ended.visitor_counted);
        let visitor =
            visitor.map(|visitor| VisitorCount { key: ended.key_id.0, visitor, counted_at: ended.created_at.0 });
        usage::refund_message(db, turn.organization, key, visitor, ended.period_start).await?;
    }
    Ok(())
}
