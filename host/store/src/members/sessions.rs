//! Sessions at the console. Only hashes of their tokens are stored.

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, PersonId, SessionId},
    member::{Person, Role},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attempts;
use crate::{
    RowScope, Store,
    error::{OperationError, failed},
    sql::{Conn, execute, row, rows},
    types::{Id, Text, Time, named},
};

/// How a person signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignInMethod {
    Link,
    Password,
    Invitation,
    /// With a company's account. The session shows that organization alone.
    Oidc,
}

impl SignInMethod {
    fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Password => "password",
            Self::Invitation => "invitation",
            Self::Oidc => "oidc",
        }
    }
}

#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub token_hash: [u8; 32],
    pub method: SignInMethod,
    pub address: String,
    pub user_agent: Option<String>,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// A session that a token belongs to.
#[derive(Clone, Debug)]
pub struct StoredSession {
    pub id: SessionId,
    pub person: Person,
    /// The organization that it shows. The person is a member.
    pub organization: OrganizationId,
    pub organization_name: String,
    pub role: Role,
    pub method: SignInMethod,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A session as its person sees it.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    pub id: SessionId,
    pub organization_name: String,
    pub address: String,
    pub user_agent: Option<String>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Why no session begins.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BeginSessionError {
    #[error("this person is a member of no organization")]
    NoOrganization,
    #[error("each organization of this person is entered with its company's account alone")]
    CompanyOnly,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct SessionRow {
    id: Id,
    person_id: Id,
    person_name: String,
    email: Option<String>,
    organization: Id,
    organization_name: String,
    role: String,
    method: String,
    created_at: Time,
    last_seen_at: Time,
    expires_at: Time,
}

impl SessionRow {
    fn session(self) -> Result<StoredSession, sqlx::Error> {
        Ok(StoredSession {
            id: SessionId(self.id.0),
            person: Person { id: PersonId(self.person_id.0), name: self.person_name, email: self.email },
            organization: OrganizationId(self.organization.0),
            organization_name: self.organization_name,
            role: named(self.role)?,
            method: named(self.method)?,
            created_at: self.created_at.0,
            last_seen_at: self.last_seen_at.0,
            expires_at: self.expires_at.0,
        })
    }
}

/// The session of a token, unless it has ended, was last seen before `idle_since`, its person is no member any more, or its
/// organization is entered with a company's account alone. A link, which only the operator makes, opens each.
pub(super) async fn read(
    db: &mut Conn<'_>,
    token_hash: [u8; 32],
    now: Timestamp,
    idle_since: Option<Timestamp>,
) -> Result<Option<StoredSession>, sqlx::Error> {
    let found = row!(
        db,
        SessionRow,
        "SELECT s.id, s.person_id, p.name AS person_name, p.email, s.organization, o.name AS organization_name, m.role,
             s.method, s.created_at, s.last_seen_at, s.expires_at
         FROM sessions s
             JOIN people p ON p.id = s.person_id
             JOIN members m ON m.organization_id = s.organization AND m.person_id = s.person_id
             JOIN organizations o ON o.id = s.organization
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3
             AND (s.method IN ('oidc', 'link') OR NOT EXISTS
                  (SELECT 1 FROM identity_providers i WHERE i.organization_id = s.organization AND i.required))",
        token_hash.as_slice(),
        Time(now),
        Time(idle_since.unwrap_or(Timestamp::from_micros(0)))
    )?;
    found.map(SessionRow::session).transpose()
}

pub(super) async fn insert(
    db: &mut Conn<'_>,
    person: PersonId,
    organization: OrganizationId,
    new: &NewSession,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO sessions (id, token_hash, person_id, organization, method, address, user_agent, created_at,
                               last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
        Id(new.id.0),
        new.token_hash.as_slice(),
        Id(person.0),
        Id(organization.0),
        new.method.name(),
        new.address.as_str(),
        new.user_agent.as_deref().map(Text),
        Time(new.now),
        Time(new.expires_at)
    )
    .map(drop)
}

/// Ends a person's sessions that show the organization.
pub(super) async fn end_in(
    db: &mut Conn<'_>,
    person: PersonId,
    organization: OrganizationId,
) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM sessions WHERE person_id = $1 AND organization = $2";
    execute!(db, sql, Id(person.0), Id(organization.0)).map(drop)
}

/// Ends a person's sessions but one.
pub(super) async fn end_others(db: &mut Conn<'_>, person: PersonId, keep: SessionId) -> Result<(), sqlx::Error> {
    execute!(db, "DELETE FROM sessions WHERE person_id = $1 AND id <> $2", Id(person.0), Id(keep.0)).map(drop)
}

impl Store {
    /// Begins a session of a person who gave the right password, in the organization that they joined first. Forgets the
    /// attempts of the e-mail, and gives that of the address back.
    #[boxed]
    pub async fn begin_session(
        &self,
        person: PersonId,
        new: NewSession,
        email: Uuid,
        address: Uuid,
    ) -> Result<StoredSession, BeginSessionError> {
        self.write(RowScope::Host, "begin a session", move |mut db| {
            Box::pin(async move {
                attempts::succeed(&mut db, email, address).await?;
                let first = "SELECT m.organization_id FROM members m WHERE m.person_id = $1 AND NOT EXISTS
                                 (SELECT 1 FROM identity_providers i
                                  WHERE i.organization_id = m.organization_id AND i.required)
                             ORDER BY m.created_at, m.id LIMIT 1";
                let none = || OperationError::Refused(BeginSessionError::NoOrganization);
                let Some((organization,)) = row!(db, (Id,), first, Id(person.0))? else {
                    let any = "SELECT 1 FROM members WHERE person_id = $1 LIMIT 1";
                    let any = row!(db, (i32,), any, Id(person.0))?;
                    return Err(any.map_or_else(none, |_| OperationError::Refused(BeginSessionError::CompanyOnly)));
                };
                insert(&mut db, person, OrganizationId(organization.0), &new).await?;
                read(&mut db, new.token_hash, new.now, None).await?.ok_or_else(none)
            })
        })
        .await
    }

    /// The session that a token belongs to: see [`read`].
    #[boxed]
    pub async fn session(
        &self,
        token_hash: [u8; 32],
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Option<StoredSession>, StoreError> {
        let doing = "find a session";
        let mut db = self.reader(RowScope::Host, doing).await?;
        read(&mut db.conn(), token_hash, now, Some(idle_since)).await.map_err(failed(doing))
    }

    /// How the person of a session signed in. `None` when there is no such session.
    #[boxed]
    pub async fn sign_in_method(&self, id: SessionId) -> Result<Option<SignInMethod>, StoreError> {
        let doing = "see how a person signed in";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found =
            row!(db, (String,), "SELECT method FROM sessions WHERE id = $1", Id(id.0)).map_err(failed(doing))?;
        found.map(|(method,)| named(method)).transpose().map_err(failed(doing))
    }

    /// Stores that a session was used.
    #[boxed]
    pub async fn session_seen(&self, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        self.write(RowScope::Host, "note that a session was used", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2";
                execute!(db, sql, Id(id.0), Time(now))?;
                Ok(())
            })
        })
        .await
    }

    /// Has a session show another organization of its person. False when the person is no member there, when that is
    /// entered with its company's account alone, or when the session is one of such an account.
    #[boxed]
    pub async fn enter_organization(&self, id: SessionId, organization: OrganizationId) -> Result<bool, StoreError> {
        self.write(RowScope::Host, "show another organization", move |mut db| {
            Box::pin(async move {
                let changed = execute!(
                    db,
                    "UPDATE sessions SET organization = $2 WHERE id = $1 AND method <> 'oidc'
                         AND EXISTS (SELECT 1 FROM members m
                                     WHERE m.organization_id = $2 AND m.person_id = sessions.person_id)
                         AND (method = 'link' OR NOT EXISTS
                              (SELECT 1 FROM identity_providers i WHERE i.organization_id = $2 AND i.required))",
                    Id(id.0),
                    Id(organization.0)
                )?;
                Ok(changed > 0)
            })
        })
        .await
    }

    /// Ends the session of a token.
    #[boxed]
    pub async fn end_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError> {
        self.write(RowScope::Host, "end a session", move |mut db| {
            Box::pin(async move {
                execute!(db, "DELETE FROM sessions WHERE token_hash = $1", token_hash.as_slice())?;
                Ok(())
            })
        })
        .await
    }

    /// Ends a person's sessions: one of them, or all; within an organization, those with its company's account. Returns their
    /// number.
    #[boxed]
    pub async fn end_sessions(
        &self,
        person: PersonId,
        only: Option<SessionId>,
        within: Option<OrganizationId>,
    ) -> Result<u64, StoreError> {
        self.write(RowScope::Host, "end a person's sessions", move |mut db| {
            Box::pin(async move {
                let sql = "DELETE FROM sessions WHERE person_id = $1 AND id = COALESCE($2, id)
                           AND ($3 IS NULL OR (organization = $3 AND method = 'oidc'))";
                Ok(execute!(db, sql, Id(person.0), only.map(|id| Id(id.0)), within.map(|id| Id(id.0)))?)
            })
        })
        .await
    }

    /// A person's sessions that haven't ended, used last first; within an organization, those with its company's account.
    #[boxed]
    pub async fn list_sessions(
        &self,
        person: PersonId,
        within: Option<OrganizationId>,
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let doing = "list a person's sessions";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            (Id, String, String, Option<String>, Time, Time),
            "SELECT s.id, o.name, s.address, s.user_agent, s.created_at, s.last_seen_at
             FROM sessions s JOIN organizations o ON o.id = s.organization
             WHERE s.person_id = $1 AND s.expires_at > $2 AND s.last_seen_at > $3
                 AND ($4 IS NULL OR (s.organization = $4 AND s.method = 'oidc'))
             ORDER BY s.last_seen_at DESC, s.id DESC",
            Id(person.0),
            Time(now),
            Time(idle_since),
            within.map(|id| Id(id.0))
        )
        .map_err(failed(doing))?;
        let summary = |(id, organization_name, address, user_agent, created_at, last_seen_at): (
            Id,
            String,
            String,
            Option<String>,
            Time,
            Time,
        )| SessionSummary {
            id: SessionId(id.0),
            organization_name,
            address,
            user_agent,
            created_at: created_at.0,
            last_seen_at: last_seen_at.0,
        };
        Ok(found.into_iter().map(summary).collect())
    }
}
