//! Members: how people sign in at the console, what keeps them signed in, and what they are in each organization.

pub mod company;
mod email;
pub mod invitations;
pub mod links;
mod password;
pub mod profile;
mod roles;
pub mod sessions;
pub mod sign_in;
mod token;

pub use resly_core::member::{Permission, Person, Role};
use resly_core::{boxed, error::StoreError};
pub use resly_store::{Member, MemberError, Membership};

pub use self::{
    password::{HashingError, Passwords},
    roles::{change_role, list, remove},
    sessions::Session,
};
use crate::App;

/// The organizations that a session's person is a member of, by their names. A session with a company's account sees its own
/// alone.
#[boxed]
pub async fn organizations(app: &App, session: &Session) -> Result<Vec<Membership>, StoreError> {
    let mut found = app.store.memberships(session.person.id).await?;
    found.retain(|membership| !session.bound || membership.organization == session.organization);
    Ok(found)
}

/// Deletes sessions, links and invitations that have ended. Returns the number of rows.
#[boxed]
pub async fn forget_ended(app: &App) -> Result<u64, StoreError> {
    let now = app.clock.now();
    app.store.forget_sign_ins(now, now.minus(sessions::IDLE), now.minus(sign_in::WINDOW)).await
}
