//! Everything that leaves the building: what a connector may reach, with which credential, and what of it comes back.
//!
//! One request of a guest goes through [`Session`]'s `send` (in `session.rs`, the only path there is):
//!
//! 1. its URL is parsed once (`policy::target`), and that one parse decides the policy, DNS, SNI and `Host`;
//! 2. it must lie within the manifest's hosts as the connection's settings make them (`policy::grant`), be https, and
//!    not be a private address written out (`policy::guard`);
//! 3. its headers are checked (`wire::headers`);
//! 4. if its host is to get the credential, the vault opens it, once in a call (`vault`, `wire::inject`); an OAuth access
//!    token is renewed first when it is about to end, and once more when the service says that it has ended (`oauth`);
//! 5. the client resolves the name and dials the very addresses that the guard has passed (`policy::resolve`,
//!    `wire::client`), within the connection's breaker (`wire::breaker`) and with retries where these do no harm;
//! 6. redirects start again at 2, without the credential once they leave the origin;
//! 7. the response is read and decoded within its bounds (`wire::body`, `wire::decode`) and every form of the
//!    credential is taken out of it (`wire::redact`).
//!
//! A message to an organization's webhook (`webhook`) takes the same way out, without a guest: 1 and 5 hold for it, and
//! neither redirects nor bodies are read.
//!
//! What an operator lists (`RESLY_EGRESS_ALLOW`) skips the guard and may speak plain http; what an operator routes
//! (`RESLY_EGRESS_ROUTE`) is dialled elsewhere; both use clients, and so connection pools, of their own.

mod config;
mod egress;
mod failure;
mod oauth;
mod policy;
#[cfg(test)]
mod rebinding;
mod session;
mod webhook;
mod wire;

pub use config::{EgressConfig, EgressError};
pub use egress::Egress;
pub use oauth::{AccountSpec, AppClient, OAuthError, ServiceError, TokenRefresher, account_binding, endpoints};
pub use policy::{
    allow::{AllowError, AllowedHost, parse as parse_allow},
    grant::{GrantError, GrantedHost, check_settings},
    guard,
    resolve::{Resolve, SystemResolver},
    route::{Route, RouteError, parse as parse_routes},
    target::{Target, TargetError},
};
pub use session::{CredentialSource, Session, SessionSpec};
pub use webhook::{Message, SendError, mint_webhook_secret, webhook_binding};
pub use wire::{redact::MARK, retry::RetryPolicy};
