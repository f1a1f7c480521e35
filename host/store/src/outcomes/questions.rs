//! Questions that the knowledge didn't answer, and the groups of those that ask about the same.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, MessageId, OrganizationId},
    outcome::Gap,
    time::Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

use super::NewOutcome;
use crate::{
    Store,
    error::failed,
    sql::{Conn, execute, rows},
    types::{Count, Id, Json, Time, named},
};

/// A stored question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredQuestion {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub text: String,
    /// BCP-47; `und` where it isn't known.
    pub language: String,
    pub gap: Gap,
    pub group: Option<Uuid>,
    pub asked_at: Timestamp,
}

/// Questions that ask about the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionGroup {
    pub id: Uuid,
    /// How many of them were asked in the span.
    pub questions: u64,
    pub last_asked_at: Timestamp,
    /// The newest ones in the span.
    pub examples: Vec<StoredQuestion>,
}

#[derive(sqlx_macros::FromRow)]
struct QuestionRow {
    id: Id,
    conversation_id: Id,
    question: String,
    language: String,
    gap: String,
    group_id: Option<Id>,
    asked_at: Time,
}

impl QuestionRow {
    fn question(self) -> Result<StoredQuestion, sqlx::Error> {
        Ok(StoredQuestion {
            id: MessageId(self.id.0),
            conversation: ConversationId(self.conversation_id.0),
            text: self.question,
            language: self.language,
            gap: named(self.gap)?,
            group: self.group_id.map(|id| id.0),
            asked_at: self.asked_at.0,
        })
    }
}

macro_rules! questions {
    ($rest:literal) => {
        concat!(
            "SELECT id, conversation_id, question, language, gap, group_id, asked_at FROM unanswered_questions ",
            $rest
        )
    };
}

/// A row as JSON.
#[derive(Serialize)]
struct Written<'q> {
    id: Uuid,
    conversation_id: Uuid,
    answer_id: Uuid,
    question: &'q str,
    language: &'q str,
    gap: &'static str,
    asked_at: String,
}

const GONE: (&str, &str) = (
    "DELETE FROM unanswered_questions WHERE organization_id = $1
     AND conversation_id IN (SELECT value FROM json_each($2)) AND id NOT IN (SELECT value FROM json_each($3))",
    "DELETE FROM unanswered_questions WHERE organization_id = $1
     AND conversation_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($2)))
     AND id <> ALL (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($3)))",
);

macro_rules! upsert {
    ($from:literal, $id:literal, $time:literal) => {
        concat!(
            "INSERT INTO unanswered_questions
                 (id, organization_id, conversation_id, answer_id, question, language, gap, asked_at)
             SELECT CAST(value->>'id' AS ",
            $id,
            "), $1, CAST(value->>'conversation_id' AS ",
            $id,
            "),
                 CAST(value->>'answer_id' AS ",
            $id,
            "), value->>'question', value->>'language', value->>'gap',
                 CAST(value->>'asked_at' AS ",
            $time,
            ")
             FROM ",
            $from,
            "
             ON CONFLICT (id) DO UPDATE SET answer_id = excluded.answer_id, gap = excluded.gap"
        )
    };
}

const UPSERT: (&str, &str) = (
    upsert!("json_each($2) WHERE true", "TEXT", "TEXT"),
    upsert!("jsonb_array_elements($2) AS f(value)", "UUID", "TIMESTAMPTZ"),
);

/// Replaces the questions of conversations. One that is still there keeps its group.
pub(super) async fn put(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversations: &[Uuid],
    outcomes: &[&NewOutcome],
) -> Result<(), sqlx::Error> {
    let each = outcomes
        .iter()
        .flat_map(|outcome| outcome.unanswered.iter().map(|question| (outcome.conversation.id.0, question)));
    let written: Vec<Written<'_>> = each
        .map(|(conversation_id, question)| Written {
            id: question.id.0,
            conversation_id,
            answer_id: question.answer.0,
            question: &question.text,
            language: question.language,
            gap: question.gap.name(),
            asked_at: question.asked_at.to_string(),
        })
        .collect();
    let ids: Vec<Uuid> = written.iter().map(|question| question.id).collect();
    let own = Id(organization.0);
    execute!(db, db.pick(GONE.0, GONE.1), own, Json(conversations), Json(&ids))?;
    if !written.is_empty() {
        execute!(db, db.pick(UPSERT.0, UPSERT.1), own, Json(&written))?;
    }
    Ok(())
}

const GROUP: (&str, &str) = (
    "UPDATE unanswered_questions SET group_id = (SELECT e.value->>1 FROM json_each($2) e WHERE e.value->>0 = unanswered_questions.id)
     WHERE organization_id = $1 AND id IN (SELECT value->>0 FROM json_each($2))",
    "UPDATE unanswered_questions SET group_id = CAST(f.value->>1 AS UUID)
     FROM jsonb_array_elements($2) AS f(value)
     WHERE organization_id = $1 AND id = CAST(f.value->>0 AS UUID)",
);

/// `$4` groups that were asked about most often.
const GROUPS: &str = "SELECT group_id, COUNT(*) AS questions, MAX(asked_at) AS last_asked_at FROM unanswered_questions
     WHERE organization_id = $1 AND asked_at >= $2 AND asked_at < $3 AND group_id IS NOT NULL
     GROUP BY group_id ORDER BY questions DESC, last_asked_at DESC, group_id LIMIT $4";

const EXAMPLES: (&str, &str) = (
    "SELECT id, conversation_id, question, language, gap, group_id, asked_at FROM (
         SELECT q.*, ROW_NUMBER() OVER (PARTITION BY group_id ORDER BY asked_at DESC, id DESC) AS place
         FROM unanswered_questions q
         WHERE organization_id = $1 AND group_id IN (SELECT value FROM json_each($4)) AND asked_at >= $2 AND asked_at < $3
     ) AS placed WHERE place <= $5 ORDER BY asked_at DESC, id DESC",
    "SELECT id, conversation_id, question, language, gap, group_id, asked_at FROM (
         SELECT q.*, ROW_NUMBER() OVER (PARTITION BY group_id ORDER BY asked_at DESC, id DESC) AS place
         FROM unanswered_questions q
         WHERE organization_id = $1 AND group_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($4)))
             AND asked_at >= $2 AND asked_at < $3
     ) AS placed WHERE place <= $5 ORDER BY asked_at DESC, id DESC",
);

impl Store {
    /// The newest questions since then, newest first, for grouping.
    #[boxed]
    pub async fn unanswered_questions(
        &self,
        organization: OrganizationId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredQuestion>, StoreError> {
        let doing = "read unanswered questions";
        let mut db = self.reader(organization, doing).await?;
        let sql = questions!("WHERE organization_id = $1 AND asked_at >= $2 ORDER BY asked_at DESC, id DESC LIMIT $3");
        let found = rows!(db, QuestionRow, sql, Id(organization.0), Time(since), i64::from(limit));
        let found = found.map_err(failed(doing))?.into_iter().map(QuestionRow::question);
        found.collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// The questions of a group, newest first.
    #[boxed]
    pub async fn group_questions(
        &self,
        organization: OrganizationId,
        group: Uuid,
        limit: u32,
    ) -> Result<Vec<StoredQuestion>, StoreError> {
        let doing = "read a group of unanswered questions";
        let mut db = self.reader(organization, doing).await?;
        let sql = questions!("WHERE organization_id = $1 AND group_id = $2 ORDER BY asked_at DESC, id DESC LIMIT $3");
        let found = rows!(db, QuestionRow, sql, Id(organization.0), Id(group), i64::from(limit));
        let found = found.map_err(failed(doing))?.into_iter().map(QuestionRow::question);
        found.collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Sets the groups of questions.
    #[boxed]
    pub async fn group_unanswered(
        &self,
        organization: OrganizationId,
        groups: Vec<(MessageId, Uuid)>,
    ) -> Result<(), StoreError> {
        self.write(organization, "group unanswered questions", move |mut db| {
            Box::pin(async move {
                let pairs: Vec<[Uuid; 2]> = groups.iter().map(|(id, group)| [id.0, *group]).collect();
                execute!(db, db.pick(GROUP.0, GROUP.1), Id(organization.0), Json(&pairs))?;
                Ok(())
            })
        })
        .await
    }

    /// The groups of questions that were asked from `from` until `to`, those first that were asked most often, each with at
    /// most `examples` questions.
    #[boxed]
    pub async fn question_groups(
        &self,
        organization: OrganizationId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
        examples: u32,
    ) -> Result<Vec<QuestionGroup>, StoreError> {
        let doing = "read groups of unanswered questions";
        let mut reader = self.reader(organization, doing).await?;
        let mut db = reader.conn();
        let (own, from, to) = (Id(organization.0), Time(from), Time(to));
        let groups = rows!(db, (Id, Count, Time), GROUPS, own, from, to, i64::from(limit)).map_err(failed(doing))?;
        let ids: Vec<Uuid> = groups.iter().map(|(id, ..)| id.0).collect();
        let sql = db.pick(EXAMPLES.0, EXAMPLES.1);
        let found =
            rows!(db, QuestionRow, sql, own, from, to, Json(&ids), i64::from(examples)).map_err(failed(doing))?;
        let found =
            found.into_iter().map(QuestionRow::question).collect::<Result<Vec<_>, _>>().map_err(failed(doing))?;
        let group = |(id, questions, last): (Id, Count, Time)| QuestionGroup {
            id: id.0,
            questions: questions.0,
            last_asked_at: last.0,
            examples: found.iter().filter(|question| question.group == Some(id.0)).cloned().collect(),
        };
        Ok(groups.into_iter().map(group).collect())
    }
}
