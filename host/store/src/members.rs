//! Members: whose console a person uses, and in which role. The people themselves are in `members/people.rs`.
//!
//! An organization that has members keeps an owner. Changes of one organization's members run one after the other: otherwise
//! two owners could remove each other at once.

mod attempts;
mod identities;
mod invitations;
mod links;
mod people;
mod sessions;

use resly_core::{
    actor::Actor,
    boxed,
    error::StoreError,
    id::{MemberId, OrganizationId, PersonId},
    member::{Person, Role},
    time::Timestamp,
};
use serde::Serialize;

pub use self::{
    attempts::{AttemptError, AttemptLimit},
    identities::{IdentityError, ProvenIdentity},
    invitations::{AcceptError, Invitation, InviteError, NewInvitation, OpenInvitation},
    links::{LinkError, NewSignInLink},
    people::{NewPerson, PersonChange, PersonError, StoredPerson},
    sessions::{BeginSessionError, NewSession, SessionSummary, SignInMethod, StoredSession},
};
use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    error::{OperationError, failed},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Time, named},
};

/// A member of an organization.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: MemberId,
    pub person: Person,
    pub role: Role,
    /// Whether the member answers visitors now.
    pub available: bool,
    pub created_at: Timestamp,
}

/// An organization that a person is a member of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub organization: OrganizationId,
    /// The organization's name.
    pub name: String,
    pub role: Role,
}

/// Why a member can't be changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MemberError {
    #[error("there is no such member")]
    Missing,
    #[error("only an owner may make, change or remove an owner")]
    OwnersOnly,
    #[error("it is the organization's last owner; make another member an owner first")]
    LastOwner,
    #[error("this role may not change members; an admin or an owner may")]
    NotAllowed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct MemberRow {
    id: Id,
    role: String,
    available: bool,
    created_at: Time,
    person_id: Id,
    name: String,
    email: Option<String>,
}

impl MemberRow {
    fn member(self) -> Result<Member, sqlx::Error> {
        Ok(Member {
            id: MemberId(self.id.0),
            person: Person { id: PersonId(self.person_id.0), name: self.name, email: self.email },
            role: named(self.role)?,
            available: self.available,
            created_at: self.created_at.0,
        })
    }
}

/// Has changes of the organization's members wait for each other.
async fn lock(db: &mut Conn<'_>, organization: OrganizationId) -> Result<(), sqlx::Error> {
    let lock = db.pick(
        "SELECT id FROM organizations WHERE id = $1",
        "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
    );
    row!(db, (Id,), lock, Id(organization.0)).map(drop)
}

/// What the audit log shows of a member.
#[derive(Serialize)]
struct MemberView<'m> {
    email: Option<&'m str>,
    role: Role,
}

impl<'m> MemberView<'m> {
    fn of(person: &'m Person, role: Role) -> Self {
        Self { email: person.email.as_deref(), role }
    }
}

/// Makes a person a member, who did that by a link or an invitation.
async fn insert(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    member: MemberId,
    person: &Person,
    role: Role,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let inserted = execute!(
        db,
        "INSERT INTO members (id, organization_id, person_id, role, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (organization_id, person_id) DO NOTHING",
        Id(member.0),
        Id(organization.0),
        Id(person.id.0),
        role.name(),
        Time(now)
    )?;
    if inserted == 0 {
        return Ok(());
    }
    let by = Author::of(Actor::member(organization, person, now));
    let (subject, after) = (Subject::new(member, &person.name), view(&MemberView::of(person, role))?);
    by.created(db, organization, "member.create", subject, after).await
}

/// The member, when `by` may change it to `role` (`None`: remove it) and an owner is left afterwards.
async fn find_for_change(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: MemberId,
    by: Role,
    role: Option<Role>,
) -> Result<Member, OperationError<MemberError>> {
    lock(db, organization).await?;
    let found = row!(
        db,
        MemberRow,
        "SELECT m.id, m.role, m.available, m.created_at, m.person_id, p.name, p.email
         FROM members m JOIN people p ON p.id = m.person_id WHERE m.id = $1 AND m.organization_id = $2",
        Id(id.0),
        Id(organization.0)
    )?;
    let member = found.ok_or(OperationError::Refused(MemberError::Missing))?.member()?;
    if !by.may_grant(Role::Viewer) {
        return Err(OperationError::Refused(MemberError::NotAllowed));
    }
    if !by.may_grant(member.role) || role.is_some_and(|role| !by.may_grant(role)) {
        return Err(OperationError::Refused(MemberError::OwnersOnly));
    }
    if member.role == Role::Owner && role != Some(Role::Owner) {
        let count = "SELECT count(*) FROM members WHERE organization_id = $1 AND role = 'owner'";
        let owners = row!(db, (Count,), count, Id(organization.0))?;
        if owners.is_none_or(|(Count(owners),)| owners < 2) {
            return Err(OperationError::Refused(MemberError::LastOwner));
        }
    }
    Ok(member)
}

impl Store {
    /// The organization's members, oldest first. Who signs in with the company alone has the e-mail that the provider says.
    #[boxed]
    pub async fn list_members(&self, organization: OrganizationId) -> Result<Vec<Member>, StoreError> {
        let doing = "list the members";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            MemberRow,
            "SELECT m.id, m.role, m.available, m.created_at, m.person_id, p.name,
                 COALESCE(p.email, (SELECT max(i.email) FROM identities i
                                    WHERE i.organization = m.organization_id AND i.person_id = m.person_id)) AS email
             FROM members m JOIN people p ON p.id = m.person_id
             WHERE m.organization_id = $1 ORDER BY m.created_at, m.id",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(MemberRow::member).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// The organizations of a person, by their names.
    #[boxed]
    pub async fn memberships(&self, person: PersonId) -> Result<Vec<Membership>, StoreError> {
        let doing = "list a person's organizations";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            (Id, String, String),
            "SELECT o.id, o.name, m.role FROM members m JOIN organizations o ON o.id = m.organization_id
             WHERE m.person_id = $1 ORDER BY o.name, o.id",
            Id(person.0)
        )
        .map_err(failed(doing))?;
        let membership = |(id, name, role): (Id, String, String)| {
            Ok(Membership { organization: OrganizationId(id.0), name, role: named(role)? })
        };
        found.into_iter().map(membership).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Gives a member another role, on behalf of a member or a key with the role `by`.
    #[boxed]
    pub async fn change_member(
        &self,
        organization: OrganizationId,
        id: MemberId,
        role: Role,
        by: Role,
    ) -> Result<Member, MemberError> {
        let author = Author::current();
        self.write(RowScope::Host, "change a member's role", move |mut db| {
            Box::pin(async move {
                let member = find_for_change(&mut db, organization, id, by, Some(role)).await?;
                execute!(
                    db,
                    "UPDATE members SET role = $3 WHERE id = $1 AND organization_id = $2",
                    Id(id.0),
                    Id(organization.0),
                    role.name()
                )?;
                let before = view(&MemberView::of(&member.person, member.role))?;
                let after = view(&MemberView::of(&member.person, role))?;
                let subject = Subject::new(id, &member.person.name);
                author.changed(&mut db, organization, "member.change", subject, before, after).await?;
                Ok(Member { role, ..member })
            })
        })
        .await
    }

    /// Says whether a member answers visitors now. False when the person isn't a member.
    #[boxed]
    pub async fn set_availability(
        &self,
        organization: OrganizationId,
        person: PersonId,
        available: bool,
    ) -> Result<bool, StoreError> {
        self.write(organization, "say whether a member is available", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE members SET available = $3 WHERE organization_id = $1 AND person_id = $2";
                Ok(execute!(db, sql, Id(organization.0), Id(person.0), available)? > 0)
            })
        })
        .await
    }

    /// Removes a member, and ends the person's sessions that show the organization.
    #[boxed]
    pub async fn remove_member(&self, organization: OrganizationId, id: MemberId, by: Role) -> Result<(), MemberError> {
        let author = Author::current();
        self.write(RowScope::Host, "remove a member", move |mut db| {
            Box::pin(async move {
                let member = find_for_change(&mut db, organization, id, by, None).await?;
                execute!(
                    db,
                    "DELETE FROM members WHERE id = $1 AND organization_id = $2",
                    Id(id.0),
                    Id(organization.0)
                )?;
                sessions::end_in(&mut db, member.person.id, organization).await?;
                let before = view(&MemberView::of(&member.person, member.role))?;
                let subject = Subject::new(id, &member.person.name);
                Ok(author.deleted(&mut db, organization, "member.delete", subject, before).await?)
            })
        })
        .await
    }

    /// Deletes what can't be used any more: sessions and links that have ended, invitations that have expired, and the
    /// attempts of windows that began before `attempts_since`. Returns the number of rows.
    #[boxed]
    pub async fn forget_sign_ins(
        &self,
        now: Timestamp,
        idle_since: Timestamp,
        attempts_since: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(RowScope::Host, "forget sessions, links and invitations that have ended", move |mut db| {
            Box::pin(async move {
                let sessions = "DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2";
                let mut deleted = execute!(db, sessions, Time(now), Time(idle_since))?;
                deleted += execute!(db, "DELETE FROM sign_in_links WHERE expires_at <= $1", Time(now))?;
                deleted += execute!(db, "DELETE FROM invitations WHERE expires_at <= $1", Time(now))?;
                let attempts = "DELETE FROM sign_in_attempts WHERE started_at <= $1";
                Ok(deleted + execute!(db, attempts, Time(attempts_since))?)
            })
        })
        .await
    }
}
