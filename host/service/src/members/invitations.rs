//! Invitations to become a member. A link leads the invited person to the console; it is mailed, too, where a mail server is
//! set.

use std::time::Duration;

use resly_core::{
    boxed,
    error::StoreError,
    id::{InvitationId, MemberId, OrganizationId, PersonId},
    member::Role,
};
pub use resly_store::{AcceptError, Invitation, InviteError, OpenInvitation};
use resly_store::{NewInvitation, NewPerson, SignInMethod};

use super::{
    Session,
    email::{check_email, normalized_email},
    password::{self, HashingError},
    sign_in::{Client, SignedIn, new_session, signed_in},
    token,
};
use crate::{App, FieldError, check_name, mails};

/// How long an invitation can be accepted.
pub const VALID: Duration = Duration::from_secs(7 * 24 * 3600);

/// Who invites.
#[derive(Clone, Debug)]
pub struct Inviter {
    pub role: Role,
    /// A member's name, or a key's.
    pub name: String,
}

/// Why nobody is invited.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Refused(#[from] InviteError),
}

/// Why an invitation isn't accepted.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error("somebody with this e-mail has signed in here before; sign in, then open the invitation again")]
    SignInFirst,
    #[error(
        "you signed in with another company's account, which counts there alone; sign out, then open the invitation again"
    )]
    Bound,
    #[error(transparent)]
    Refused(#[from] AcceptError),
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Invites somebody. Returns the token of the link, which nobody can find again. An open invitation of the same e-mail is
/// replaced.
#[boxed]
pub async fn create(
    app: &App,
    organization: OrganizationId,
    by: Inviter,
    email: &str,
    role: Role,
) -> Result<(Invitation, String), InvitationError> {
    let email = normalized_email(email);
    if let Some(mistake) = check_email(&email) {
        return Err(InvitationError::Invalid(vec![mistake]));
    }
    let token = token::new(&*app.random);
    let now = app.clock.now();
    let mail = mails::invitation(app, organization, &email, &by.name, &token).await;
    let new = NewInvitation {
        id: InvitationId(app.random.uuid(now)),
        email,
        role,
        token_hash: token::hash(&token),
        invited_by: by.name,
        now,
        expires_at: now.plus(VALID),
        mail,
    };
    let invitation = app.store.create_invitation(organization, new, by.role).await?;
    Ok((invitation, token))
}

/// The address of an invitation.
pub fn url(public_url: &str, token: &str) -> String {
    format!("{public_url}/console/invitation?token={token}")
}

/// The open invitations, newest first.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId) -> Result<Vec<Invitation>, StoreError> {
    app.store.list_invitations(organization, app.clock.now()).await
}

/// Revokes an invitation. False when there is none of this id.
#[boxed]
pub async fn revoke(app: &App, organization: OrganizationId, id: InvitationId) -> Result<bool, StoreError> {
    app.store.revoke_invitation(organization, id).await
}

/// The invitation of a token, for the page that accepts it.
#[boxed]
pub async fn find(app: &App, token: &str) -> Result<Option<OpenInvitation>, StoreError> {
    app.store.open_invitation(token::hash(token), app.clock.now()).await
}

/// Makes a new person a member, who is signed in by it. Who has signed in here before joins by [`join`].
#[boxed]
pub async fn accept(
    app: &App,
    token: &str,
    name: &str,
    password: &str,
    client: &Client,
) -> Result<SignedIn, JoinError> {
    let mistakes: Vec<_> = check_name(name).into_iter().chain(password::check(password)).collect();
    if !mistakes.is_empty() {
        return Err(JoinError::Invalid(mistakes));
    }
    let invited = find(app, token).await?.ok_or(AcceptError::Ended)?;
    if invited.known {
        return Err(JoinError::SignInFirst);
    }
    let hash = app.passwords.hash(password, &*app.random).await?;
    let (session_token, session) = new_session(app, SignInMethod::Invitation, client);
    let new = NewPerson {
        id: PersonId(app.random.uuid(session.now)),
        name: name.trim().to_owned(),
        email: Some(invited.email),
        password_hash: Some(hash),
    };
    let member = MemberId(app.random.uuid(session.now));
    match app.store.accept_invitation(token::hash(token), new, member, session).await {
        Ok(begun) => Ok(signed_in(session_token, begun)),
        Err(AcceptError::OtherPerson) => Err(JoinError::SignInFirst),
        Err(error) => Err(error.into()),
    }
}

/// Makes the person of a session a member, when the invitation is for that person's e-mail. Returns the organization, which
/// the session can enter then.
#[boxed]
pub async fn join(app: &App, token: &str, session: &Session) -> Result<OrganizationId, JoinError> {
    if session.bound {
        return Err(JoinError::Bound);
    }
    let now = app.clock.now();
    let member = MemberId(app.random.uuid(now));
    Ok(app.store.join_by_invitation(token::hash(token), session.person.id, member, now).await?)
}
