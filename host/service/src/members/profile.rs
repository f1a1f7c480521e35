//! What a person says of themselves: name, e-mail and password.

use std::time::Duration;

use resly_core::{boxed, error::StoreError, member::Person};
use resly_store::{AttemptError, PersonChange, PersonError, SignInMethod};

use super::{
    Session,
    email::{check_email, normalized_email},
    password::{self, HashingError},
    sign_in::{self, WINDOW},
};
use crate::{App, FieldError, check_name};

/// What to change. `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ProfilePatch {
    pub name: Option<String>,
    pub email: Option<String>,
}

/// Why a profile stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error("another person has this e-mail")]
    EmailTaken,
    #[error("the old password is wrong")]
    WrongPassword,
    #[error("the old password was wrong too often; try again in {} minutes", .retry_after.as_secs().div_ceil(60))]
    TooManyAttempts { retry_after: Duration },
    #[error("this session has ended; sign in again")]
    Ended,
    #[error(
        "you signed in with your company's account, which opens this organization alone; name, e-mail and password are changed after another sign-in"
    )]
    Bound,
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PersonError> for ProfileError {
    fn from(error: PersonError) -> Self {
        match error {
            PersonError::Missing => Self::Ended,
            PersonError::EmailTaken => Self::EmailTaken,
            PersonError::Store(error) => Self::Store(error),
        }
    }
}

/// Changes the name or e-mail of a session's person.
#[boxed]
pub async fn change(app: &App, session: &Session, patch: ProfilePatch) -> Result<Person, ProfileError> {
    if session.bound {
        return Err(ProfileError::Bound);
    }
    let ProfilePatch { name, email } = patch;
    let email = email.as_deref().map(normalized_email);
    let mistakes: Vec<_> =
        name.as_deref().and_then(check_name).into_iter().chain(email.as_deref().and_then(check_email)).collect();
    if !mistakes.is_empty() {
        return Err(ProfileError::Invalid(mistakes));
    }
    let name = name.map(|name| name.trim().to_owned());
    Ok(app.store.change_person(session.person.id, PersonChange { name, email }).await?)
}

/// Sets a person's password, and ends all of their sessions but this one. Whoever has a password gives the old one, except
/// in a session that a sign-in link began: such a link is for those who lost it.
#[boxed]
pub async fn set_password(app: &App, session: &Session, old: Option<&str>, new: &str) -> Result<(), ProfileError> {
    if session.bound {
        return Err(ProfileError::Bound);
    }
    if let Some(mistake) = password::check(new) {
        return Err(ProfileError::Invalid(vec![mistake]));
    }
    let stored = app.store.person(session.person.id).await?.ok_or(ProfileError::Ended)?;
    let method = app.store.sign_in_method(session.id).await?.ok_or(ProfileError::Ended)?;
    if stored.password_hash.is_some() && method != SignInMethod::Link {
        // Who has stolen a session guesses no faster than at the sign-in.
        sign_in::count_old_password(app, session).await.map_err(|error| match error {
            AttemptError::TooMany { since } => {
                ProfileError::TooManyAttempts { retry_after: since.plus(WINDOW).since(app.clock.now()) }
            }
            AttemptError::Store(error) => ProfileError::Store(error),
        })?;
        let matches = app.passwords.matches(old.unwrap_or_default(), stored.password_hash.clone()).await?;
        if !matches {
            return Err(ProfileError::WrongPassword);
        }
    }
    let hash = app.passwords.hash(new, &*app.random).await?;
    let place = (session.organization, app.clock.now());
    match app.store.set_password(session.person.id, stored.password_hash, hash, session.id, place).await? {
        true => Ok(()),
        // Another session set it meanwhile.
        false => Err(ProfileError::WrongPassword),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_one_address() {
        for right in ["ana@example.com", "a+b@sub.example.co", "ü@example.de"] {
            assert!(check_email(&normalized_email(right)).is_none(), "{right}");
        }
        for wrong in ["", "ana", "@example.com", "ana@localhost", "a@b.c@d.e", "a b@c.de", "a@.de", "a@b.\n", "a@b."] {
            assert!(check_email(wrong).is_some(), "{wrong:?}");
        }
        assert_eq!(normalized_email(" Ana@Example.COM "), "ana@example.com");
    }
}
