//! Stores what the rules said of conversations, with the differences of the sums.

use std::time::Duration;

use resly_core::{id::OrganizationId, time::Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::{NewOutcome, OutcomeRow, day_of, days::Differences, questions};
use crate::{
    row_id::row_id,
    sql::{Conn, execute, rows},
    types::{Id, Json, Time},
};

const EXISTING: (&str, &str) = (
    "SELECT id FROM conversations WHERE organization_id = $1 AND id IN (SELECT value FROM json_each($2))",
    "SELECT id FROM conversations WHERE organization_id = $1
     AND id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($2))) ORDER BY id FOR KEY SHARE",
);

macro_rules! before {
    ($tags:literal, $list:literal) => {
        concat!(
            "SELECT day, key_id, language, outcome, ",
            $tags,
            " AS tags, person, reopened, messages, answers, unanswered,
                 rated_up, rated_down, first_answer_ms
             FROM conversation_outcomes WHERE organization_id = $1 AND conversation_id ",
            $list
        )
    };
}

const BEFORE: (&str, &str) = (
    before!("tags", "IN (SELECT value FROM json_each($2))"),
    before!(
        "to_jsonb(tags)",
        "= ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($2))) ORDER BY id FOR UPDATE"
    ),
);

/// Stores outcomes. A conversation that was deleted meanwhile isn't among those that exist, and none of these can be deleted
/// before this is stored.
pub(super) async fn put(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    outcomes: &[NewOutcome],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = outcomes.iter().map(|outcome| outcome.conversation.id.0).collect();
    let own = Id(organization.0);
    let existing = rows!(db, (Id,), db.pick(EXISTING.0, EXISTING.1), own, Json(&ids))?;
    let existing: Vec<Uuid> = existing.into_iter().map(|(id,)| id.0).collect();
    let outcomes: Vec<&NewOutcome> =
        outcomes.iter().filter(|outcome| existing.contains(&outcome.conversation.id.0)).collect();
    let before = rows!(db, OutcomeRow, db.pick(BEFORE.0, BEFORE.1), own, Json(&existing))?;
    let written: Vec<Written> = outcomes.iter().map(|outcome| Written::of(outcome, now)).collect();
    execute!(db, db.pick(UPSERT.0, UPSERT.1), own, Json(&written), Time(now))?;
    // As they were stored: how long the first answer took is kept from the first time.
    let after = rows!(db, OutcomeRow, db.pick(BEFORE.0, BEFORE.1), own, Json(&existing))?;
    let mut differences = Differences::default();
    before.iter().for_each(|row| differences.add(row, -1));
    after.iter().for_each(|row| differences.add(row, 1));
    differences.apply(db, organization).await?;
    questions::put(db, organization, &existing, &outcomes).await
}

/// A row as JSON.
#[derive(Serialize)]
struct Written {
    id: Uuid,
    conversation_id: Uuid,
    outcome: &'static str,
    person: bool,
    reopened: bool,
    day: String,
    started_at: String,
    key_id: Uuid,
    language: &'static str,
    tags: Vec<String>,
    messages: u64,
    questions: u64,
    answers: u64,
    unanswered: usize,
    rated_up: u64,
    rated_down: u64,
    first_answer_ms: Option<u64>,
    rules_version: u64,
    seen_at: String,
    look_again_at: Option<String>,
}

impl Written {
    fn of(new: &NewOutcome, now: Timestamp) -> Self {
        let NewOutcome { conversation, judgement, rules_version, language, unanswered } = new;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: row_id(now).0,
            conversation_id: conversation.id.0,
            outcome: judgement.outcome.name(),
            person: judgement.person,
            reopened: judgement.reopened,
            day: day_of(conversation.started_at),
            started_at: conversation.started_at.to_string(),
            key_id: conversation.key.0,
            language,
            tags: conversation.tags.clone(),
            messages: judgement.messages,
            questions: judgement.questions,
            answers: judgement.answers,
            unanswered: unanswered.len(),
            rated_up: judgement.rated_up,
            rated_down: judgement.rated_down,
            first_answer_ms: judgement.first_answer.map(millis),
            rules_version: *rules_version,
            seen_at: conversation.updated_at.to_string(),
            look_again_at: judgement.look_again_at.map(|at| at.to_string()),
        }
    }
}

macro_rules! upsert {
    ($from:literal, $id:literal, $time:literal, $bool:literal, $tags:literal) => {
        concat!(
            "INSERT INTO conversation_outcomes
                 (id, organization_id, conversation_id, outcome, person, reopened, day, started_at, key_id, language, tags,
                  messages, questions, answers, unanswered, rated_up, rated_down, first_answer_ms, rules_version, seen_at,
                  look_again_at, created_at, updated_at)
             SELECT CAST(value->>'id' AS ", $id, "), $1, CAST(value->>'conversation_id' AS ", $id, "), value->>'outcome',
                 CAST(value->>'person' AS ", $bool, "), CAST(value->>'reopened' AS ", $bool, "), value->>'day',
                 CAST(value->>'started_at' AS ", $time, "), CAST(value->>'key_id' AS ", $id, "), value->>'language', ",
                 $tags, ", CAST(value->>'messages' AS BIGINT), CAST(value->>'questions' AS BIGINT),
                 CAST(value->>'answers' AS BIGINT), CAST(value->>'unanswered' AS BIGINT),
                 CAST(value->>'rated_up' AS BIGINT), CAST(value->>'rated_down' AS BIGINT),
                 CAST(value->>'first_answer_ms' AS BIGINT), CAST(value->>'rules_version' AS BIGINT),
                 CAST(value->>'seen_at' AS ", $time, "), CAST(value->>'look_again_at' AS ", $time, "), $3, $3
             FROM ", $from, "
             ON CONFLICT (conversation_id) DO UPDATE
             SET outcome = excluded.outcome, person = excluded.person, reopened = excluded.reopened, day = excluded.day,
                 started_at = excluded.started_at, key_id = excluded.key_id, language = excluded.language,
                 tags = excluded.tags, messages = excluded.messages, questions = excluded.questions,
                 answers = excluded.answers, unanswered = excluded.unanswered, rated_up = excluded.rated_up,
                 rated_down = excluded.rated_down,
                 first_answer_ms = COALESCE(conversation_outcomes.first_answer_ms, excluded.first_answer_ms),
                 rules_version = excluded.rules_version, seen_at = excluded.seen_at,
                 look_again_at = excluded.look_again_at, updated_at = excluded.updated_at"
        )
    };
}

const UPSERT: (&str, &str) = (
    upsert!("json_each($2) WHERE true", "TEXT", "TEXT", "INTEGER", "value->'tags'"),
    upsert!(
        "jsonb_array_elements($2) AS f(value)",
        "UUID",
        "TIMESTAMPTZ",
        "BOOLEAN",
        "ARRAY(SELECT jsonb_array_elements_text(value->'tags'))"
    ),
);
