//! The organization's conversations as an inbox lists them.

use resly_core::{
    boxed,
    conversation::handover::ConversationState,
    error::StoreError,
    id::{ConversationId, KeyId, OrganizationId},
    time::Timestamp,
};
use uuid::Uuid;

use super::words::{self, WordGroups};
use crate::{
    Store,
    error::failed,
    page::Cursor,
    query::Query,
    sql::Conn,
    types::{Count, Id, Json, Time, named},
};

/// A conversation in a list.
#[derive(Clone, Debug)]
pub struct ConversationSummary {
    pub id: ConversationId,
    pub visitor: Option<String>,
    /// The text of the first question.
    pub first_question: Option<String>,
    pub messages: u64,
    pub state: ConversationState,
    pub assignee: Option<Uuid>,
    pub handed_over_at: Option<Timestamp>,
    /// Until when nobody has to look at it.
    pub snoozed_until: Option<Timestamp>,
    pub merged_into: Option<ConversationId>,
    pub tags: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whose a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assigned {
    To(Uuid),
    Nobody,
}

/// Which conversations to list. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct ConversationQuery {
    pub state: Option<ConversationState>,
    pub assigned: Option<Assigned>,
    /// The client's id of the visitor.
    pub visitor: Option<String>,
    pub tag: Option<String>,
    /// A connector that was called in it.
    pub connector: Option<String>,
    /// What the visitor writes in, as a BCP-47 code.
    pub language: Option<String>,
    /// Any key of the chain of rotations that it began with.
    pub key: Option<KeyId>,
    /// Words that were said in it.
    pub words: Option<WordGroups>,
    /// Whether it is snoozed at this time, or isn't.
    pub snoozed: Option<(bool, Timestamp)>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub before: Option<Cursor>,
    pub limit: u32,
}

#[derive(sqlx_macros::FromRow)]
struct SummaryRow {
    id: Id,
    visitor: Option<String>,
    first_question: Option<String>,
    messages: Count,
    state: String,
    assignee_id: Option<Id>,
    handed_over_at: Option<Time>,
    snoozed_until: Option<Time>,
    merged_into: Option<Id>,
    tags: Json<Vec<String>>,
    created_at: Time,
    updated_at: Time,
}

impl SummaryRow {
    fn summary(self) -> Result<ConversationSummary, sqlx::Error> {
        Ok(ConversationSummary {
            id: ConversationId(self.id.0),
            visitor: self.visitor,
            first_question: self.first_question,
            messages: self.messages.0,
            state: named(self.state)?,
            assignee: self.assignee_id.map(|id| id.0),
            handed_over_at: self.handed_over_at.map(|at| at.0),
            snoozed_until: self.snoozed_until.map(|at| at.0),
            merged_into: self.merged_into.map(|id| ConversationId(id.0)),
            tags: self.tags.0,
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }
}

macro_rules! list {
    ($tags:literal) => {
        concat!(
            "SELECT c.id, v.external_id AS visitor, c.state, c.assignee_id, c.handed_over_at,
            c.snoozed_until, c.merged_into, ",
            $tags,
            " AS tags, c.created_at, c.updated_at,
            (SELECT content FROM messages m
             WHERE m.conversation_id = c.id AND m.superseded_at IS NULL AND m.role = 'user'
             ORDER BY m.position LIMIT 1) AS first_question,
            (SELECT COUNT(*) FROM messages m
             WHERE m.conversation_id = c.id AND m.superseded_at IS NULL) AS messages
     FROM conversations c LEFT JOIN visitors v ON v.id = c.visitor_id
     WHERE c.organization_id = "
        )
    };
}

/// The query for a page of the organization's conversations.
pub(crate) fn list(db: &Conn<'_>, organization: OrganizationId, wanted: &ConversationQuery) -> Query {
    let ConversationQuery {
        state, assigned, visitor, tag, connector, language, key, since, until, before, limit, ..
    } = wanted;
    let assignee = match assigned {
        Some(Assigned::To(member)) => Some(Id(*member)),
        Some(Assigned::Nobody) | None => None,
    };
    // PostgreSQL has the tags as a list, SQLite as JSON.
    let mut query = Query::new(db, db.pick(list!("c.tags"), list!("to_jsonb(c.tags)")));
    query
        .bind(Id(organization.0))
        .filter(" AND c.state = ", state.map(ConversationState::name))
        .filter(" AND c.assignee_id = ", assignee)
        .filter(" AND c.created_at >= ", since.map(Time))
        .filter(" AND c.created_at < ", until.map(Time));
    if *assigned == Some(Assigned::Nobody) {
        query.push(" AND c.assignee_id IS NULL");
    }
    if let Some((snoozed, now)) = wanted.snoozed {
        let unless = if snoozed { " AND c.snoozed_until > " } else { " AND COALESCE(c.snoozed_until <= " };
        query.push(unless).bind(Time(now)).push(if snoozed { "" } else { ", TRUE)" });
    }
    if let Some(key) = key {
        let lineage = " AND c.key_id = COALESCE((SELECT lineage FROM api_keys WHERE organization_id = ";
        query
            .push(lineage)
            .bind(Id(organization.0))
            .push(" AND id = ")
            .bind(Id(key.0))
            .push("), ")
            .bind(Id(key.0))
            .push(")");
    }
    if let Some(language) = language {
        let written =
            " AND EXISTS (SELECT 1 FROM conversation_words w WHERE w.conversation_id = c.id AND w.language = ";
        query.push(written).bind(language.clone()).push(")");
    }
    if let Some(words) = &wanted.words {
        words::filter(db, &mut query, organization, words);
    }
    if let Some(visitor) = visitor {
        query
            .push(" AND c.visitor_id = (SELECT id FROM visitors WHERE organization_id = ")
            .bind(Id(organization.0))
            .push(" AND external_id = ")
            .bind(visitor.clone())
            .push(")");
    }
    if let Some(tag) = tag {
        let has = db.pick(
            " AND EXISTS (SELECT 1 FROM json_each(c.tags) AS tag WHERE tag.value = ",
            " AND EXISTS (SELECT 1 FROM unnest(c.tags) AS tag WHERE tag = ",
        );
        query.push(has).bind(tag.clone()).push(")");
    }
    if let Some(connector) = connector {
        let called = " AND EXISTS (SELECT 1 FROM connector_logs l WHERE l.conversation_id = c.id AND l.connector = ";
        query.push(called).bind(connector.clone()).push(")");
    }
    query
        .older(" AND (c.created_at, c.id)", *before)
        .push(" ORDER BY c.created_at DESC, c.id DESC LIMIT ")
        .bind(i64::from(*limit));
    query
}

impl Store {
    /// At most `limit` conversations, newest first, that follow `before` in the list.
    #[boxed]
    pub async fn list_conversations(
        &self,
        organization: OrganizationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<ConversationSummary>, StoreError> {
        self.find_conversations(organization, ConversationQuery { before, limit, ..ConversationQuery::default() }).await
    }

    /// The conversations that match a query, newest first.
    #[boxed]
    pub async fn find_conversations(
        &self,
        organization: OrganizationId,
        wanted: ConversationQuery,
    ) -> Result<Vec<ConversationSummary>, StoreError> {
        let doing = "list the conversations";
        let mut db = self.reader(organization, doing).await?;
        let page = list(&db.conn(), organization, &wanted);
        let found: Vec<SummaryRow> = page.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(SummaryRow::summary).collect::<Result<_, _>>().map_err(failed(doing))
    }
}
