//! OAuth 2.0 (RFC 6749) for connections: sending a person to agree (PKCE with S256, RFC 7636), exchanging what comes
//! back, keeping tokens fresh on however many hosts, and revoking them (RFC 7009).
//!
//! Tokens are asked for through the one way out: the same clients, address guard, allow list and routes as everything
//! else, without redirects, with bounded bodies. What a service says when it refuses is repeated without its secrets.

mod answer;
mod callback;
mod endpoint;
mod expired;
mod pkce;
mod refresher;
mod request;
mod tokens;

pub use endpoint::endpoints;
pub(crate) use expired::says_expired;
pub(crate) use refresher::OpenedAccount;
pub use refresher::{AccountSpec, AppClient, TokenRefresher, account_binding};
pub use request::{OAuthError, ServiceError};

use std::time::Duration;

/// For a whole request for tokens.
const TOKEN_TIME: Duration = Duration::from_secs(15);
/// For a whole request for revocation: nobody should wait long to disconnect.
const REVOKE_TIME: Duration = Duration::from_secs(5);
