//! The statements that open a turn. They take as few trips as possible, because the customer waits for them.

use std::time::Duration;

use resly_core::{
    conversation::Message,
    id::ConversationId,
    meter::{Meter, Remaining},
    time::Period,
    turn::store::{BeginTurnError, NewTurn},
};

use super::{refused, rows::blank};
use crate::{
    error::OperationError,
    messages,
    row_id::row_id,
    sql::{Conn, together},
    types::{Count, Id, Text, Time},
    usage::{self, Caps, Counted, Refusal},
};

/// The conversation of a turn.
pub(super) enum TurnPlace {
    /// A conversation that is created with the turn.
    New { id: ConversationId, visitor: Option<Id> },
    /// A locked conversation. The turn's messages begin at the position.
    LockedConversation {
        id: ConversationId,
        position: i64,
        /// The client's name of the answer, when it continues another answer.
        answers_as: Option<String>,
    },
}

macro_rules! conversation {
    () => {
        "INSERT INTO conversations (id, organization_id, key_id, visitor_id, next_position, created_at, updated_at)
         VALUES ($1, $2, COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3), $4, 2, $5, $5)"
    };
}

macro_rules! question_and_answer {
    () => {
        "INSERT INTO messages (id, organization_id, conversation_id, position, client_id, role, content, status,
                               citations, steps, created_at, updated_at)
         VALUES ($6, $2, $1, $7, $8, $9, $10, 'complete', '[]', '[]', $5, $5),
                ($11, $2, $1, $7 + 1, NULL, 'assistant', '', 'streaming', '[]', '[]', $5, $5)"
    };
}

macro_rules! turn {
    () => {
        "INSERT INTO turns (id, organization_id, conversation_id, key_id, status, lease_until, idempotency_key,
                            fingerprint, period_start, counted, key_counted, billed, created_at, visitor, visitor_counted,
                            host_id)
         VALUES ($11, $2, $1, $3, 'streaming', $12, $13, $14, $15, $16, $17, $18, $5, $20, $22, $23)"
    };
}

/// That neither the month's nor the minute's limit of a model's tokens is reached.
macro_rules! tokens_left {
    ($meter:literal) => {
        concat!(
            "AND (limit_",
            $meter,
            " IS NULL OR limit_",
            $meter,
            " > 0)
             AND ((limit_",
            $meter,
            " IS NULL AND ",
            $meter,
            "_per_minute IS NULL) OR NOT EXISTS (
                  SELECT 1 FROM usage AS u
                  WHERE u.organization_id = $2 AND u.period_start = $15 AND u.meter = '",
            $meter,
            "'
                      AND u.environment = 'production'
                      AND (u.used >= limit_",
            $meter,
            "
                           OR (u.minute - $21 IN (0, 1) AND u.minute_used >= ",
            $meter,
            "_per_minute))))
             "
        )
    };
}

/// As [`usage::count`] does it for any meter. A chat also needs a model's tokens, as far as the plan limits them.
macro_rules! count {
    () => {
        concat!(
            "INSERT INTO usage
             (id, organization_id, period_start, meter, environment, used, plan_limit, minute, minute_used, minute_limit,
              created_at, updated_at)
         SELECT $19, id, $15, 'messages', 'production', 1, limit_messages, $21, 1, messages_per_minute, $5, $5
         FROM organizations
         WHERE id = $2 AND (limit_messages IS NULL OR limit_messages > 0)
           AND (subscription_ends_at IS NULL OR subscription_ends_at > $5)
             ",
            tokens_left!("model_input_tokens"),
            tokens_left!("model_cached_input_tokens"),
            tokens_left!("model_output_tokens"),
            "ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
         SET used = usage.used + 1, plan_limit = excluded.plan_limit, updated_at = excluded.updated_at,
             minute_used = 1 + CASE WHEN usage.minute - excluded.minute IN (0, 1) THEN usage.minute_used ELSE 0 END,
             minute = CASE WHEN usage.minute - excluded.minute = 1 THEN usage.minute ELSE excluded.minute END,
             minute_limit = excluded.minute_limit
         WHERE (excluded.plan_limit IS NULL OR usage.used < excluded.plan_limit)
           AND (excluded.minute_limit IS NULL OR usage.minute - excluded.minute NOT IN (0, 1) OR usage.minute_used <= 0
                OR usage.minute_used < excluded.minute_limit)
         RETURNING used, plan_limit"
        )
    };
}

/// Stores the question, the empty answer and the turn, and counts it. Returns what is left of the tighter limit.
///
/// The organization's count comes last. In PostgreSQL all its turns need that row's lock, which is then held only until
/// the commit.
pub(super) async fn open(
    db: &mut Conn<'_>,
    turn: &NewTurn,
    place: TurnPlace,
    question: Option<&Message>,
) -> Result<Option<Remaining>, OperationError<BeginTurnError>> {
    let caps = Caps::of(turn);
    let mut counts =
        usage::count_caps(db, turn.organization, caps, turn.now).await.map_err(|halt| halt.refused_as(refused))?;
    let period = Period::containing(turn.now);
    let (id, visitor, position) = match place {
        TurnPlace::New { id, visitor } => (id, visitor, 0),
        TurnPlace::LockedConversation { id, position, .. } => (id, None, position),
    };
    macro_rules! run {
        ($($sql:expr),+) => {
            together!(db, (Count, Option<Count>), [$($sql),+], (
                Id(id.0),
                Id(turn.organization.0),
                Id(turn.key.0),
                visitor,
                Time(turn.now),
                question.map(|question| Id(question.id.0)),
                position,
                question.and_then(|question| question.client_id.as_deref()).map(Text),
                question.map(|question| question.role.name()),
                question.map(|question| Text(&question.content)),
                Id(turn.answer.0),
                Time(turn.lease_until),
                turn.idempotency.as_ref().map(|by| Text(&by.key)),
                turn.idempotency.as_ref().map(|by| by.fingerprint.as_slice()),
                Time(period.start),
                true,
                turn.key_cap.is_some(),
                false,
                row_id(turn.now),
                turn.visitor.as_deref().map(Text),
                usage::minute_of(turn.now),
                caps.visitor.is_some(),
                Id(turn.host.0),
            ))
        };
    }
    let counted = match (&place, question) {
        (TurnPlace::New { .. }, _) => run!(conversation!(), question_and_answer!(), turn!(), count!()),
        (TurnPlace::LockedConversation { .. }, Some(_)) => run!(question_and_answer!(), turn!(), count!()),
        // A repeated question. Only its answer is new.
        (TurnPlace::LockedConversation { answers_as, .. }, None) => {
            let blank = Message { client_id: answers_as.clone(), ..blank(turn, id) };
            messages::insert(db, turn.organization, &blank, position).await?;
            run!(turn!(), count!())
        }
    };
    match counted.map_err(taken)? {
        Some((used, limit)) => {
            let of_plan = Counted::of_plan(used, limit);
            usage::record_thresholds(db, turn.organization, Meter::Messages, 1, &of_plan, turn.now).await?;
            counts.push(of_plan);
            Ok(usage::tightest(&counts, turn.now))
        }
        None => {
            let reason = usage::refusal_reason(db, turn.organization, Meter::Messages, 1, turn.now).await?;
            let halt = match (reason, usage::spent_tokens(db, turn.organization, turn.now).await?) {
                (OperationError::Refused(Refusal::Limit(_)), Some(tokens)) => {
                    OperationError::Refused(Refusal::Limit(tokens))
                }
                (reason, _) => reason,
            };
            Err(halt.refused_as(refused))
        }
    }
}

/// In PostgreSQL another host may have used the idempotency key since it was looked up.
fn taken(error: sqlx::Error) -> OperationError<BeginTurnError> {
    match &error {
        sqlx::Error::Database(reason) if reason.constraint() == Some("turns_idempotency") => {
            // It has just begun, so its end is unknown.
            OperationError::Refused(BeginTurnError::InFlight { answer: None, lease_left: Duration::ZERO })
        }
        _ => OperationError::Database(error),
    }
}
