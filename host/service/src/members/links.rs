//! One-time links that sign somebody in: the first owner of an organization, or a member who lost the password.

use std::time::Duration;

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, PersonId},
    member::Role,
    time::{Clock, Random},
};
use resly_store::{NewSignInLink, Store};

use super::{email::normalized_email, token};
use crate::App;

/// How long a link can be used.
pub const VALID: Duration = Duration::from_secs(24 * 3600);

/// Why there is no link for a person.
#[derive(Debug, thiserror::Error)]
pub enum PersonalLinkError {
    #[error("no member of this organization has the e-mail `{0}`; a link without an e-mail makes a new owner")]
    NoMember(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a link that makes a new person with the role, and returns its token. `url` makes the address of it.
#[boxed]
pub async fn create(app: &App, organization: OrganizationId, role: Role) -> Result<String, StoreError> {
    let parts = (&app.store, &*app.clock, &*app.random);
    create_for(parts, organization, None, role).await
}

/// The same for a command, which has a store but no host. With an e-mail, the link signs the member in who has it.
#[boxed]
pub async fn create_beside(
    store: &Store,
    clock: &dyn Clock,
    random: &dyn Random,
    organization: OrganizationId,
    email: Option<&str>,
) -> Result<String, PersonalLinkError> {
    let Some(email) = email else {
        return Ok(create_for((store, clock, random), organization, None, Role::Owner).await?);
    };
    let email = normalized_email(email);
    let members = store.list_members(organization).await?;
    let member = members.into_iter().find(|member| member.person.email.as_ref() == Some(&email));
    let member = member.ok_or(PersonalLinkError::NoMember(email))?;
    Ok(create_for((store, clock, random), organization, Some(member.person.id), member.role).await?)
}

async fn create_for(
    (store, clock, random): (&Store, &dyn Clock, &dyn Random),
    organization: OrganizationId,
    person: Option<PersonId>,
    role: Role,
) -> Result<String, StoreError> {
    let token = token::new(random);
    let now = clock.now();
    let expires_at = now.plus(VALID);
    let link = NewSignInLink { token_hash: token::hash(&token), organization, person, role, now, expires_at };
    store.create_sign_in_link(link).await?;
    Ok(token)
}

/// Whether a text can be the token of a link.
pub fn is_token(text: &str) -> bool {
    token::is_token(text)
}

/// The address of a link.
pub fn url(public_url: &str, token: &str) -> String {
    format!("{public_url}/console?token={token}")
}
