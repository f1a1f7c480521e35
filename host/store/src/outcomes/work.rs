//! The job's work: which organizations have some, the conversations that are due, and what the rules said of them.
//!
//! What is new follows from `conversations.updated_at`, which every turn and every change of a person sets. Clocks of hosts
//! differ and transactions take time, so a row may appear late among those that were looked at: each pass begins again some
//! minutes before the end of the last one, and leaves out what is as it was seen.

use std::{collections::HashMap, time::Duration};

use resly_core::{
    boxed,
    conversation::{MessageStatus, handover::ConversationState},
    error::StoreError,
    id::{ConversationId, KeyId, MessageId, OrganizationId},
    model::Role,
    outcome::{Facts, Rating, Said},
    time::Timestamp,
};
use uuid::Uuid;

use super::{DueConversation, NewOutcome, OutcomeBatch, OutcomeWork, put::put};
use crate::{
    RowScope, Store,
    error::failed,
    page::Cursor,
    row_id::row_id,
    sql::{execute, row, rows},
    types::{Count, Id, Json, Time, named},
};

/// How long before the end of a pass the next one begins.
const OVERLAP: Duration = Duration::from_secs(300);
/// How long a host has an organization's work without a sign of life.
const LEASE: Duration = Duration::from_secs(60);
/// The most organizations of one look.
const ORGANIZATIONS: i64 = 1000;
/// Characters of a question that are looked at.
const QUESTION: i64 = 600;

const WAITING: &str = "SELECT o.id FROM organizations o LEFT JOIN outcome_progress p ON p.organization_id = o.id
     WHERE (p.lease_until IS NULL OR p.lease_until <= $1)
         AND ((p.rules_version IS NOT NULL AND p.rules_version <> $2)
             OR EXISTS (SELECT 1 FROM conversations c WHERE c.organization_id = o.id
                        AND (c.updated_at, c.id) > (COALESCE(p.seen_at, $3), COALESCE(p.seen_id, $4)))
             OR EXISTS (SELECT 1 FROM conversation_outcomes d WHERE d.organization_id = o.id AND d.look_again_at <= $1)
             OR EXISTS (SELECT 1 FROM connector_logs l WHERE l.organization_id = o.id AND l.created_at <= $5
                        AND (l.created_at, l.id) > (COALESCE(p.logged_at, $3), COALESCE(p.logged_id, $4))))
     ORDER BY p.taken_at NULLS FIRST, o.id LIMIT $6";

const TAKE: &str = "INSERT INTO outcome_progress
         (organization_id, rules_version, seen_at, seen_id, redo_at, logged_at, logged_id, lease, lease_until, taken_at)
     VALUES ($1, $2, $3, $4, $3, $3, $4, $5, $6, $7)
     ON CONFLICT (organization_id) DO UPDATE
     SET seen_at = CASE WHEN outcome_progress.rules_version = excluded.rules_version
                        THEN outcome_progress.seen_at ELSE excluded.seen_at END,
         seen_id = CASE WHEN outcome_progress.rules_version = excluded.rules_version
                        THEN outcome_progress.seen_id ELSE excluded.seen_id END,
         redo_at = CASE WHEN outcome_progress.rules_version = excluded.rules_version
                        THEN outcome_progress.redo_at ELSE excluded.taken_at END,
         rules_version = excluded.rules_version, lease = excluded.lease, lease_until = excluded.lease_until,
         taken_at = excluded.taken_at
     WHERE outcome_progress.lease_until IS NULL OR outcome_progress.lease_until <= excluded.taken_at
     RETURNING seen_at, seen_id, redo_at, logged_at, logged_id";

macro_rules! due {
    ($tags:literal, $which:literal) => {
        concat!(
            "SELECT c.id, c.created_at, c.updated_at, c.key_id, ",
            $tags,
            " AS tags, c.state, c.handed_over_at ",
            $which
        )
    };
}

macro_rules! changed {
    ($tags:literal) => {
        due!(
            $tags,
            "FROM conversations c LEFT JOIN conversation_outcomes o ON o.conversation_id = c.id
             WHERE c.organization_id = $1 AND (c.updated_at, c.id) > ($2, $3)
                 AND (o.id IS NULL OR o.seen_at <> c.updated_at OR o.updated_at < $4)
             ORDER BY c.updated_at, c.id LIMIT $5"
        )
    };
}

macro_rules! again {
    ($tags:literal) => {
        due!(
            $tags,
            "FROM conversation_outcomes o JOIN conversations c ON c.id = o.conversation_id
             WHERE o.organization_id = $1 AND c.organization_id = $1 AND o.look_again_at <= $2
             ORDER BY o.look_again_at LIMIT $3"
        )
    };
}

macro_rules! said {
    ($list:literal, $cites:literal, $called:literal) => {
        concat!(
            "SELECT m.conversation_id, m.id, m.role, m.status, m.created_at, m.updated_at, m.content = '' AS is_empty,
                 (",
            $cites,
            " OR EXISTS (SELECT 1 FROM ",
            $called,
            ")) AS is_grounded, r.rating,
                 CASE WHEN m.role = 'user' THEN substr(m.content, 1, CAST($3 AS INTEGER)) END AS question
             FROM messages m LEFT JOIN answer_ratings r ON r.message_id = m.id
             WHERE m.organization_id = $1 AND m.superseded_at IS NULL AND m.conversation_id ",
            $list,
            " ORDER BY m.conversation_id, m.position, m.id"
        )
    };
}

const CHANGED: (&str, &str) = (changed!("c.tags"), changed!("to_jsonb(c.tags)"));
const AGAIN: (&str, &str) = (again!("c.tags"), again!("to_jsonb(c.tags)"));
const SAID: (&str, &str) = (
    said!(
        "IN (SELECT value FROM json_each($2))",
        "m.citations <> '[]'",
        "json_each(m.steps) AS s WHERE s.value->>'ok' AND s.value->>'connection' IS NOT NULL"
    ),
    said!(
        "= ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($2)))",
        "m.citations <> '[]'::jsonb",
        "jsonb_array_elements(m.steps) AS s(value) WHERE s.value->>'ok' = 'true' AND s.value->>'connection' IS NOT NULL"
    ),
);

/// What finds conversations, as SQLite runs it.
#[cfg(test)]
pub(crate) const DUE: [&str; 2] = [CHANGED.0, AGAIN.0];

#[derive(sqlx_macros::FromRow)]
struct DueRow {
    id: Id,
    created_at: Time,
    updated_at: Time,
    key_id: Id,
    tags: Json<Vec<String>>,
    state: String,
    handed_over_at: Option<Time>,
}

#[derive(sqlx_macros::FromRow)]
struct SaidRow {
    conversation_id: Id,
    id: Id,
    role: String,
    status: String,
    created_at: Time,
    updated_at: Time,
    is_empty: bool,
    is_grounded: bool,
    rating: Option<String>,
    question: Option<String>,
}

impl SaidRow {
    fn said(&self) -> Result<Said, sqlx::Error> {
        let role: Role = named(self.role.clone())?;
        Ok(Said {
            id: MessageId(self.id.0),
            role,
            status: named::<MessageStatus>(self.status.clone())?,
            at: self.created_at.0,
            // A person's message is whole at once.
            ended_at: if role == Role::Assistant { self.updated_at.0 } else { self.created_at.0 },
            is_empty: self.is_empty,
            is_grounded: self.is_grounded,
            rating: self.rating.clone().map(named::<Rating>).transpose()?,
        })
    }
}

impl Store {
    /// The organizations that have outcomes to compute, those first that were served longest ago.
    #[boxed]
    pub async fn organizations_with_outcome_work(
        &self,
        rules_version: u64,
        now: Timestamp,
    ) -> Result<Vec<OrganizationId>, StoreError> {
        let doing = "look for outcomes to compute";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let (nil, logged) = (Id(Uuid::nil()), Time(now.minus(OVERLAP)));
        let found =
            rows!(db, (Id,), WAITING, Time(now), Count(rules_version), Time(beginning()), nil, logged, ORGANIZATIONS);
        Ok(found.map_err(failed(doing))?.into_iter().map(|(id,)| OrganizationId(id.0)).collect())
    }

    /// Takes an organization's outcomes to compute. `None` while another host has them.
    #[boxed]
    pub async fn take_outcome_work(
        &self,
        organization: OrganizationId,
        rules_version: u64,
        now: Timestamp,
    ) -> Result<Option<OutcomeWork>, StoreError> {
        self.write(organization, "take outcomes to compute", move |mut db| {
            Box::pin(async move {
                let lease = row_id(now);
                let taken = row!(
                    db,
                    (Time, Id, Time, Time, Id),
                    TAKE,
                    Id(organization.0),
                    Count(rules_version),
                    Time(beginning()),
                    Id(Uuid::nil()),
                    lease,
                    Time(now.plus(LEASE)),
                    Time(now)
                )?;
                Ok(taken.map(|(seen_at, seen_id, redo_at, logged_at, logged_id)| OutcomeWork {
                    organization,
                    lease: lease.0,
                    seen: Cursor { at: seen_at.0, id: seen_id.0 },
                    redo_at: redo_at.0,
                    logged: Cursor { at: logged_at.0, id: logged_id.0 },
                }))
            })
        })
        .await
    }

    /// The next conversations whose outcome is due, at most `limit` that changed and as many that time has changed.
    #[boxed]
    pub async fn due_outcomes(
        &self,
        work: &OutcomeWork,
        now: Timestamp,
        limit: u32,
    ) -> Result<OutcomeBatch, StoreError> {
        let doing = "read conversations to judge";
        let mut reader = self.reader(work.organization, doing).await?;
        let mut db = reader.conn();
        let (organization, most) = (Id(work.organization.0), i64::from(limit));
        let (at, id, redo) = (Time(work.seen.at), Id(work.seen.id), Time(work.redo_at));
        let sql = db.pick(CHANGED.0, CHANGED.1);
        let mut due = rows!(db, DueRow, sql, organization, at, id, redo, most).map_err(failed(doing))?;
        let full = due.len() as u64 == u64::from(limit);
        // The end of a pass is what was there when it began.
        let end = Cursor { at: now.minus(OVERLAP), id: Uuid::nil() };
        let seen = match due.last().filter(|_| full) {
            Some(last) => Cursor { at: last.updated_at.0, id: last.id.0 },
            None if end.at > work.seen.at => end,
            None => work.seen,
        };
        let again =
            rows!(db, DueRow, db.pick(AGAIN.0, AGAIN.1), organization, Time(now), most).map_err(failed(doing))?;
        let more = full || again.len() as u64 == u64::from(limit);
        for row in again {
            if due.iter().all(|known| known.id != row.id) {
                due.push(row);
            }
        }
        let ids: Vec<Uuid> = due.iter().map(|row| row.id.0).collect();
        let said = if ids.is_empty() {
            Vec::new()
        } else {
            let sql = db.pick(SAID.0, SAID.1);
            rows!(db, SaidRow, sql, organization, Json(&ids), QUESTION).map_err(failed(doing))?
        };
        let conversations = gather(due, said).map_err(failed(doing))?;
        Ok(OutcomeBatch { conversations, seen, more })
    }

    /// Stores what the rules said, and how far the work is. Returns false when another host has the work by now, or all of
    /// it is to be done again: then nothing is stored.
    #[boxed]
    pub async fn put_outcomes(
        &self,
        work: &OutcomeWork,
        outcomes: Vec<NewOutcome>,
        seen: Cursor,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let work = work.clone();
        let until = now.minus(OVERLAP);
        let stored = if seen.at > until { Cursor { at: until, id: Uuid::nil() } } else { seen };
        self.write(work.organization, "store outcomes", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let sql = "UPDATE outcome_progress SET seen_at = $4, seen_id = $5, lease_until = $6
                           WHERE organization_id = $1 AND lease = $2 AND redo_at = $3";
                let (organization, lease) = (Id(work.organization.0), Id(work.lease));
                let (at, id, until) = (Time(stored.at), Id(stored.id), Time(now.plus(LEASE)));
                if execute!(db, sql, organization, lease, Time(work.redo_at), at, id, until)? == 0 {
                    return Ok(false);
                }
                put(db, work.organization, &outcomes, now).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Gives the work back, so that any host may go on with it.
    #[boxed]
    pub async fn release_outcome_work(&self, work: &OutcomeWork) -> Result<(), StoreError> {
        let (organization, lease) = (work.organization, work.lease);
        self.write(organization, "give outcomes to compute back", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE outcome_progress SET lease = NULL, lease_until = NULL
                           WHERE organization_id = $1 AND lease = $2";
                execute!(db, sql, Id(organization.0), Id(lease))?;
                Ok(())
            })
        })
        .await
    }

    /// Has all outcomes of an organization computed again.
    #[boxed]
    pub async fn recompute_outcomes(&self, organization: OrganizationId, now: Timestamp) -> Result<(), StoreError> {
        self.write(organization, "have outcomes computed again", move |mut db| {
            Box::pin(async move {
                let sql =
                    "UPDATE outcome_progress SET seen_at = $2, seen_id = $3, redo_at = $4 WHERE organization_id = $1";
                execute!(db, sql, Id(organization.0), Time(beginning()), Id(Uuid::nil()), Time(now))?;
                Ok(())
            })
        })
        .await
    }
}

/// Where the first pass begins.
fn beginning() -> Timestamp {
    Timestamp::from_micros(0)
}

/// Each conversation with what was said in it.
fn gather(due: Vec<DueRow>, said: Vec<SaidRow>) -> Result<Vec<DueConversation>, sqlx::Error> {
    type Questions = Vec<(MessageId, String)>;
    let mut of: HashMap<Uuid, (Vec<Said>, Questions)> = HashMap::new();
    for mut row in said {
        let (facts, questions) = of.entry(row.conversation_id.0).or_default();
        questions.extend(row.question.take().map(|text| (MessageId(row.id.0), text)));
        facts.push(row.said()?);
    }
    due.into_iter()
        .map(|row| {
            let (said, questions) = of.remove(&row.id.0).unwrap_or_default();
            let state: ConversationState = named(row.state)?;
            Ok(DueConversation {
                id: ConversationId(row.id.0),
                started_at: row.created_at.0,
                updated_at: row.updated_at.0,
                key: KeyId(row.key_id.0),
                tags: row.tags.0,
                facts: Facts { state, handed_over_at: row.handed_over_at.map(|at| at.0), said },
                questions,
            })
        })
        .collect()
}
