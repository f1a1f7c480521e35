//! What pages ask for: sums of outcomes, and the conversations behind a sum. Both take the same filter, so that they agree.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, KeyId, OrganizationId},
    outcome::Outcome,
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    Store,
    error::failed,
    page::Cursor,
    query::Query,
    sql::Conn,
    types::{Count, Id, Time, named},
};

/// Which conversations are meant.
#[derive(Clone, Debug, Default)]
pub struct OutcomeFilter {
    /// The first and the last day (UTC) on which they began, such as `2026-11-01`.
    pub from: String,
    pub to: String,
    /// The first key of a chain of rotations. Without one, those of all keys but the playground's.
    pub key: Option<KeyId>,
    pub language: Option<String>,
    pub tag: Option<String>,
}

/// What outcomes are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeGrouping {
    Day,
    Key,
    Language,
    Tag,
}

/// Sums of some conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeSums {
    pub conversations: u64,
    /// Those in which a person was asked for or took part.
    pub persons: u64,
    pub reopened: u64,
    pub messages: u64,
    pub answers: u64,
    pub unanswered: u64,
    /// Those of which an answer was rated.
    pub rated: u64,
    pub rated_up: u64,
    pub rated_down: u64,
    /// Those that have a first answer, and how long these took in all.
    pub answered: u64,
    pub first_answer_ms: u64,
}

impl OutcomeSums {
    pub fn add(&mut self, more: &Self) {
        self.conversations += more.conversations;
        self.persons += more.persons;
        self.reopened += more.reopened;
        self.messages += more.messages;
        self.answers += more.answers;
        self.unanswered += more.unanswered;
        self.rated += more.rated;
        self.rated_up += more.rated_up;
        self.rated_down += more.rated_down;
        self.answered += more.answered;
        self.first_answer_ms += more.first_answer_ms;
    }
}

/// The sums of one group and outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeSum {
    /// A day, a key's id, a language or a tag.
    pub group: String,
    pub outcome: Outcome,
    pub sums: OutcomeSums,
}

/// The conversations to list: those that have one of the outcomes, newest first.
#[derive(Clone, Debug, Default)]
pub struct OutcomeQuery {
    pub filter: OutcomeFilter,
    /// All when empty.
    pub outcomes: Vec<Outcome>,
    /// Only those in which no person was asked for or took part.
    pub without_person: bool,
    /// Only those of which an answer was rated.
    pub rated: bool,
    pub before: Option<Cursor>,
    pub limit: u32,
}

/// A conversation behind a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedOutcome {
    /// For the cursor.
    pub id: Uuid,
    pub conversation: ConversationId,
    pub outcome: Outcome,
    pub started_at: Timestamp,
    pub language: String,
    pub messages: u64,
    pub rated_up: u64,
    pub rated_down: u64,
    pub first_question: Option<String>,
}

#[derive(sqlx_macros::FromRow)]
struct SumRow {
    place: String,
    outcome: String,
    conversations: Count,
    persons: Count,
    reopened: Count,
    messages: Count,
    answers: Count,
    unanswered: Count,
    rated: Count,
    rated_up: Count,
    rated_down: Count,
    answered: Count,
    first_answer_ms: Count,
}

impl SumRow {
    fn sum(self) -> Result<OutcomeSum, sqlx::Error> {
        let sums = OutcomeSums {
            conversations: self.conversations.0,
            persons: self.persons.0,
            reopened: self.reopened.0,
            messages: self.messages.0,
            answers: self.answers.0,
            unanswered: self.unanswered.0,
            rated: self.rated.0,
            rated_up: self.rated_up.0,
            rated_down: self.rated_down.0,
            answered: self.answered.0,
            first_answer_ms: self.first_answer_ms.0,
        };
        Ok(OutcomeSum { group: self.place, outcome: named(self.outcome)?, sums })
    }
}

#[derive(sqlx_macros::FromRow)]
struct ListRow {
    id: Id,
    conversation_id: Id,
    outcome: String,
    started_at: Time,
    language: String,
    messages: Count,
    rated_up: Count,
    rated_down: Count,
    first_question: Option<String>,
}

impl ListRow {
    fn listed(self) -> Result<ListedOutcome, sqlx::Error> {
        Ok(ListedOutcome {
            id: self.id.0,
            conversation: ConversationId(self.conversation_id.0),
            outcome: named(self.outcome)?,
            started_at: self.started_at.0,
            language: self.language,
            messages: self.messages.0,
            rated_up: self.rated_up.0,
            rated_down: self.rated_down.0,
            first_question: self.first_question,
        })
    }
}

macro_rules! sums {
    ($place:literal) => {
        concat!(
            "SELECT ",
            $place,
            " AS place, outcome, CAST(SUM(conversations) AS BIGINT) AS conversations,
                 CAST(SUM(persons) AS BIGINT) AS persons, CAST(SUM(reopened) AS BIGINT) AS reopened,
                 CAST(SUM(messages) AS BIGINT) AS messages, CAST(SUM(answers) AS BIGINT) AS answers,
                 CAST(SUM(unanswered) AS BIGINT) AS unanswered, CAST(SUM(rated) AS BIGINT) AS rated,
                 CAST(SUM(rated_up) AS BIGINT) AS rated_up, CAST(SUM(rated_down) AS BIGINT) AS rated_down,
                 CAST(SUM(answered) AS BIGINT) AS answered, CAST(SUM(first_answer_ms) AS BIGINT) AS first_answer_ms
             FROM outcome_days WHERE organization_id = "
        )
    };
}

/// The condition on the key. The playground counts under the organization's own id.
fn push_key(query: &mut Query, organization: OrganizationId, key: Option<KeyId>) {
    match key {
        Some(key) => query.push(" AND key_id = ").bind(Id(key.0)),
        None => query.push(" AND key_id <> ").bind(Id(organization.0)),
    };
}

/// The query for sums.
fn sums(db: &Conn<'_>, organization: OrganizationId, filter: &OutcomeFilter, by: OutcomeGrouping) -> Query {
    let OutcomeFilter { from, to, key, language, tag } = filter;
    let start = match by {
        OutcomeGrouping::Day => sums!("day"),
        OutcomeGrouping::Key => db.pick(sums!("key_id"), sums!("key_id::text")),
        OutcomeGrouping::Language => sums!("language"),
        OutcomeGrouping::Tag => sums!("tag"),
    };
    let mut query = Query::new(db, start);
    query.bind(Id(organization.0));
    if by == OutcomeGrouping::Tag && tag.is_none() {
        query.push(" AND tag <> ''");
    } else {
        query.push(" AND tag = ").bind(tag.clone().unwrap_or_default());
    }
    query.push(" AND day >= ").bind(from.clone()).push(" AND day <= ").bind(to.clone());
    push_key(&mut query, organization, *key);
    query.filter(" AND language = ", language.clone()).push(" GROUP BY 1, 2 ORDER BY 1, 2");
    query
}

const LIST: &str = "SELECT id, conversation_id, outcome, started_at, language, messages, rated_up, rated_down,
         (SELECT content FROM messages m
          WHERE m.conversation_id = o.conversation_id AND m.superseded_at IS NULL AND m.role = 'user'
          ORDER BY m.position LIMIT 1) AS first_question
     FROM conversation_outcomes o WHERE organization_id = ";

/// The query for a page of conversations of one outcome, or of all.
pub(crate) fn list(
    db: &Conn<'_>,
    organization: OrganizationId,
    wanted: &OutcomeQuery,
    outcome: Option<Outcome>,
) -> Query {
    let OutcomeFilter { from, to, key, language, tag } = &wanted.filter;
    let mut query = Query::new(db, LIST);
    query.bind(Id(organization.0)).filter(" AND outcome = ", outcome.map(Outcome::name));
    let midnight = |day: &str, time: &str| format!("{day}{time}").parse().ok().map(Time);
    query
        .filter(" AND started_at >= ", midnight(from, "T00:00:00Z"))
        .filter(" AND started_at <= ", midnight(to, "T23:59:59.999999Z"));
    push_key(&mut query, organization, *key);
    query.filter(" AND language = ", language.clone());
    if let Some(tag) = tag {
        let has = db.pick(
            " AND EXISTS (SELECT 1 FROM json_each(o.tags) AS tag WHERE tag.value = ",
            " AND EXISTS (SELECT 1 FROM unnest(o.tags) AS tag WHERE tag = ",
        );
        query.push(has).bind(tag.clone()).push(")");
    }
    if wanted.without_person {
        query.push(" AND NOT person");
    }
    if wanted.rated {
        query.push(" AND (rated_up > 0 OR rated_down > 0)");
    }
    query
        .older(" AND (started_at, id)", wanted.before)
        .push(" ORDER BY started_at DESC, id DESC LIMIT ")
        .bind(i64::from(wanted.limit));
    query
}

impl Store {
    /// Sums of outcomes by groups, in the order of the groups.
    #[boxed]
    pub async fn outcome_sums(
        &self,
        organization: OrganizationId,
        filter: &OutcomeFilter,
        by: OutcomeGrouping,
    ) -> Result<Vec<OutcomeSum>, StoreError> {
        let doing = "read sums of outcomes";
        let mut db = self.reader(organization, doing).await?;
        let query = sums(&db.conn(), organization, filter, by);
        let found: Vec<SumRow> = query.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(SumRow::sum).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// The conversations behind a sum, newest first. Each outcome is read in the order of its index, and the pages are
    /// merged.
    #[boxed]
    pub async fn list_outcomes(
        &self,
        organization: OrganizationId,
        wanted: OutcomeQuery,
    ) -> Result<Vec<ListedOutcome>, StoreError> {
        let doing = "list conversations by outcome";
        let mut db = self.reader(organization, doing).await?;
        let each: Vec<Option<Outcome>> =
            if wanted.outcomes.is_empty() { vec![None] } else { wanted.outcomes.iter().copied().map(Some).collect() };
        let mut listed = Vec::new();
        for outcome in each {
            let query = list(&db.conn(), organization, &wanted, outcome);
            let found: Vec<ListRow> = query.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
            for row in found {
                listed.push(row.listed().map_err(failed(doing))?);
            }
        }
        listed.sort_by_key(|one| std::cmp::Reverse((one.started_at, one.id)));
        listed.truncate(wanted.limit as usize);
        Ok(listed)
    }
}
