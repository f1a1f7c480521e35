//! Sessions at the console. They end twelve hours after their last use, and fourteen days after they began.

use std::time::Duration;

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, SessionId},
    member::{Person, Role},
    time::Timestamp,
};
pub use resly_store::SessionSummary;
use resly_store::{SignInMethod, StoredSession};

use super::token;
use crate::App;

/// After so long without use, a session ends.
pub const IDLE: Duration = Duration::from_secs(12 * 3600);
/// After so long, every session ends.
pub const LONGEST: Duration = Duration::from_secs(14 * 24 * 3600);
/// How exactly the last use is stored. A write for each request would be too many.
const SEEN_EVERY: Duration = Duration::from_secs(5 * 60);

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub person: Person,
    /// The organization that the session shows.
    pub organization: OrganizationId,
    pub organization_name: String,
    pub role: Role,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
    /// It began with the account of the organization's company: it shows that organization alone, and changes nothing of the
    /// person, whom other organizations may know, too.
    pub bound: bool,
}

impl Session {
    /// The organization beyond which the session sees nothing of its person.
    fn within(&self) -> Option<OrganizationId> {
        self.bound.then_some(self.organization)
    }
}

impl From<StoredSession> for Session {
    fn from(stored: StoredSession) -> Self {
        Self {
            id: stored.id,
            person: stored.person,
            organization: stored.organization,
            organization_name: stored.organization_name,
            role: stored.role,
            expires_at: stored.expires_at,
            bound: stored.method == SignInMethod::Oidc,
        }
    }
}

/// The session of a token, unless it has ended or its person isn't a member any more.
#[boxed]
pub async fn find(app: &App, token: &str) -> Result<Option<Session>, StoreError> {
    let now = app.clock.now();
    let Some(stored) = app.store.session(token::hash(token), now, now.minus(IDLE)).await? else { return Ok(None) };
    if now.since(stored.last_seen_at) >= SEEN_EVERY && !app.store.is_read_only() {
        app.store.session_seen(stored.id, now).await?;
    }
    Ok(Some(stored.into()))
}

/// Has a session show another organization. `None` when there is no such session, its person is no member there, or one of the
/// two organizations is entered with its company's account alone.
#[boxed]
pub async fn enter(app: &App, token: &str, organization: OrganizationId) -> Result<Option<Session>, StoreError> {
    let Some(session) = find(app, token).await? else { return Ok(None) };
    if !app.store.enter_organization(session.id, organization).await? {
        return Ok(None);
    }
    find(app, token).await
}

/// Ends the session of a token.
#[boxed]
pub async fn end(app: &App, token: &str) -> Result<(), StoreError> {
    app.store.end_session(token::hash(token)).await
}

/// Ends one of the sessions of a session's person. False when there is none of this id.
#[boxed]
pub async fn end_one(app: &App, session: &Session, id: SessionId) -> Result<bool, StoreError> {
    Ok(app.store.end_sessions(session.person.id, Some(id), session.within()).await? > 0)
}

/// Ends all sessions of a session's person.
#[boxed]
pub async fn end_all(app: &App, session: &Session) -> Result<(), StoreError> {
    app.store.end_sessions(session.person.id, None, session.within()).await.map(drop)
}

/// The sessions of a session's person, used last first. One with a company's account sees those of that account alone.
#[boxed]
pub async fn list(app: &App, session: &Session) -> Result<Vec<SessionSummary>, StoreError> {
    let now = app.clock.now();
    app.store.list_sessions(session.person.id, session.within(), now, now.minus(IDLE)).await
}
