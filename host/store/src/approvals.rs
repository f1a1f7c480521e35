//! Approvals: each is created pending, decided once, and settled once.

use async_trait::async_trait;
use resly_core::{
    approval::{Approval, ApprovalState, ApprovalStore, ChatClient, Decided, Decision, Outcome, Verdict},
    boxed,
    error::StoreError,
    id::{ApprovalId, ConnectionId, ConversationId, KeyId, MessageId, OrganizationId},
    principal::KeyKind,
    time::Timestamp,
};
use serde::de::DeserializeOwned;

use crate::{
    Store,
    error::{OperationError, failed, unexpected},
    page::Cursor,
    query::Query,
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time, named},
};

/// Which approvals to list. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct ApprovalQuery {
    pub state: Option<ApprovalState>,
    pub connection: Option<ConnectionId>,
    /// Where the page begins.
    pub before: Option<Cursor>,
    pub limit: u32,
}

/// An approval as it is listed, without its round.
#[derive(Clone, Debug)]
pub struct ListedApproval {
    pub approval: Approval,
    /// Of the key under which the model was asked, also when that has been deleted.
    pub key_name: Option<String>,
    /// Of the key that decided.
    pub decided_by_name: Option<String>,
}

#[derive(sqlx_macros::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    approval: ApprovalRow,
    key_name: Option<String>,
    decided_by_name: Option<String>,
}

#[derive(sqlx_macros::FromRow)]
struct ApprovalRow {
    id: Id,
    organization_id: Id,
    conversation_id: Id,
    message_id: Id,
    call: String,
    key_id: Id,
    visitor: Option<String>,
    connection_id: Id,
    revision: Count,
    authorized_at: Option<Time>,
    action: String,
    input: String,
    title: String,
    text: String,
    state: String,
    decided_by: Option<Id>,
    decided_at: Option<Time>,
    reason: Option<String>,
    outcome: Option<String>,
    round: Option<String>,
    created_at: Time,
    expires_at: Time,
}

impl ApprovalRow {
    fn approval(self) -> Result<Approval, sqlx::Error> {
        Ok(Approval {
            id: ApprovalId(self.id.0),
            organization: OrganizationId(self.organization_id.0),
            conversation: ConversationId(self.conversation_id.0),
            message: MessageId(self.message_id.0),
            call: self.call,
            key: KeyId(self.key_id.0),
            visitor: self.visitor,
            connection: ConnectionId(self.connection_id.0),
            revision: self.revision.0,
            authorized_at: self.authorized_at.map(|at| at.0),
            action: self.action,
            input: json(&self.input)?,
            title: self.title,
            text: self.text,
            state: named(self.state)?,
            decided_by: self.decided_by.map(|key| KeyId(key.0)),
            decided_at: self.decided_at.map(|at| at.0),
            reason: self.reason,
            outcome: self.outcome.as_deref().map(json).transpose()?,
            round: self.round.as_deref().map(json).transpose()?.unwrap_or_default(),
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
        })
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| unexpected(format!("an approval's JSON can't be read: {error}")))
}

/// The condition under which a client may see an approval. `$2` is the organization, `$3` the key, `$4` whether any key
/// of the organization will do, `$5` the visitor. An approval without a visitor can be seen for any.
macro_rules! known_to {
    () => {
        " WHERE id = $1 AND organization_id = $2
          AND ($4 OR COALESCE((SELECT lineage FROM api_keys WHERE id = approvals.key_id), approvals.key_id)
                     = COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3))
          AND (visitor IS NULL OR visitor = $5)"
    };
}

/// `round` may be large and only continuing the turn needs it, so lists leave it out.
macro_rules! columns {
    ($round:literal) => {
        concat!(
            "id, organization_id, conversation_id, message_id, call, key_id, visitor, connection_id, revision,
         authorized_at, action, input, title, text, state, decided_by, decided_at, reason, outcome, created_at, expires_at, ",
            $round
        )
    };
}

const FIND: &str = concat!("SELECT ", columns!("round"), " FROM approvals", known_to!());
/// The first decision counts. One that comes too late makes the approval expired, whatever it was.
const DECIDE: &str = concat!(
    "UPDATE approvals
     SET state = CASE WHEN expires_at <= $7 THEN 'expired' ELSE $6 END, decided_by = $3, decided_at = $7, reason = $8",
    known_to!(),
    " AND state = 'pending' RETURNING ",
    columns!("round")
);
const LIST: &str = concat!(
    "SELECT ",
    columns!("CAST(NULL AS TEXT) AS round"),
    ", (SELECT name FROM api_keys k WHERE k.id = approvals.key_id AND k.organization_id = approvals.organization_id)
           AS key_name,
       (SELECT name FROM api_keys k WHERE k.id = approvals.decided_by AND k.organization_id = approvals.organization_id)
           AS decided_by_name
     FROM approvals WHERE organization_id = "
);

async fn find(db: &mut Conn<'_>, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, sqlx::Error> {
    let found = row!(
        db,
        ApprovalRow,
        FIND,
        Id(id.0),
        Id(person.organization.0),
        Id(person.key.0),
        person.kind == KeyKind::Secret,
        person.visitor.as_deref().map(Text)
    )?;
    found.map(ApprovalRow::approval).transpose()
}

async fn decide(db: &mut Conn<'_>, decision: &Decision) -> Result<Decided, sqlx::Error> {
    let Decision { id, person, verdict, now } = decision;
    let (state, reason) = match verdict {
        Verdict::Approve => (ApprovalState::Approved, None),
        Verdict::Decline { reason } => (ApprovalState::Declined, reason.as_deref()),
    };
    let decided = row!(
        db,
        ApprovalRow,
        DECIDE,
        Id(id.0),
        Id(person.organization.0),
        Id(person.key.0),
        person.kind == KeyKind::Secret,
        person.visitor.as_deref().map(Text),
        state.name(),
        Time(*now),
        reason.map(Text)
    )?;
    if let Some(decided) = decided {
        return Ok(Decided::First(decided.approval()?));
    }
    Ok(find(db, person, *id).await?.map_or(Decided::Unknown, Decided::Before))
}

async fn insert(db: &mut Conn<'_>, new: &Approval) -> Result<(), sqlx::Error> {
    // Serializing can't fail, because the values came from JSON.
    let round = (!new.round.is_empty()).then(|| serde_json::to_string(&new.round).unwrap_or_default());
    execute!(
        db,
        "INSERT INTO approvals (id, organization_id, conversation_id, message_id, call, key_id, visitor, connection_id,
                                revision, action, input, title, text, state, created_at, expires_at, authorized_at, round)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        Id(new.id.0),
        Id(new.organization.0),
        Id(new.conversation.0),
        Id(new.message.0),
        Text(&new.call),
        Id(new.key.0),
        new.visitor.as_deref().map(Text),
        Id(new.connection.0),
        Count(new.revision),
        new.action.as_str(),
        new.input.to_string(),
        Text(&new.title),
        Text(&new.text),
        new.state.name(),
        Time(new.created_at),
        Time(new.expires_at),
        new.authorized_at.map(Time),
        round
    )
    .map(drop)
}

impl Store {
    /// The organization's approvals as they are at `now`, newest first.
    #[boxed]
    pub async fn approvals(
        &self,
        organization: OrganizationId,
        query: ApprovalQuery,
        now: Timestamp,
    ) -> Result<Vec<ListedApproval>, StoreError> {
        let doing = "list the approvals";
        let mut db = self.reader(organization, doing).await?;
        let mut list = Query::new(&db.conn(), LIST);
        list.bind(Id(organization.0))
            .filter(" AND connection_id = ", query.connection.map(|connection| Id(connection.0)))
            .older(" AND (created_at, id)", query.before);
        // A pending approval whose time is over is listed as expired.
        list.filter(" AND (state = ", query.state.map(ApprovalState::name));
        match query.state {
            None => {}
            Some(ApprovalState::Pending) => drop(list.push(" AND expires_at > ").bind(Time(now)).push(")")),
            Some(ApprovalState::Expired) => {
                list.push(" OR (state = 'pending' AND expires_at <= ").bind(Time(now)).push("))");
            }
            Some(_) => drop(list.push(")")),
        }
        list.push(" ORDER BY created_at DESC, id DESC LIMIT ").bind(i64::from(query.limit));
        let found: Vec<ListedRow> = list.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        let listed = found.into_iter().map(|ListedRow { approval, key_name, decided_by_name }| {
            Ok(ListedApproval { approval: approval.approval()?.at(now), key_name, decided_by_name })
        });
        listed.collect::<Result<_, sqlx::Error>>().map_err(failed(doing))
    }
}

#[async_trait]
impl ApprovalStore for Store {
    async fn create_approvals(&self, approvals: Vec<Approval>) -> Result<(), StoreError> {
        let Some(first) = approvals.first() else { return Ok(()) };
        self.write(first.organization, "store approvals", move |mut db| {
            Box::pin(async move {
                for approval in &approvals {
                    insert(&mut db, approval).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn approval(&self, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        let doing = "find an approval";
        let mut reader = self.reader(person.organization, doing).await?;
        find(&mut reader.conn(), person, id).await.map_err(failed(doing))
    }

    async fn decide_approval(&self, decision: Decision) -> Result<Decided, StoreError> {
        self.write(decision.person.organization, "decide an approval", move |mut db| {
            Box::pin(async move { Ok::<_, OperationError<StoreError>>(decide(&mut db, &decision).await?) })
        })
        .await
    }

    async fn settle_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        // Serializing can't fail, because the value came from JSON.
        let text = serde_json::to_string(&outcome).unwrap_or_default();
        self.write(organization, "store an approval's outcome", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE approvals SET state = $3, outcome = $4
                     WHERE id = $1 AND organization_id = $2 AND state = 'approved'",
                    Id(id.0),
                    Id(organization.0),
                    outcome.state().name(),
                    text.as_str()
                )?;
                Ok(())
            })
        })
        .await
    }
}
