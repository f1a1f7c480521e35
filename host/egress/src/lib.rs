//! Egress sends every request of a connector. It decides what a connector may reach, adds the credential, and redacts
//! the response.
//!
//! The method `send` of [`Session`] (`session.rs`) is the only way out for a guest's request:
//!
//! 1. The URL is parsed once (`policy::target`). Policy, DNS, SNI and `Host` all use that one result.
//! 2. The URL must be within the manifest's hosts, with the connection's settings filled in (`policy::grant`). It must
//!    be https, and its host must not be a literal private address (`policy::guard`).
//! 3. The guest's headers are checked (`wire::headers`).
//! 4. If the host is to get the credential, the vault opens it, once in a call (`vault`, `wire::inject`). An OAuth
//!    access token is renewed first when it is about to expire, and once more when the service says that it has
//!    (`oauth`).
//! 5. The client resolves the name and dials only addresses that the guard has checked (`policy::resolve`,
//!    `wire::client`). The connection's circuit breaker may refuse the request (`wire::breaker`), and a request that
//!    may be repeated is retried (`wire::retry`).
//! 6. A redirect starts again at 2. Once it has left the origin, the credential is no longer added.
//! 7. The response is read and decoded within bounds (`wire::body`, `wire::decode`), and every encoding of the
//!    credential is removed from it (`wire::redact`).
//!
//! A message to an organization's webhook (`webhook`) takes steps 1 and 5. Its redirects aren't followed, and the body
//! of its response isn't read.
//!
//! A page for an organization's knowledge (`page`) takes steps 1 and 5, for each of its redirects anew, and its body is read
//! as in 7.
//!
//! What an organization's provider of sign-ins is asked (`oidc`) takes steps 1 and 5. Redirects aren't followed, and bodies are
//! bounded.
//!
//! Hosts that the operator lists (`RESLY_EGRESS_ALLOW`) skip the guard and may use plain http. Hosts that the operator
//! routes (`RESLY_EGRESS_ROUTE`) are dialled elsewhere. Each of the two has its own client and connection pool.

mod config;
mod egress;
mod failure;
mod oauth;
mod oidc;
mod page;
mod policy;
#[cfg(test)]
mod rebinding_tests;
mod session;
mod webhook;
mod wire;

pub use config::{EgressConfig, EgressError};
pub use egress::Egress;
pub use oauth::{AccountSpec, AppClient, OAuthError, ServiceError, TokenRefresher, account_context, endpoints};
pub use oidc::{OidcAccount, OidcApp, OidcBinding, OidcClient, OidcError, oidc_context};
pub use page::{CRAWLER, PageAnswer, PageError, PageRequest};
pub use policy::{
    exempt::{AllowError, ExemptHost, parse as parse_allow},
    grant::{GrantError, GrantedHost, check_settings},
    guard,
    resolve::{Resolve, SystemResolver},
    route::{Route, RouteError, parse as parse_routes},
    target::{Target, TargetError},
};
pub use session::{CredentialSource, Session, SessionSpec};
pub use webhook::{Message, SendError, mint_webhook_secret, webhook_context};
pub use wire::{redact::MARK, retry::RetryPolicy};
