//! Finds the earlier turn of an idempotency key.

use std::time::Duration;

use resly_core::{
    conversation::MessageStatus,
    id::{ConversationId, MessageId},
    time::Timestamp,
    turn::store::{Idempotency, NewTurn},
};

use crate::{
    sql::{Conn, row},
    types::{Id, Text, Time, named},
    usage_days::day_of,
};

/// The turn that a key was used for.
#[derive(sqlx_macros::FromRow)]
struct TurnRow {
    id: Id,
    conversation_id: Id,
    fingerprint: Option<Vec<u8>>,
    status: String,
    lease_until: Time,
    period_start: Time,
    counted: bool,
    key_counted: bool,
    visitor_counted: bool,
    billed: bool,
    created_at: Time,
}

/// A turn that ended without an answer, so it may be repeated.
pub(super) struct UnansweredTurn {
    pub answer: MessageId,
    pub conversation: ConversationId,
    /// The month in which it was counted, unless the count was taken back. A repeat isn't counted again.
    pub counted: Option<CountedPeriod>,
    pub billed: bool,
}

#[derive(Clone, Copy)]
pub(super) struct CountedPeriod {
    pub period: Time,
    pub for_key: bool,
    pub for_visitor: bool,
}

pub(super) enum IdempotencyMatch {
    None,
    /// The key was used for another request.
    Other,
    InFlight {
        answer: MessageId,
        lease_left: Duration,
    },
    Answered(MessageId),
    UnansweredTurn(UnansweredTurn),
}

macro_rules! find {
    () => {
        "SELECT id, conversation_id, fingerprint, status, lease_until, period_start, counted, key_counted,
                visitor_counted, billed, created_at
         FROM turns
         WHERE key_id = $1 AND idempotency_key = $2 AND organization_id = $3 AND COALESCE(visitor, '') = $4"
    };
}

/// Finds the turn by its key, under the same API key and visitor, and locks it until the transaction ends.
pub(super) async fn find(db: &mut Conn<'_>, turn: &NewTurn, by: &Idempotency) -> Result<IdempotencyMatch, sqlx::Error> {
    let sql = db.pick(concat!(find!(), ""), concat!(find!(), " FOR UPDATE"));
    let visitor = turn.visitor.as_deref().unwrap_or_default();
    let found = row!(db, TurnRow, sql, Id(turn.key.0), by.key.as_str(), Id(turn.organization.0), Text(visitor))?;
    let Some(found) = found else { return Ok(IdempotencyMatch::None) };
    found.into_match(by, turn.now)
}

impl TurnRow {
    fn into_match(self, by: &Idempotency, now: Timestamp) -> Result<IdempotencyMatch, sqlx::Error> {
        if self.fingerprint.as_deref() != Some(by.fingerprint.as_slice()) {
            return Ok(IdempotencyMatch::Other);
        }
        let billed = match named(self.status)? {
            MessageStatus::Complete | MessageStatus::Cancelled | MessageStatus::HandedOver => {
                return Ok(IdempotencyMatch::Answered(MessageId(self.id.0)));
            }
            MessageStatus::Streaming if self.lease_until.0 > now => {
                let lease_left = self.lease_until.0.since(now);
                return Ok(IdempotencyMatch::InFlight { answer: MessageId(self.id.0), lease_left });
            }
            // Its host died, and it isn't settled yet.
            MessageStatus::Streaming => self.billed,
            MessageStatus::Interrupted | MessageStatus::Failed => true,
        };
        Ok(IdempotencyMatch::UnansweredTurn(UnansweredTurn {
            answer: MessageId(self.id.0),
            conversation: ConversationId(self.conversation_id.0),
            counted: self.counted.then_some(CountedPeriod {
                period: self.period_start,
                for_key: self.key_counted,
                // The count of a day that is over stays: the repeat may not be given back to another day.
                for_visitor: self.visitor_counted && day_of(self.created_at.0) == day_of(now),
            }),
            billed: self.counted && billed,
        }))
    }
}
