//! The sums of outcomes by day: each change of rows of `conversation_outcomes` changes them by the difference, in the same
//! transaction.

use std::collections::BTreeMap;

use resly_core::id::{ConversationId, OrganizationId};
use serde::Serialize;

use super::OutcomeRow;
use crate::{
    sql::{Conn, execute, rows},
    types::{Id, Json},
};

/// Whose share it is: tag, day, key, language, outcome. All hosts lock them in this order.
type Place = (String, String, uuid::Uuid, String, String);

/// Differences of the sums.
#[derive(Default)]
pub(super) struct Differences(BTreeMap<Place, [i64; 11]>);

impl Differences {
    /// A row that is there now, or was there before (`sign` -1).
    pub fn add(&mut self, row: &OutcomeRow, sign: i64) {
        let OutcomeRow { day, key_id, language, outcome, tags, .. } = row;
        let rated = i64::from(row.rated_up > 0 || row.rated_down > 0);
        let share = [
            1,
            i64::from(row.person),
            i64::from(row.reopened),
            row.messages,
            row.answers,
            row.unanswered,
            rated,
            row.rated_up,
            row.rated_down,
            i64::from(row.first_answer_ms.is_some()),
            row.first_answer_ms.unwrap_or(0),
        ];
        let mut all = vec![""];
        all.extend(tags.0.iter().map(String::as_str).filter(|tag| !tag.is_empty()));
        all.sort_unstable();
        all.dedup();
        for tag in all {
            let place = (tag.to_owned(), day.clone(), key_id.0, language.clone(), outcome.clone());
            let sums = self.0.entry(place).or_default();
            sums.iter_mut().zip(share).for_each(|(sum, part)| *sum += sign * part);
        }
    }

    /// Changes the sums.
    pub async fn apply(self, db: &mut Conn<'_>, organization: OrganizationId) -> Result<(), sqlx::Error> {
        let changed: Vec<Difference> =
            self.0.into_iter().filter(|(_, sums)| *sums != [0; 11]).map(Into::into).collect();
        if changed.is_empty() {
            return Ok(());
        }
        execute!(db, db.pick(ADD.0, ADD.1), Id(organization.0), Json(&changed))?;
        if changed.iter().any(|difference| difference.conversations < 0) {
            execute!(db, db.pick(EMPTY.0, EMPTY.1), Id(organization.0), Json(&changed))?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Difference {
    tag: String,
    day: String,
    key_id: uuid::Uuid,
    language: String,
    outcome: String,
    conversations: i64,
    sums: [i64; 11],
}

impl From<(Place, [i64; 11])> for Difference {
    fn from(((tag, day, key_id, language, outcome), sums): (Place, [i64; 11])) -> Self {
        Self { tag, day, key_id, language, outcome, conversations: sums[0], sums }
    }
}

macro_rules! add {
    ($from:literal, $id:literal) => {
        concat!(
            "INSERT INTO outcome_days
                 (organization_id, tag, day, key_id, language, outcome, conversations, persons, reopened, messages, answers,
                  unanswered, rated, rated_up, rated_down, answered, first_answer_ms)
             SELECT $1, value->>'tag', value->>'day', CAST(value->>'key_id' AS ", $id, "), value->>'language',
                 value->>'outcome', CAST(value->'sums'->>0 AS BIGINT), CAST(value->'sums'->>1 AS BIGINT),
                 CAST(value->'sums'->>2 AS BIGINT), CAST(value->'sums'->>3 AS BIGINT), CAST(value->'sums'->>4 AS BIGINT),
                 CAST(value->'sums'->>5 AS BIGINT), CAST(value->'sums'->>6 AS BIGINT), CAST(value->'sums'->>7 AS BIGINT),
                 CAST(value->'sums'->>8 AS BIGINT), CAST(value->'sums'->>9 AS BIGINT), CAST(value->'sums'->>10 AS BIGINT)
             FROM ", $from, "
             ON CONFLICT (organization_id, tag, day, key_id, language, outcome) DO UPDATE
             SET conversations = outcome_days.conversations + excluded.conversations,
                 persons = outcome_days.persons + excluded.persons,
                 reopened = outcome_days.reopened + excluded.reopened,
                 messages = outcome_days.messages + excluded.messages,
                 answers = outcome_days.answers + excluded.answers,
                 unanswered = outcome_days.unanswered + excluded.unanswered,
                 rated = outcome_days.rated + excluded.rated,
                 rated_up = outcome_days.rated_up + excluded.rated_up,
                 rated_down = outcome_days.rated_down + excluded.rated_down,
                 answered = outcome_days.answered + excluded.answered,
                 first_answer_ms = outcome_days.first_answer_ms + excluded.first_answer_ms"
        )
    };
}

const ADD: (&str, &str) =
    (add!("json_each($2) WHERE true", "TEXT"), add!("jsonb_array_elements($2) AS f(value)", "UUID"));

macro_rules! empty {
    ($from:literal, $id:literal) => {
        concat!(
            "DELETE FROM outcome_days WHERE organization_id = $1 AND conversations = 0
             AND (tag, day, key_id, language, outcome) IN (
                 SELECT value->>'tag', value->>'day', CAST(value->>'key_id' AS ",
            $id,
            "), value->>'language',
                     value->>'outcome'
                 FROM ",
            $from,
            ")"
        )
    };
}

/// Sums of nothing.
const EMPTY: (&str, &str) = (empty!("json_each($2)", "TEXT"), empty!("jsonb_array_elements($2) AS f(value)", "UUID"));

macro_rules! forget {
    ($list:literal, $tags:literal) => {
        concat!(
            "DELETE FROM conversation_outcomes WHERE organization_id = $2 AND conversation_id ",
            $list,
            " RETURNING day, key_id, language, outcome, ",
            $tags,
            " AS tags, person, reopened, messages, answers, unanswered,
              rated_up, rated_down, first_answer_ms"
        )
    };
}

const OUTCOMES: (&str, &str) = (
    forget!("IN (SELECT value FROM json_each($1))", "tags"),
    forget!("= ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($1)))", "to_jsonb(tags)"),
);
const QUESTIONS: (&str, &str) = (
    "DELETE FROM unanswered_questions WHERE organization_id = $2 AND conversation_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM unanswered_questions WHERE organization_id = $2
     AND conversation_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($1)))",
);
const RATINGS: (&str, &str) = (
    "DELETE FROM answer_ratings WHERE organization_id = $2 AND conversation_id IN (SELECT value FROM json_each($1))",
    "DELETE FROM answer_ratings WHERE organization_id = $2
     AND conversation_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($1)))",
);

/// Deletes what was derived of conversations that are deleted, and their share of the sums.
pub(crate) async fn forget(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversations: &[ConversationId],
) -> Result<(), sqlx::Error> {
    let (of, id) = (Json(conversations), Id(organization.0));
    execute!(db, db.pick(QUESTIONS.0, QUESTIONS.1), of, id)?;
    execute!(db, db.pick(RATINGS.0, RATINGS.1), of, id)?;
    let gone = rows!(db, OutcomeRow, db.pick(OUTCOMES.0, OUTCOMES.1), of, id)?;
    let mut differences = Differences::default();
    gone.iter().for_each(|row| differences.add(row, -1));
    differences.apply(db, organization).await
}

/// Every statement of [`forget`], as SQLite runs it.
#[cfg(test)]
pub(crate) const FORGET: [&str; 3] = [QUESTIONS.0, RATINGS.0, OUTCOMES.0];
