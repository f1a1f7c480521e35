//! Members: how people sign in at the console, what keeps them signed in, and what they are in each organization.

pub mod invitations;
pub mod links;
mod password;
pub mod profile;
mod roles;
pub mod sessions;
pub mod sign_in;
mod token;

pub use resly_core::member::{Permission, Person, Role};
use resly_core::{boxed, error::StoreError, id::PersonId};
pub use resly_store::{Member, MemberError, Membership};

pub use self::{
    password::{HashingError, Passwords},
    roles::{change_role, list, remove},
    sessions::Session,
};
use crate::App;

/// The organizations that a person is a member of, by their names.
#[boxed]
pub async fn organizations(app: &App, person: PersonId) -> Result<Vec<Membership>, StoreError> {
    app.store.memberships(person).await
}

/// Deletes sessions, links and invitations that have ended. Returns the number of rows.
#[boxed]
pub async fn forget_ended(app: &App) -> Result<u64, StoreError> {
    let now = app.clock.now();
    app.store.forget_sign_ins(now, now.minus(sessions::IDLE), now.minus(sign_in::WINDOW)).await
}
