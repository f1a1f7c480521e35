//! OAuth 2.0 (RFC 6749) for connections: builds the address where a person agrees (PKCE with S256, RFC 7636), exchanges
//! the code, renews tokens on any number of hosts, and revokes them (RFC 7009).
//!
//! Its requests use the same clients, address guard, allow list and routes as all others. They follow no redirects, and
//! bodies are bounded. A service's error is shown to admins after its secrets were removed.

mod answer;
mod callback;
mod endpoint;
mod expired;
pub(crate) mod pkce;
mod refresher;
mod request;
mod tokens;

pub use endpoint::endpoints;
pub(crate) use expired::says_expired;
pub(crate) use refresher::OpenedAccount;
pub use refresher::{AccountSpec, AppClient, TokenRefresher, account_context};
pub use request::{OAuthError, ServiceError};

use std::time::Duration;

/// Time for a whole request for tokens.
const TOKEN_TIME: Duration = Duration::from_secs(15);
/// Time for a whole request to revoke a token. It is short, so that nobody waits long to disconnect.
const REVOKE_TIME: Duration = Duration::from_secs(5);
