//! Begins an authorization: makes the link for an admin or a visitor, and sends the browser that opens it to the
//! service.
//!
//! The link's nonce, the state and the cookie are random, 256 bits each, and only their hashes are kept. The state is taken
//! out of the database by the statement that finds it, so it works once, on whichever host it arrives.

mod finish;

use std::time::Duration;

use resly_core::{
    boxed,
    connector::{
        account::AccountKey,
        call::{CallError, ConnectionStore},
        connection::{Connection, Owner},
    },
    error::StoreError,
    id::{ConnectionId, KeyId, OrganizationId},
    principal::Principal,
    time::Timestamp,
};
use resly_egress::{AccountSpec, OAuthError};
use resly_manifest::Grant;
use resly_store::OauthFlow;
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

pub use self::finish::{AuthorizationOutcome, FinishError, Finished, ServiceAnswer, finish};
use super::{AccountError, oauth, visitor};
use crate::{
    App, NoPublicUrl,
    connections::{self, ConnectionError},
};

/// The path to which services send browsers back. The app's client is registered with exactly this path under the
/// host's public address.
pub const REDIRECT: &str = "/oauth/callback";
/// How long a person has to consent.
const VALID: Duration = Duration::from_secs(600);

/// The link by which a person authorizes a connection.
pub struct AuthorizationLink {
    /// The URL for the browser of the account's owner.
    pub url: String,
    pub expires_at: Timestamp,
}

/// A new random token in Base64url.
fn token(app: &App) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    app.random.fill(&mut *bytes);
    Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&*bytes))
}

/// The hash of a token. Only this is stored.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Begins an authorization of the organization's own account, by a key or, without one, by a member in the console. A
/// connection that has an account can be authorized again.
#[boxed]
pub async fn start(
    app: &App,
    organization: OrganizationId,
    key: Option<KeyId>,
    connection: ConnectionId,
) -> Result<AuthorizationLink, AccountError> {
    let connection = connections::find(app, organization, connection).await?;
    if connection.owner == Owner::Visitor {
        return Err(AccountError::VisitorsBringTheirs);
    }
    make_link(app, key, &connection, None).await
}

/// Begins a visitor's authorization: the company's app sends its visitor to the link.
#[boxed]
pub async fn start_visitor(
    app: &App,
    by: &Principal,
    connection: ConnectionId,
    visitor: String,
) -> Result<AuthorizationLink, AccountError> {
    let (connection, key) = visitor::find(app, by.organization, connection, visitor).await?;
    make_link(app, Some(by.key), &connection, key.visitor).await
}

async fn make_link(
    app: &App,
    by: Option<KeyId>,
    connection: &Connection,
    visitor: Option<String>,
) -> Result<AuthorizationLink, AccountError> {
    let prepared = app.connectors.prepare(connection).await?;
    let installable = &prepared.installable;
    let oauth = oauth(connection, installable).ok_or(AccountError::NotOauth)?;
    if oauth.grant == Grant::ClientCredentials {
        return Err(AccountError::NobodyAgrees);
    }
    let key = AccountKey { organization: connection.organization, connection: connection.id, visitor };
    let spec = app.accounts.spec(connection, installable, key.visitor.as_deref()).ok_or(ConnectionError::Missing)?;
    let verifier = app.accounts.refresher.verifier(&key).await?;
    let public = app.public_url()?;
    // A wrong client or address is told to the admin now, and not to the person who opens the link.
    app.accounts.refresher.authorize_url(&spec, "", &verifier, &redirect_uri(public)).await?;
    let nonce = token(app);
    let expires_at = app.clock.now().plus(VALID);
    let flow = OauthFlow { account: key, revision: connection.revision, key: by, verifier, expires_at };
    if !app.store.create_oauth_flow(hash(&nonce), flow).await? {
        return Err(ConnectionError::Missing.into());
    }
    Ok(AuthorizationLink { url: format!("{public}/oauth/begin/{}", nonce.as_str()), expires_at })
}

fn redirect_uri(public: &str) -> String {
    format!("{public}{REDIRECT}")
}

/// Where a browser is sent to, and how it is recognized when it comes back.
pub struct Redirection {
    /// The service's page.
    pub url: Url,
    pub state: Zeroizing<String>,
    /// The cookie that binds the authorization to this browser.
    pub cookie: Zeroizing<String>,
}

/// Why a link can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("the link was used already, or has expired, or the connection was changed")]
    Stale,
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    NoPublicUrl(#[from] NoPublicUrl),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Binds the authorization of a link to the browser that opened it.
#[boxed]
pub async fn begin(app: &App, nonce: &str) -> Result<Redirection, BeginError> {
    let (nonce, now) = (hash(nonce), app.clock.now());
    let flow = app.store.oauth_flow(nonce, now).await?.ok_or(BeginError::Stale)?;
    let (_, spec) = unchanged(app, &flow).await?.ok_or(BeginError::Stale)?;
    let redirect = redirect_uri(app.public_url()?);
    let (state, cookie) = (token(app), token(app));
    let url = app.accounts.refresher.authorize_url(&spec, &state, &flow.verifier, &redirect).await?;
    if !app.store.bind_oauth_flow(nonce, hash(&state), hash(&cookie), now).await? {
        return Err(BeginError::Stale);
    }
    Ok(Redirection { url, state, cookie })
}

/// Finds the connection of an authorization. `None` when the connection was changed since the authorization began.
async fn unchanged(app: &App, flow: &OauthFlow) -> Result<Option<(Connection, AccountSpec)>, CallError> {
    let found = app.store.connection(flow.account.organization, flow.account.connection).await?;
    let Some(connection) = found.filter(|connection| connection.revision == flow.revision) else { return Ok(None) };
    let prepared = app.connectors.prepare(&connection).await?;
    let spec = app.accounts.spec(&connection, &prepared.installable, flow.account.visitor.as_deref());
    Ok(spec.map(|spec| (connection, spec)))
}
