//! Mails to send. A mail is stored in the transaction of what it tells, and any host sends it: once, unless a host dies
//! between the mail server's word and the store's.

mod queue;

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, MailId, OrganizationId, PersonId},
    mail::{MailFacts, MailKind},
    time::Timestamp,
};
use uuid::Uuid;

pub use self::queue::{DueMail, MailAttempt};
use crate::{
    Store,
    error::failed,
    page::{self, Cursor},
    row_id::row_id,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, named},
};

/// The mails of one organization that may wait. Further ones are left out.
const MOST: u64 = 1_000;
/// The members who are told of one hand-over.
const AGENTS: i64 = 200;
/// Characters of a text in a mail.
const TEXT: usize = 2_000;

/// Who gets a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    Address(String),
    /// Somebody at the e-mail that they have when it is sent.
    Person(PersonId),
}

/// A mail to store.
#[derive(Clone, Debug)]
pub struct NewMail {
    pub kind: MailKind,
    pub to: Recipient,
    pub facts: MailFacts,
    /// Sealed, such as the token of a link.
    pub secret: Option<Vec<u8>>,
    /// The conversation that it is about, itself or by its ticket.
    pub conversation: Option<ConversationId>,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailState {
    Pending,
    Sent,
    /// No further try is made.
    Failed,
}

/// A mail as an admin sees it.
#[derive(Clone, Debug)]
pub struct MailRecord {
    pub id: MailId,
    pub kind: MailKind,
    /// The address. `None`: a member's.
    pub to: Option<String>,
    pub state: MailState,
    pub tries: u32,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
}

/// The beginning of a text, for a mail.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Stores a mail, unless too many wait. Returns its id.
pub(crate) async fn enqueue(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    mail: &NewMail,
    now: Timestamp,
) -> Result<Option<MailId>, sqlx::Error> {
    let id = row_id(now);
    let (address, person) = match &mail.to {
        Recipient::Address(address) => (Some(address.as_str()), None),
        Recipient::Person(person) => (None, Some(*person)),
    };
    let stored = execute!(
        db,
        "INSERT INTO mails (id, organization_id, kind, address, person_id, conversation_id, facts, secret, state, tries,
                            next_try_at, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'pending', 0, $9, $9
         WHERE (SELECT count(*) FROM mails WHERE organization_id = $2 AND state = 'pending') < $10",
        id,
        Id(organization.0),
        mail.kind.name(),
        address.map(Text),
        person.map(|person| Id(person.0)),
        mail.conversation.map(|conversation| Id(conversation.0)),
        Json(&mail.facts),
        mail.secret.as_deref(),
        Time(now),
        Count(MOST)
    )?;
    Ok((stored > 0).then_some(MailId(id.0)))
}

/// Whether a person is a member of the organization.
pub(crate) async fn is_member(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    person: Uuid,
) -> Result<bool, sqlx::Error> {
    let sql = "SELECT 1 FROM members WHERE organization_id = $1 AND person_id = $2";
    Ok(row!(db, (i32,), sql, Id(organization.0), Id(person))?.is_some())
}

/// Tells the members who answer that a conversation waits. Who has such a mail under way gets no second one.
pub(crate) async fn tell_agents(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let agents = rows!(
        db,
        (Id,),
        "SELECT m.person_id FROM members m
         WHERE m.organization_id = $1 AND m.role IN ('owner', 'admin', 'agent') AND m.mail_handovers = $2
             AND NOT EXISTS (SELECT 1 FROM mails w WHERE w.organization_id = $1 AND w.person_id = m.person_id
                             AND w.kind = 'hand_over' AND w.state = 'pending')
         ORDER BY m.created_at, m.id LIMIT $3",
        Id(organization.0),
        true,
        AGENTS
    )?;
    let facts = MailFacts { path: Some(format!("/console/conversations/{conversation}")), ..MailFacts::default() };
    for (person,) in agents {
        let mail = NewMail {
            kind: MailKind::HandOver,
            to: Recipient::Person(PersonId(person.0)),
            facts: facts.clone(),
            secret: None,
            conversation: Some(conversation),
        };
        enqueue(db, organization, &mail, now).await?;
    }
    Ok(())
}

#[derive(sqlx_macros::FromRow)]
struct RecordRow {
    id: Id,
    kind: String,
    recipient: Option<String>,
    state: String,
    tries: Count,
    last_error: Option<String>,
    created_at: Time,
}

impl RecordRow {
    fn record(self) -> Result<MailRecord, sqlx::Error> {
        Ok(MailRecord {
            id: MailId(self.id.0),
            kind: named(self.kind)?,
            to: self.recipient,
            state: named(self.state)?,
            tries: u32::try_from(self.tries.0).unwrap_or(u32::MAX),
            last_error: self.last_error,
            created_at: self.created_at.0,
        })
    }
}

impl Store {
    /// The same store, which stores mails of what it changes: a mail server is set.
    pub fn with_mails(self) -> Self {
        Self { mails: true, ..self }
    }

    /// Stores a mail that is no part of a change. `None` when too many wait.
    #[boxed]
    pub async fn enqueue_mail(
        &self,
        organization: OrganizationId,
        mail: NewMail,
        now: Timestamp,
    ) -> Result<Option<MailId>, StoreError> {
        self.write(organization, "store a mail", move |mut db| {
            Box::pin(async move { Ok(enqueue(&mut db, organization, &mail, now).await?) })
        })
        .await
    }

    /// The organization's mails, newest first.
    #[boxed]
    pub async fn mails(
        &self,
        organization: OrganizationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<MailRecord>, StoreError> {
        let doing = "list the mails";
        let (before, before_id) = page::bounds(before);
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            RecordRow,
            "SELECT id, kind, address AS recipient, state, tries, last_error, created_at FROM mails
             WHERE organization_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
             ORDER BY created_at DESC, id DESC LIMIT $4",
            Id(organization.0),
            before,
            before_id,
            i64::from(limit)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(RecordRow::record).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Whether a member gets mails of conversations that wait. `None` when the person is no member.
    #[boxed]
    pub async fn mails_handovers(
        &self,
        organization: OrganizationId,
        person: PersonId,
    ) -> Result<Option<bool>, StoreError> {
        let doing = "see whether a member gets mails";
        let mut db = self.reader(organization, doing).await?;
        let sql = "SELECT mail_handovers FROM members WHERE organization_id = $1 AND person_id = $2";
        let found = row!(db, (bool,), sql, Id(organization.0), Id(person.0)).map_err(failed(doing))?;
        Ok(found.map(|(wanted,)| wanted))
    }

    /// Says whether a member wants mails of conversations that wait.
    #[boxed]
    pub async fn set_mail_handovers(
        &self,
        organization: OrganizationId,
        person: PersonId,
        wanted: bool,
    ) -> Result<(), StoreError> {
        self.write(organization, "set which mails a member gets", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE members SET mail_handovers = $3 WHERE organization_id = $1 AND person_id = $2";
                execute!(db, sql, Id(organization.0), Id(person.0), wanted)?;
                Ok(())
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_ends_between_characters() {
        assert_eq!(excerpt("kurz"), "kurz");
        let long = excerpt(&"ü".repeat(TEXT + 1));
        assert_eq!(long.chars().count(), TEXT + 1);
        assert!(long.ends_with("ü…"));
    }
}
