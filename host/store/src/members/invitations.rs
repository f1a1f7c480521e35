//! Invitations to become a member: one for each e-mail and organization. Only hashes of their tokens are stored.

use resly_core::{
    boxed,
    error::StoreError,
    id::{InvitationId, MemberId, OrganizationId, PersonId},
    member::Role,
    time::Timestamp,
};
use serde::Serialize;

use super::{
    people::{self, NewPerson},
    sessions::{self, NewSession, StoredSession},
};
use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    error::{OperationError, failed},
    mails::{self, NewMail},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Text, Time, named},
};

/// The open invitations of an organization.
const MOST: u64 = 500;

#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub id: InvitationId,
    /// In lower case.
    pub email: String,
    pub role: Role,
    pub token_hash: [u8; 32],
    /// The name of whoever invites.
    pub invited_by: String,
    pub now: Timestamp,
    pub expires_at: Timestamp,
    /// The mail that brings the link.
    pub mail: Option<NewMail>,
}

/// An invitation as members see it.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: Role,
    pub invited_by: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug)]
pub struct OpenInvitation {
    pub organization: OrganizationId,
    pub organization_name: String,
    pub email: String,
    pub role: Role,
    pub invited_by: String,
    /// Whether somebody with this e-mail signs in at this host already.
    pub known: bool,
}

/// Why nobody is invited.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InviteError {
    #[error("this person is a member already")]
    Member,
    #[error("only an owner may invite an owner, or change the invitation of one")]
    OwnersOnly,
    #[error("this role may not invite; an admin or an owner may")]
    NotAllowed,
    #[error("there are {MOST} open invitations; revoke one first")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an invitation makes nobody a member.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("this invitation was accepted or revoked already, or has expired")]
    Ended,
    #[error("this invitation is for another e-mail")]
    OtherPerson,
    #[error("this organization is entered with its company's account alone; sign in with it, and the invitation holds")]
    CompanyOnly,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct InvitationRow {
    id: Id,
    email: String,
    role: String,
    invited_by: String,
    created_at: Time,
    expires_at: Time,
}

impl InvitationRow {
    fn invitation(self) -> Result<Invitation, sqlx::Error> {
        Ok(Invitation {
            id: InvitationId(self.id.0),
            email: self.email,
            role: named(self.role)?,
            invited_by: self.invited_by,
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
        })
    }
}

/// What the audit log shows of an invitation.
#[derive(Serialize)]
struct InvitationView {
    role: Role,
}

async fn invite(
    db: &mut Conn<'_>,
    author: &Author,
    organization: OrganizationId,
    new: &NewInvitation,
    by: Role,
) -> Result<Invitation, OperationError<InviteError>> {
    if !by.may_grant(Role::Viewer) {
        return Err(OperationError::Refused(InviteError::NotAllowed));
    }
    super::lock(db, organization).await?;
    let member = row!(
        db,
        (i32,),
        "SELECT 1 FROM members m JOIN people p ON p.id = m.person_id WHERE m.organization_id = $1 AND p.email = $2",
        Id(organization.0),
        Text(&new.email)
    )?;
    if member.is_some() {
        return Err(OperationError::Refused(InviteError::Member));
    }
    let before = "SELECT role FROM invitations WHERE organization_id = $1 AND email = $2 AND expires_at > $3";
    let before = row!(db, (String,), before, Id(organization.0), Text(&new.email), Time(new.now))?;
    let before: Option<Role> = before.map(|(role,)| named(role)).transpose()?;
    if !by.may_grant(new.role) || before.is_some_and(|before| !by.may_grant(before)) {
        return Err(OperationError::Refused(InviteError::OwnersOnly));
    }
    let count = "SELECT count(*) FROM invitations WHERE organization_id = $1";
    let open = row!(db, (Count,), count, Id(organization.0))?;
    if before.is_none() && open.is_some_and(|(Count(open),)| open >= MOST) {
        return Err(OperationError::Refused(InviteError::TooMany));
    }
    execute!(
        db,
        "INSERT INTO invitations (id, organization_id, email, role, token_hash, invited_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (organization_id, email) DO UPDATE
         SET id = excluded.id, role = excluded.role, token_hash = excluded.token_hash,
             invited_by = excluded.invited_by, created_at = excluded.created_at, expires_at = excluded.expires_at",
        Id(new.id.0),
        Id(organization.0),
        Text(&new.email),
        new.role.name(),
        new.token_hash.as_slice(),
        Text(&new.invited_by),
        Time(new.now),
        Time(new.expires_at)
    )?;
    let (subject, after) = (Subject::new(new.id, &new.email), view(&InvitationView { role: new.role })?);
    author.created(db, organization, "invitation.create", subject, after).await?;
    Ok(Invitation {
        id: new.id,
        email: new.email.clone(),
        role: new.role,
        invited_by: new.invited_by.clone(),
        created_at: new.now,
        expires_at: new.expires_at,
    })
}

/// Who accepts an invitation.
enum Guest {
    /// Somebody who gave a name and a password; or who signed in with the e-mail's own, when there is such a person.
    New(NewPerson),
    /// Somebody who is signed in.
    Known(PersonId),
}

async fn accept(
    db: &mut Conn<'_>,
    token_hash: [u8; 32],
    guest: Guest,
    member: MemberId,
    now: Timestamp,
) -> Result<(PersonId, OrganizationId), OperationError<AcceptError>> {
    let taken = row!(
        db,
        (Id, String, String),
        "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2 RETURNING organization_id, email, role",
        token_hash.as_slice(),
        Time(now)
    )?;
    let (organization, email, role) = taken.ok_or(OperationError::Refused(AcceptError::Ended))?;
    let organization = OrganizationId(organization.0);
    let company = "SELECT 1 FROM identity_providers WHERE organization_id = $1 AND required = $2";
    if row!(db, (i32,), company, Id(organization.0), true)?.is_some() {
        return Err(OperationError::Refused(AcceptError::CompanyOnly));
    }
    let other = || OperationError::Refused(AcceptError::OtherPerson);
    let found = people::by_email(db, &email).await?.map(|found| found.person);
    let person = match (guest, found) {
        (Guest::New(new), None) if new.email.as_ref() == Some(&email) => {
            people::insert(db, &new, now).await.map_err(|error| match error {
                taken if people::is_taken(&taken) => other(),
                error => error.into(),
            })?
        }
        (Guest::Known(person), Some(found)) if person == found.id => found,
        (Guest::New(_) | Guest::Known(_), _) => return Err(other()),
    };
    super::insert(db, organization, member, &person, named(role)?, now).await?;
    Ok((person.id, organization))
}

impl Store {
    /// Invites somebody on behalf of a member or a key with the role `by`. It takes the place of an invitation of the same
    /// e-mail.
    #[boxed]
    pub async fn create_invitation(
        &self,
        organization: OrganizationId,
        new: NewInvitation,
        by: Role,
    ) -> Result<Invitation, InviteError> {
        let author = Author::current();
        self.write(RowScope::Host, "invite somebody", move |mut db| {
            Box::pin(async move {
                let invitation = invite(&mut db, &author, organization, &new, by).await?;
                if let Some(mail) = &new.mail {
                    mails::enqueue(&mut db, organization, mail, new.now).await?;
                }
                Ok(invitation)
            })
        })
        .await
    }

    /// The invitations that are open, newest first.
    #[boxed]
    pub async fn list_invitations(
        &self,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, StoreError> {
        let doing = "list the invitations";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            InvitationRow,
            "SELECT id, email, role, invited_by, created_at, expires_at FROM invitations
             WHERE organization_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id DESC",
            Id(organization.0),
            Time(now)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(InvitationRow::invitation).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Revokes an invitation. False when there is none.
    #[boxed]
    pub async fn revoke_invitation(&self, organization: OrganizationId, id: InvitationId) -> Result<bool, StoreError> {
        let author = Author::current();
        self.write(organization, "revoke an invitation", move |mut db| {
            Box::pin(async move {
                let sql = "DELETE FROM invitations WHERE id = $1 AND organization_id = $2 RETURNING email, role";
                let revoked = row!(db, (String, String), sql, Id(id.0), Id(organization.0))?;
                let Some((email, role)) = revoked else { return Ok(false) };
                let (subject, before) = (Subject::new(id, &email), view(&InvitationView { role: named(role)? })?);
                author.deleted(&mut db, organization, "invitation.delete", subject, before).await?;
                Ok(true)
            })
        })
        .await
    }

    /// The invitation that a token belongs to.
    #[boxed]
    pub async fn open_invitation(
        &self,
        token_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<OpenInvitation>, StoreError> {
        let doing = "find an invitation";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = row!(
            db,
            (Id, String, String, String, String, bool),
            "SELECT i.organization_id, o.name, i.email, i.role, i.invited_by,
                 EXISTS (SELECT 1 FROM people p WHERE p.email = i.email)
             FROM invitations i JOIN organizations o ON o.id = i.organization_id
             WHERE i.token_hash = $1 AND i.expires_at > $2",
            token_hash.as_slice(),
            Time(now)
        )
        .map_err(failed(doing))?;
        let open =
            |(id, organization_name, email, role, invited_by, known): (Id, String, String, String, String, bool)| {
                let organization = OrganizationId(id.0);
                Ok(OpenInvitation { organization, organization_name, email, role: named(role)?, invited_by, known })
            };
        found.map(open).transpose().map_err(failed(doing))
    }

    /// Makes a new person a member, and begins a session there. Nobody else may have the e-mail.
    #[boxed]
    pub async fn accept_invitation(
        &self,
        token_hash: [u8; 32],
        new: NewPerson,
        member: MemberId,
        session: NewSession,
    ) -> Result<StoredSession, AcceptError> {
        self.write(RowScope::Host, "accept an invitation", move |mut db| {
            Box::pin(async move {
                let now = session.now;
                let (person, organization) = accept(&mut db, token_hash, Guest::New(new), member, now).await?;
                sessions::insert(&mut db, person, organization, &session).await?;
                let begun = sessions::read(&mut db, session.token_hash, now, None).await?;
                begun.ok_or(OperationError::Refused(AcceptError::Ended))
            })
        })
        .await
    }

    /// Makes a person who is signed in a member. The invitation is for that person's e-mail. Returns the organization.
    #[boxed]
    pub async fn join_by_invitation(
        &self,
        token_hash: [u8; 32],
        person: PersonId,
        member: MemberId,
        now: Timestamp,
    ) -> Result<OrganizationId, AcceptError> {
        self.write(RowScope::Host, "join by an invitation", move |mut db| {
            Box::pin(async move {
                let joined = accept(&mut db, token_hash, Guest::Known(person), member, now).await?;
                Ok(joined.1)
            })
        })
        .await
    }
}
