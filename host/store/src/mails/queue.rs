//! Which mails are due, and what became of an attempt.

use resly_core::{
    boxed,
    error::StoreError,
    id::{MailId, OrganizationId},
    mail::{MailFacts, MailKind},
    time::Timestamp,
};

use super::MailState;
use crate::{
    RowScope, Store,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, name_of, named},
};

/// How long an ended mail is kept.
const REMEMBERED_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;

/// A mail to send now, taken by this host until its lease ends.
#[derive(Clone, Debug)]
pub struct DueMail {
    pub id: MailId,
    pub organization: OrganizationId,
    pub organization_name: String,
    pub kind: MailKind,
    /// `None` when the person has no e-mail or is no member any more.
    pub to: Option<String>,
    pub facts: MailFacts,
    /// Sealed.
    pub secret: Option<Vec<u8>>,
    /// The number of earlier tries.
    pub tries: u32,
    pub created_at: Timestamp,
    /// When the lease ends. It also names the lease, since the next one ends later.
    pub lease_until: Timestamp,
}

/// The result of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailAttempt {
    pub error: Option<String>,
    /// When to try again after an error. `None` gives the mail up.
    pub again_at: Option<Timestamp>,
}

#[derive(sqlx_macros::FromRow)]
struct DueRow {
    id: Id,
    organization_id: Id,
    kind: String,
    address: Option<String>,
    person_id: Option<Id>,
    facts: Json<MailFacts>,
    secret: Option<Vec<u8>>,
    tries: Count,
    created_at: Time,
}

/// The e-mail of a member: the person's own, or what the organization's provider said.
const EMAIL: &str = "SELECT COALESCE(p.email, (SELECT i.email FROM identities i
         WHERE i.person_id = p.id AND i.organization = $1 ORDER BY i.last_used_at DESC LIMIT 1))
     FROM people p JOIN members m ON m.person_id = p.id AND m.organization_id = $1 WHERE p.id = $2";

async fn take_due(
    db: &mut Conn<'_>,
    now: Timestamp,
    lease_until: Timestamp,
    most: u32,
) -> Result<Vec<DueMail>, sqlx::Error> {
    let sql = db.pick(
        "UPDATE mails SET lease_until = $2 WHERE id IN (
             SELECT id FROM mails
             WHERE state = 'pending' AND next_try_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
             ORDER BY next_try_at LIMIT $3)
         RETURNING id, organization_id, kind, address, person_id, facts, secret, tries, created_at",
        "UPDATE mails SET lease_until = $2 WHERE id IN (
             SELECT id FROM mails
             WHERE state = 'pending' AND next_try_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
             ORDER BY next_try_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, organization_id, kind, address, person_id, facts, secret, tries, created_at",
    );
    let taken = rows!(db, DueRow, sql, Time(now), Time(lease_until), i64::from(most))?;
    let mut due = Vec::with_capacity(taken.len());
    for taken in taken {
        let name = "SELECT name FROM organizations WHERE id = $1";
        let name = row!(db, (String,), name, taken.organization_id)?;
        let to = match (taken.address, taken.person_id) {
            (Some(address), _) => Some(address),
            (None, Some(person)) => {
                row!(db, (Option<String>,), EMAIL, taken.organization_id, person)?.and_then(|(email,)| email)
            }
            (None, None) => None,
        };
        due.push(DueMail {
            id: MailId(taken.id.0),
            organization: OrganizationId(taken.organization_id.0),
            organization_name: name.map(|(name,)| name).unwrap_or_default(),
            kind: named(taken.kind)?,
            to,
            facts: taken.facts.0,
            secret: taken.secret,
            tries: u32::try_from(taken.tries.0).unwrap_or(u32::MAX),
            created_at: taken.created_at.0,
            lease_until,
        });
    }
    Ok(due)
}

async fn settle(db: &mut Conn<'_>, due: &DueMail, tried: &MailAttempt, now: Timestamp) -> Result<(), sqlx::Error> {
    let state = match (&tried.error, tried.again_at) {
        (None, _) => MailState::Sent,
        (Some(_), Some(_)) => MailState::Pending,
        (Some(_), None) => MailState::Failed,
    };
    let ended = state != MailState::Pending;
    let facts = if ended { MailFacts::default() } else { due.facts.clone() };
    execute!(
        db,
        "UPDATE mails
         SET state = $3, tries = tries + 1, next_try_at = COALESCE($4, next_try_at), lease_until = NULL,
             last_error = $5, ended_at = $6, facts = $7, secret = $8
         WHERE id = $1 AND organization_id = $2 AND state = 'pending' AND (lease_until = $9 OR $3 = 'sent')",
        Id(due.id.0),
        Id(due.organization.0),
        name_of(&state)?,
        tried.again_at.map(Time),
        tried.error.as_deref().map(Text),
        ended.then_some(Time(now)),
        Json(&facts),
        due.secret.as_deref().filter(|_| !ended),
        Time(due.lease_until)
    )
    .map(drop)
}

impl Store {
    /// Takes at most `most` mails that are due. Other hosts leave them alone until `lease_until`.
    #[boxed]
    pub async fn take_due_mails(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        most: u32,
    ) -> Result<Vec<DueMail>, StoreError> {
        self.write(RowScope::Host, "take mails to send", move |mut db| {
            Box::pin(async move { Ok(take_due(&mut db, now, lease_until, most).await?) })
        })
        .await
    }

    /// Stores the result of a try. A failure counts only while the lease is held: another host may be at it by then.
    #[boxed]
    pub async fn settle_mail(&self, due: &DueMail, tried: MailAttempt, now: Timestamp) -> Result<(), StoreError> {
        let due = due.clone();
        self.write(due.organization, "settle a mail", move |mut db| {
            Box::pin(async move { Ok(settle(&mut db, &due, &tried, now).await?) })
        })
        .await
    }

    /// Deletes mails that ended a week ago.
    #[boxed]
    pub async fn expire_mails(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = Timestamp::from_micros(now.micros().saturating_sub(REMEMBERED_MICROS));
        self.write(RowScope::Host, "forget old mails", move |mut db| {
            Box::pin(async move { Ok(execute!(db, "DELETE FROM mails WHERE ended_at < $1", Time(before))?) })
        })
        .await
    }
}
