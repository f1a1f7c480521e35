//! The outbound side of one call: its grants, credential, allowance and deadline.

mod attempt;
mod credential;
mod dry_run;
mod response;

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use resly_core::{
    connector::{
        account::SealedCredentials,
        outbound::{Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse},
    },
    id::{ConnectionId, OrganizationId},
};
use resly_manifest::{Auth, Manifest};
use resly_vault::{Credentials, EncryptionContext, Vault};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use self::credential::Credential;
use crate::{
    egress::{BreakerKey, Egress, lock},
    failure,
    oauth::{AccountSpec, TokenRefresher},
    policy::{
        grant::{GrantError, Grants},
        target::Target,
    },
    wire::{client::Transport, decode, headers, inject},
};

/// The most bytes of a request's body.
const REQUEST_BODY: usize = 1 << 20;
/// The most redirects that are followed for one request.
const HOPS: usize = 5;

/// Where a call's credential comes from.
pub enum CredentialSource {
    /// The connection has none.
    None,
    /// Sealed. The vault opens it at the first request that carries it.
    Sealed { vault: Arc<Vault>, sealed: SealedCredentials, context: EncryptionContext },
    /// In the clear, to try credentials before they are stored.
    Plain(Credentials),
    /// The tokens of an account. They are renewed when they are about to expire or when the service says that they
    /// have.
    Account { keeper: Arc<TokenRefresher>, who: Arc<AccountSpec> },
}

/// What one call may send, and with which credential.
pub struct SessionSpec {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub manifest: Arc<Manifest>,
    /// The way of authentication that the connection uses, out of those in the manifest.
    pub auth: Auth,
    /// The connection's settings, which are filled into the manifest's hosts.
    pub settings: Value,
    pub credentials: CredentialSource,
    /// Whether repeating the action changes nothing, so that each of its requests may be sent again.
    pub idempotent: bool,
    /// The most requests that are sent, including redirects and retries.
    pub http_calls: u32,
    /// The most decoded bytes of all response bodies together.
    pub response_bytes: usize,
    /// Time for everything, from the first request on. Before that, the call may wait for its connector to be compiled
    /// or for a place to run.
    pub deadline: Duration,
}

/// The outbound side of one call.
pub struct Session {
    egress: Arc<Egress>,
    spec: SessionSpec,
    breaker: BreakerKey,
    /// The call's deadline, set by the first request.
    until: OnceLock<Instant>,
    grants: OnceLock<Result<Grants, GrantError>>,
    opening: tokio::sync::Mutex<()>,
    credential: Mutex<Option<Arc<Credential>>>,
    /// Whether an access token was already renewed after the service had refused it.
    renewed: AtomicBool,
    calls_left: AtomicU32,
    bytes_left: AtomicUsize,
    requests: Mutex<Vec<Value>>,
}

/// One request to one target: the guest's own, or one that a redirect led to.
struct Hop {
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Option<Bytes>,
    /// False after a redirect has left the origin. The credential is then never added again.
    trusted: bool,
    /// Whether a service may have received this request or an earlier one of the same exchange.
    seen: bool,
    /// The credential that it carried.
    carries: Option<Arc<Credential>>,
}

impl Egress {
    /// Opens the outbound side of one call. Nothing is dialled and no credential is opened before the first request.
    pub fn session(self: &Arc<Self>, spec: SessionSpec) -> Arc<Session> {
        Arc::new(Session::new(Arc::clone(self), spec))
    }
}

impl Session {
    fn new(egress: Arc<Egress>, spec: SessionSpec) -> Self {
        let visitor = match &spec.credentials {
            CredentialSource::Account { who, .. } => who.key.visitor.clone(),
            _ => None,
        };
        Self {
            until: OnceLock::new(),
            breaker: (spec.connection, visitor),
            grants: OnceLock::new(),
            opening: tokio::sync::Mutex::default(),
            credential: Mutex::default(),
            renewed: AtomicBool::new(false),
            calls_left: AtomicU32::new(spec.http_calls),
            bytes_left: AtomicUsize::new(spec.response_bytes),
            requests: Mutex::default(),
            egress,
            spec,
        }
    }

    /// The call's deadline, which the first request sets.
    fn until(&self, now: Instant) -> Instant {
        *self.until.get_or_init(|| now + self.spec.deadline)
    }

    async fn exchange(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        let now = Instant::now();
        let end = self.until(now);
        let until = request.timeout.map_or(end, |timeout| end.min(now + timeout));
        if until <= now {
            return Err(failure::refused(OutboundReason::Timeout, "the call's time is over"));
        }
        let again = matches!(self.spec.credentials, CredentialSource::Account { .. }).then(|| request.clone());
        let mut hop = self.first(request)?;
        let result = match (self.follow_redirects(&mut hop, until).await, again) {
            (Ok(response), Some(request)) if self.is_expired(&hop, &response) => {
                // The service refused the request because of its token, so it did nothing. A write may be sent once
                // more, too.
                match self.renew(&hop, until).await {
                    Ok(()) => {
                        hop = Hop { seen: true, ..self.first(request)? };
                        self.follow_redirects(&mut hop, until).await
                    }
                    Err(failure) => Err(failure),
                }
            }
            (result, _) => result,
        };
        result.map_err(|failure| OutboundFailure { sent: failure.sent || hop.seen, ..failure })
    }

    /// Sends a hop and follows its redirects.
    async fn follow_redirects(&self, hop: &mut Hop, until: Instant) -> Result<OutboundResponse, OutboundFailure> {
        for _ in 0..=HOPS {
            let response = self.repeat(hop, until).await?;
            match self.location(&response) {
                None => return self.receive(hop, response, until).await,
                Some(location) => self.follow(hop, response.status(), &location)?,
            }
        }
        let message = format!("{} redirected more than {HOPS} times", hop.target.host_text());
        Err(failure::refused(OutboundReason::Denied, message))
    }

    /// Checks the guest's request, except for the policy of its target.
    fn first(&self, request: OutboundRequest) -> Result<Hop, OutboundFailure> {
        let method = method(&request.method)?;
        let target = Target::parse(&request.url).map_err(|error| failure::bad_url(&error))?;
        let auth = &self.spec.auth;
        let mut headers = headers::request(&request.headers, auth).map_err(|error| failure::bad_header(&error))?;
        headers.insert(header::ACCEPT_ENCODING, http::HeaderValue::from_static(decode::ACCEPTED));
        if let Some(name) = inject::query_parameter(auth)
            && inject::has_parameter(target.url(), name)
        {
            let message = format!("query parameter `{name}` carries the connection's credential; leave it out");
            return Err(failure::refused(OutboundReason::Invalid, message));
        }
        // Some services don't read a body with these methods. They would take it for the next request on the
        // connection, which may be another organization's.
        if matches!(method, Method::GET | Method::HEAD) && request.body.as_ref().is_some_and(|body| !body.is_empty()) {
            let message = format!("a {method} request has no body: put it into the query, or use another method");
            return Err(failure::refused(OutboundReason::Invalid, message));
        }
        if let Some(body) = &request.body
            && body.len() > REQUEST_BODY
        {
            let message = format!("the request's body has {} bytes; at most {REQUEST_BODY} are sent", body.len());
            return Err(failure::refused(OutboundReason::TooLarge, message));
        }
        Ok(Hop { method, target, headers, body: request.body, trusted: true, seen: false, carries: None })
    }

    /// The policy for one hop: grants, scheme and address. Also returns whether the credential is added.
    fn permit(&self, hop: &Hop) -> Result<(Transport, bool), OutboundFailure> {
        let grants = self.grants.get_or_init(|| Grants::resolve(&self.spec.manifest, &self.spec.settings));
        let grants = grants.as_ref().map_err(failure::bad_settings)?;
        let target = &hop.target;
        if !grants.allow(target) {
            let message = format!(
                "{}{} is not among the hosts that this connector may call: {}",
                target.url().origin().ascii_serialization(),
                self.shown_path(target),
                grants.text()
            );
            return Err(failure::refused(OutboundReason::Denied, message));
        }
        let way = self
            .egress
            .clients
            .transport(target)
            .map_err(|error| failure::transport_denied(target.host_text(), error))?;
        Ok((way, self.spec.auth != Auth::None && hop.trusted && grants.authenticate(target)))
    }

    /// The policy for one hop, with the opened credential if it is added.
    async fn admit(&self, hop: &Hop, until: Instant) -> Result<(Transport, Option<Arc<Credential>>), OutboundFailure> {
        let (way, authenticated) = self.permit(hop)?;
        if !authenticated {
            return Ok((way, None));
        }
        let opening = timeout_at(until, self.open());
        Ok((way, Some(opening.await.map_err(|_| failure::deadline_exceeded())??)))
    }
}

#[async_trait]
impl Outbound for Session {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        let result = self.exchange(request).await;
        result.map_err(|failure| OutboundFailure { message: self.redact(&failure.message).into_owned(), ..failure })
    }

    /// A credential that was never opened can't appear in a text.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let known = self.credential();
        let redactor = known.as_ref().and_then(|credential| credential.redactor.as_ref());
        redactor.map_or(Cow::Borrowed(text), |redactor| redactor.text(text))
    }

    fn requests(&self) -> Vec<Value> {
        lock(&self.requests).clone()
    }
}

/// Accepts upper-case letters and dashes. `TRACE` would echo the credential, and `CONNECT` would open a tunnel.
fn method(text: &str) -> Result<Method, OutboundFailure> {
    let plain =
        !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    let method =
        Method::from_bytes(text.as_bytes()).ok().filter(|_| plain && !matches!(text, "TRACE" | "CONNECT" | "TRACK"));
    method.ok_or_else(|| {
        let shown: String = text.escape_default().take(40).collect();
        let message = format!("`{shown}` is no method that can be sent; use GET, POST, PUT, PATCH, DELETE or HEAD");
        failure::refused(OutboundReason::Invalid, message)
    })
}

#[cfg(test)]
mod tests {
    use resly_core::testing::ConstantRandom;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{EgressConfig, SystemResolver};

    #[test]
    fn a_call_s_time_begins_with_its_first_request() {
        let egress =
            Egress::new(EgressConfig::default(), Arc::new(SystemResolver), Arc::new(ConstantRandom(0))).unwrap();
        let manifest = json!({"id": "t", "name": "T", "version": "1.0.0", "actions": []});
        let session = egress.session(SessionSpec {
            organization: OrganizationId(Uuid::nil()),
            connection: ConnectionId(Uuid::nil()),
            manifest: Arc::new(serde_json::from_value(manifest).unwrap()),
            auth: Auth::None,
            settings: json!({}),
            credentials: CredentialSource::None,
            idempotent: false,
            http_calls: 1,
            response_bytes: 1,
            deadline: Duration::from_secs(20),
        });
        // An hour for the compiler.
        let first = Instant::now() + Duration::from_secs(3600);
        assert_eq!(session.until(first), first + Duration::from_secs(20));
        assert_eq!(session.until(first + Duration::from_secs(5)), first + Duration::from_secs(20));
    }
}
