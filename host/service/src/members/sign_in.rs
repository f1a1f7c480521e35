//! Signing in, by a one-time link or by e-mail and password. Each gives a new token.

use std::{fmt, net::IpAddr, time::Duration};

use resly_core::{
    boxed,
    error::StoreError,
    id::{IdentityProviderId, MemberId, PersonId, SessionId},
};
use resly_store::{
    AttemptError, AttemptLimit, BeginSessionError, LinkError, NewPerson, NewSession, SignInMethod, StoredSession,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Session,
    email::normalized_email,
    password::{HashingError, MOST_BYTES},
    sessions::LONGEST,
    token,
};
use crate::{App, rates::network};

/// In this time, an e-mail and an address have so many attempts. A right password gives its own back.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
const EMAIL_ATTEMPTS: u64 = 10;
/// An office has one address.
const ADDRESS_ATTEMPTS: u64 = 100;
/// Steps of sign-ins with a company, of which each takes two.
const COMPANY_ATTEMPTS: u64 = 5_000;
const COMPANY_ADDRESS_ATTEMPTS: u64 = 400;
/// Characters of a browser's name that are stored.
const USER_AGENT: usize = 300;

/// Who asks, as their sessions' list shows it.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: IpAddr,
    pub user_agent: Option<String>,
}

/// A session that begins. Only this holds its token.
pub struct SignedIn {
    pub token: String,
    pub session: Session,
}

/// Without the token.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("session", &self.session.id).finish_non_exhaustive()
    }
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("this sign-in link was used already, or has expired; an owner or the host's operator makes a new one")]
    LinkEnded,
    /// It doesn't say which, so that nobody finds out who has an account.
    #[error("the e-mail or the password is wrong")]
    WrongPassword,
    #[error("there were too many attempts to sign in; try again in {} minutes", .retry_after.as_secs().div_ceil(60))]
    TooManyAttempts { retry_after: Duration },
    #[error("this person is a member of no organization; an owner or an admin of one has to invite them")]
    NoOrganization,
    #[error("your organization is entered with its company's account alone; use “Sign in with your company”")]
    CompanyOnly,
    #[error(transparent)]
    Hashing(#[from] HashingError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LinkError> for SignInError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Ended => Self::LinkEnded,
            LinkError::Store(error) => Self::Store(error),
        }
    }
}

impl From<BeginSessionError> for SignInError {
    fn from(error: BeginSessionError) -> Self {
        match error {
            BeginSessionError::NoOrganization => Self::NoOrganization,
            BeginSessionError::CompanyOnly => Self::CompanyOnly,
            BeginSessionError::Store(error) => Self::Store(error),
        }
    }
}

/// A session to begin, and its token.
pub(super) fn new_session(app: &App, method: SignInMethod, client: &Client) -> (String, NewSession) {
    let now = app.clock.now();
    let token = token::new(&*app.random);
    let session = NewSession {
        id: SessionId(app.random.uuid(now)),
        token_hash: token::hash(&token),
        method,
        address: client.address.to_string(),
        user_agent: client.user_agent.as_deref().map(|agent| agent.chars().take(USER_AGENT).collect()),
        now,
        expires_at: now.plus(LONGEST),
    };
    (token, session)
}

pub(super) fn signed_in(token: String, stored: StoredSession) -> SignedIn {
    SignedIn { token, session: stored.into() }
}

/// Uses a sign-in link up. A link that names nobody makes a person without e-mail and password, called "Owner", who can give
/// both afterwards.
#[boxed]
pub async fn by_link(app: &App, token: &str, client: &Client) -> Result<SignedIn, SignInError> {
    let (session_token, session) = new_session(app, SignInMethod::Link, client);
    let new = NewPerson {
        id: PersonId(app.random.uuid(session.now)),
        name: "Owner".to_owned(),
        email: None,
        password_hash: None,
    };
    let member = MemberId(app.random.uuid(session.now));
    let begun = app.store.redeem_sign_in_link(token::hash(token), new, member, session).await?;
    Ok(signed_in(session_token, begun))
}

/// Signs in by e-mail and password. The attempt is counted before the password is looked at, on all hosts together. An
/// unknown e-mail takes as long as a wrong password.
#[boxed]
pub async fn by_password(app: &App, email: &str, password: &str, client: &Client) -> Result<SignedIn, SignInError> {
    let email = normalized_email(email);
    let subjects = count_attempt(app, &email, client).await?;
    let found = if password.len() > MOST_BYTES { None } else { app.store.person_by_email(&email).await? };
    let (person, hash) = found.map_or((None, None), |found| (Some(found.person.id), found.password_hash));
    let right = app.passwords.matches(password, hash).await?;
    let Some(person) = person.filter(|_| right) else { return Err(SignInError::WrongPassword) };
    let (token, session) = new_session(app, SignInMethod::Password, client);
    let begun = app.store.begin_session(person, session, subjects.email, subjects.address).await?;
    Ok(signed_in(token, begun))
}

struct Subjects {
    email: Uuid,
    address: Uuid,
}

async fn count_attempt(app: &App, email: &str, client: &Client) -> Result<Subjects, SignInError> {
    let subjects =
        Subjects { email: subject("email", email), address: subject("address", &network(client.address).to_string()) };
    let limits = [
        AttemptLimit { subject: subjects.email, most: EMAIL_ATTEMPTS },
        AttemptLimit { subject: subjects.address, most: ADDRESS_ATTEMPTS },
    ];
    count(app, limits).await?;
    Ok(subjects)
}

/// Counts a step of a sign-in with a company, each of which makes the host ask a provider.
pub(super) async fn count_company_attempt(
    app: &App,
    provider: IdentityProviderId,
    client: &Client,
) -> Result<(), SignInError> {
    let address = subject("company address", &network(client.address).to_string());
    let limits = [
        AttemptLimit { subject: subject("company", &provider.to_string()), most: COMPANY_ATTEMPTS },
        AttemptLimit { subject: address, most: COMPANY_ADDRESS_ATTEMPTS },
    ];
    count(app, limits).await
}

async fn count(app: &App, limits: [AttemptLimit; 2]) -> Result<(), SignInError> {
    let now = app.clock.now();
    match app.store.count_sign_in_attempt(limits, now.minus(WINDOW), now).await {
        Ok(()) => Ok(()),
        Err(AttemptError::TooMany { since }) => {
            Err(SignInError::TooManyAttempts { retry_after: since.plus(WINDOW).since(now) })
        }
        Err(AttemptError::Store(error)) => Err(error.into()),
    }
}

/// Counts an old password that somebody gives who is signed in: for the person and for the session.
pub(super) async fn count_old_password(app: &App, session: &Session) -> Result<(), AttemptError> {
    let of = |kind, id: Uuid| AttemptLimit { subject: subject(kind, &id.to_string()), most: EMAIL_ATTEMPTS };
    let limits = [of("password of", session.person.id.0), of("password in", session.id.0)];
    let now = app.clock.now();
    app.store.count_sign_in_attempt(limits, now.minus(WINDOW), now).await
}

fn subject(kind: &str, text: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(text);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Uuid::from_bytes(bytes)
}
