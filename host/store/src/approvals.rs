//! Approvals: asked, decided once, settled once.

use async_trait::async_trait;
use resly_core::{
    approval::{Approval, ApprovalState, ApprovalStore, Decided, Decision, Outcome, Person, Verdict},
    error::StoreError,
    id::{ApprovalId, ConnectionId, ConversationId, KeyId, MessageId, OrganizationId},
    principal::KeyKind,
};
use serde::de::DeserializeOwned;

use crate::{
    Store,
    error::{Halt, failed, unexpected},
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time, named},
};

#[derive(sqlx::FromRow)]
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
    action: String,
    input: String,
    title: String,
    text: String,
    state: String,
    decided_by: Option<Id>,
    decided_at: Option<Time>,
    reason: Option<String>,
    outcome: Option<String>,
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
            action: self.action,
            input: json(&self.input)?,
            title: self.title,
            text: self.text,
            state: named(self.state)?,
            decided_by: self.decided_by.map(|key| KeyId(key.0)),
            decided_at: self.decided_at.map(|at| at.0),
            reason: self.reason,
            outcome: self.outcome.as_deref().map(json).transpose()?,
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
        })
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| unexpected(format!("an approval's JSON is none: {error}")))
}

/// Who may know of an approval: `$2` is the organization, `$3` the key, `$4` whether any key of the organization will do.
macro_rules! known_to {
    () => {
        " WHERE id = $1 AND organization_id = $2
          AND ($4 OR COALESCE((SELECT lineage FROM api_keys WHERE id = approvals.key_id), approvals.key_id)
                     = COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3))"
    };
}

macro_rules! columns {
    () => {
        "id, organization_id, conversation_id, message_id, call, key_id, visitor, connection_id, revision, action,
         input, title, text, state, decided_by, decided_at, reason, outcome, created_at, expires_at"
    };
}

const FIND: &str = concat!("SELECT ", columns!(), " FROM approvals", known_to!());
/// Whoever comes first, decides; too late is expired, whatever was said.
const DECIDE: &str = concat!(
    "UPDATE approvals
     SET state = CASE WHEN expires_at <= $6 THEN 'expired' ELSE $5 END, decided_by = $3, decided_at = $6, reason = $7",
    known_to!(),
    " AND state = 'pending' RETURNING ",
    columns!()
);

async fn find(db: &mut Conn<'_>, person: Person, id: ApprovalId) -> Result<Option<Approval>, sqlx::Error> {
    let found = row!(
        db,
        ApprovalRow,
        FIND,
        Id(id.0),
        Id(person.organization.0),
        Id(person.key.0),
        person.kind == KeyKind::Secret
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
        state.name(),
        Time(*now),
        reason.map(Text)
    )?;
    if let Some(decided) = decided {
        return Ok(Decided::First(decided.approval()?));
    }
    Ok(find(db, *person, *id).await?.map_or(Decided::Unknown, Decided::Before))
}

async fn insert(db: &mut Conn<'_>, new: &Approval) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO approvals (id, organization_id, conversation_id, message_id, call, key_id, visitor, connection_id,
                                revision, action, input, title, text, state, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
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
        Time(new.expires_at)
    )
    .map(drop)
}

#[async_trait]
impl ApprovalStore for Store {
    async fn create_approval(&self, approval: Approval) -> Result<(), StoreError> {
        self.write("keep what a person has to confirm", move |mut db| {
            Box::pin(async move { Ok(insert(&mut db, &approval).await?) })
        })
        .await
    }

    async fn approval(&self, person: Person, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
        let doing = "find an approval";
        let mut reader = self.reader(doing).await?;
        find(&mut reader.conn(), person, id).await.map_err(failed(doing))
    }

    async fn decide_approval(&self, decision: Decision) -> Result<Decided, StoreError> {
        self.write("decide an approval", move |mut db| {
            Box::pin(async move { Ok::<_, Halt<StoreError>>(decide(&mut db, &decision).await?) })
        })
        .await
    }

    async fn settle_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        // A value that came from JSON always goes back.
        let text = serde_json::to_string(&outcome).unwrap_or_default();
        self.write("keep what came of an approval", move |mut db| {
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
