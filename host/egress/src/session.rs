//! The outside as one call has it: its grants, its credential, its allowance and its deadline.

mod rehearse;

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use resly_core::{
    connector::{
        connection::SealedCredentials,
        manifest::{Auth, Manifest, Retry},
    },
    id::{ConnectionId, OrganizationId},
    outbound::{Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use crate::{
    credentials::Credentials,
    egress::{BreakerKey, Egress, lock},
    failure,
    oauth::{self, AccountSpec, Held, Keeper},
    policy::{
        grant::{GrantError, Grants},
        target::Target,
    },
    vault::{Binding, Vault},
    wire::{
        body::{self, Bounds},
        client::{Outgoing, Way, WireError},
        decode, headers,
        inject::{self, InjectError, Injection},
        redact::Redactor,
        retry,
    },
};

/// The most bytes of a request's body.
const REQUEST_BODY: usize = 1 << 20;
/// The most redirects that one request follows.
const HOPS: usize = 5;
/// The most bytes of a path in the log.
const LOGGED_PATH: usize = 512;

/// Where a call's credential comes from.
pub enum CredentialSource {
    /// The connection has none.
    None,
    /// Opened by the vault, at the first request that carries it.
    Sealed { vault: Arc<Vault>, sealed: SealedCredentials, binding: Binding },
    /// Known already: to try credentials before they are stored.
    Plain(Credentials),
    /// What authorizing obtained, renewed when it is about to end or the service says that it has.
    Account { keeper: Arc<Keeper>, who: Arc<AccountSpec> },
}

/// What one call may do outside.
pub struct SessionSpec {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub manifest: Arc<Manifest>,
    /// Which of the manifest's ways of authentication the connection uses.
    pub auth: Auth,
    /// The connection's settings, which the manifest's hosts may be made of.
    pub settings: Value,
    pub credentials: CredentialSource,
    /// Whether the action does no more twice than once, so that any of its requests may be sent again.
    pub idempotent: bool,
    /// Requests on the wire: redirects and retries count.
    pub http_calls: u32,
    /// Decoded bytes of all bodies together.
    pub response_bytes: usize,
    /// From the first request on, for everything. Until then the call may wait for its connector to be compiled, or for a
    /// place to run.
    pub deadline: Duration,
}

/// The outside of one call.
pub struct Session {
    egress: Arc<Egress>,
    spec: SessionSpec,
    breaker: BreakerKey,
    /// Set by the first request.
    until: OnceLock<Instant>,
    grants: OnceLock<Result<Grants, GrantError>>,
    opening: tokio::sync::Mutex<()>,
    credential: Mutex<Option<Arc<Credential>>>,
    /// Whether the service refused an access token already, and it was renewed.
    renewed: AtomicBool,
    calls_left: AtomicU32,
    bytes_left: AtomicUsize,
    requests: Mutex<Vec<Value>>,
}

/// A credential that has been opened.
struct Credential {
    injection: Option<Injection>,
    /// All that this call has opened so far, which no text may hold.
    secrets: Vec<Zeroizing<Vec<u8>>>,
    redactor: Option<Redactor>,
    /// Of the account it is of, if it is of one.
    version: u64,
}

/// One request of what a guest asked for: the first, or one that a redirect led to.
struct Hop {
    method: Method,
    target: Target,
    headers: HeaderMap,
    body: Option<Bytes>,
    /// False once a redirect has left the origin: the credential stays behind for good.
    trusted: bool,
    /// Whether some service may have seen this request, or one before it.
    seen: bool,
    /// The credential that it carries.
    carries: Option<Arc<Credential>>,
}

impl Session {
    pub(crate) fn new(egress: Arc<Egress>, spec: SessionSpec) -> Self {
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

    /// When the call's time is over, as seen at its first request.
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
        let result = match (self.travel(&mut hop, until).await, again) {
            (Ok(response), Some(request)) if self.is_expired(&hop, &response) => {
                // The service refused it for its token, so it did nothing: a write is sent once more too.
                match self.renew(&hop, until).await {
                    Ok(()) => {
                        hop = Hop { seen: true, ..self.first(request)? };
                        self.travel(&mut hop, until).await
                    }
                    Err(failure) => Err(failure),
                }
            }
            (result, _) => result,
        };
        result.map_err(|failure| OutboundFailure { sent: failure.sent || hop.seen, ..failure })
    }

    /// Whether the service says that the access token it got has ended. Only the first such answer of a call counts: a
    /// new token that is refused too isn't refused for its age.
    fn is_expired(&self, hop: &Hop, response: &OutboundResponse) -> bool {
        let Auth::Oauth2(oauth) = &self.spec.auth else { return false };
        hop.carries.is_some()
            && oauth::says_expired(&oauth.expired_when, response.status, &response.body)
            && !self.renewed.swap(true, Ordering::Relaxed)
    }

    /// Gets other tokens than those that a request carried.
    async fn renew(&self, hop: &Hop, until: Instant) -> Result<(), OutboundFailure> {
        let CredentialSource::Account { keeper, who } = &self.spec.credentials else { return Ok(()) };
        let used = hop.carries.as_ref().map_or(0, |credential| credential.version);
        let held = timeout_at(until, keeper.renew(who, used)).await.map_err(|_| failure::late())?;
        self.hold(held.map_err(|error| failure::unauthorized(&error, who))?).map(drop)
    }

    /// Uses an account's tokens from now on. What was used before stays a secret.
    fn hold(&self, held: Held) -> Result<Arc<Credential>, OutboundFailure> {
        let injection = Injection::new(&self.spec.auth, &held.tokens);
        let injection = injection.map_err(|error| failure::bad_credential(&error))?;
        let secrets = held.tokens.secrets().into_iter().chain(held.client.iter().flat_map(|client| client.secrets()));
        Ok(self.opened(injection, secrets.collect(), held.version))
    }

    /// Keeps a credential for the rest of the call.
    fn opened(
        &self,
        injection: Option<Injection>,
        mut secrets: Vec<Zeroizing<Vec<u8>>>,
        version: u64,
    ) -> Arc<Credential> {
        let mut credential = lock(&self.credential);
        secrets.extend(credential.iter().flat_map(|before| before.secrets.iter().cloned()));
        let redactor = Redactor::new(secrets.iter().map(|secret| secret.as_slice()));
        let opened = Arc::new(Credential { injection, secrets, redactor, version });
        *credential = Some(Arc::clone(&opened));
        opened
    }

    /// Sends a hop and those that redirects lead to.
    async fn travel(&self, hop: &mut Hop, until: Instant) -> Result<OutboundResponse, OutboundFailure> {
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

    /// Checks what the guest wrote, as far as that can be done without its target's policy.
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
        // A service that takes no body with these methods takes it for the next request on the connection, and that
        // may be somebody else's.
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

    /// The policy for one hop: grants, scheme, address. Whether the credential goes along, besides.
    fn permit(&self, hop: &Hop) -> Result<(Way, bool), OutboundFailure> {
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
        let way = self.egress.clients.way(target).map_err(|error| failure::no_way(target.host_text(), error))?;
        Ok((way, self.spec.auth != Auth::None && hop.trusted && grants.authenticate(target)))
    }

    /// The whole policy for one hop, and the credential that goes along.
    async fn admit(&self, hop: &Hop, until: Instant) -> Result<(Way, Option<Arc<Credential>>), OutboundFailure> {
        let (way, authenticated) = self.permit(hop)?;
        if !authenticated {
            return Ok((way, None));
        }
        let opening = timeout_at(until, self.open());
        Ok((way, Some(opening.await.map_err(|_| failure::late())??)))
    }

    /// The call's credential, opened at the first request that carries it.
    async fn open(&self) -> Result<Arc<Credential>, OutboundFailure> {
        let _opening = self.opening.lock().await;
        if let Some(opened) = self.credential() {
            return Ok(opened);
        }
        let opened;
        let credentials = match &self.spec.credentials {
            CredentialSource::Account { keeper, who } => {
                return self.hold(keeper.fresh(who).await.map_err(|error| failure::unauthorized(&error, who))?);
            }
            CredentialSource::None => {
                let message = "the connection has no credentials; an admin has to enter them";
                return Err(failure::refused(OutboundReason::NeedsAuth, message));
            }
            CredentialSource::Plain(credentials) => credentials,
            CredentialSource::Sealed { vault, sealed, binding } => {
                opened = vault.open(binding, sealed).await.map_err(|error| failure::closed_vault(&error))?;
                &opened
            }
        };
        let bad = |error: InjectError| failure::bad_credential(&error);
        let injection = Injection::new(&self.spec.auth, credentials).map_err(bad)?;
        Ok(self.opened(injection, credentials.secrets(), 0))
    }

    fn credential(&self) -> Option<Arc<Credential>> {
        lock(&self.credential).clone()
    }

    /// Sends a hop, and again while that is allowed and may help.
    async fn repeat(&self, hop: &mut Hop, until: Instant) -> Result<reqwest::Response, OutboundFailure> {
        let (way, credential) = self.admit(hop, until).await?;
        hop.carries.clone_from(&credential);
        let credential = credential.as_deref();
        let policy = &self.egress.config.retry;
        let rule = self.spec.manifest.retry.as_ref();
        let passing = rule.map_or(&Retry::TRANSIENT[..], |rule| &rule.statuses);
        let may = self.spec.idempotent || retry::is_repeatable(&hop.method, &hop.headers);
        let retries = if may { rule.map_or(policy.retries, |rule| rule.retries) } else { 0 };
        let mut nth = 0;
        loop {
            let result = self.once(hop, &way, credential, until).await?;
            hop.seen |= result.as_ref().map_or_else(WireError::sent, |_| true);
            let (again, asked) = match &result {
                Ok(response) => (passing.contains(&response.status().as_u16()), retry::retry_after(response.headers())),
                Err(error) => (error.is_transient(), None),
            };
            let wait = (again && nth < retries).then(|| policy.wait(nth, asked, &*self.egress.random)).flatten();
            match wait {
                Some(wait) if self.may_repeat(Instant::now() + wait, until) => {
                    drop(result);
                    sleep(wait).await;
                    nth += 1;
                }
                _ => return result.map_err(|error| failure::wire(hop.target.host_text(), &error)),
            }
        }
    }

    /// Whether there are time, requests and an open circuit left for another try at this moment.
    fn may_repeat(&self, at: Instant, until: Instant) -> bool {
        let breaker = self.egress.breaker(&self.breaker);
        at < until && self.calls_left.load(Ordering::Relaxed) > 0 && !lock(&breaker).is_open(at)
    }

    /// One request on the wire. The outer result is what stops everything: the allowance or the breaker.
    async fn once(
        &self,
        hop: &Hop,
        way: &Way,
        credential: Option<&Credential>,
        until: Instant,
    ) -> Result<Result<reqwest::Response, WireError>, OutboundFailure> {
        let spent = self.calls_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if spent.is_err() || self.bytes_left.load(Ordering::Relaxed) == 0 {
            let message = format!(
                "a call may send {} requests, redirects and retries included, and receive {} bytes; fetch less",
                self.spec.http_calls, self.spec.response_bytes
            );
            return Err(failure::refused(OutboundReason::Quota, message));
        }
        let breaker = self.egress.breaker(&self.breaker);
        let host = hop.target.host_text();
        lock(&breaker).admit(Instant::now()).map_err(|after| failure::open_circuit(host, after))?;

        let mut outgoing = Outgoing {
            method: hop.method.clone(),
            url: hop.target.url().clone(),
            headers: hop.headers.clone(),
            body: hop.body.clone(),
        };
        if let Some(injection) = credential.and_then(|credential| credential.injection.as_ref()) {
            injection.apply(&mut outgoing.url, &mut outgoing.headers);
        }
        let result = self.egress.clients.send(way, outgoing, until).await;
        let failed = match &result {
            Ok(response) => matches!(response.status().as_u16(), 502..=504),
            Err(error) => error.is_failure(),
        };
        if failed {
            lock(&breaker).fail(Instant::now());
        } else {
            lock(&breaker).succeed();
        }
        self.record(hop, &result);
        Ok(result)
    }

    fn record(&self, hop: &Hop, result: &Result<reqwest::Response, WireError>) {
        let path = self.shown_path(&hop.target);
        let mut entry = json!({"method": hop.method.as_str(), "host": hop.target.host_text(), "path": path});
        match result {
            Ok(response) => entry["status"] = response.status().as_u16().into(),
            Err(error) => entry["error"] = self.redact(&error.to_string()).into(),
        }
        tracing::debug!(
            organization = %self.spec.organization, connection = %self.spec.connection, request = %entry, "egress"
        );
        lock(&self.requests).push(entry);
    }

    /// A path for people. It is cut after it was redacted: half a secret isn't found.
    fn shown_path(&self, target: &Target) -> String {
        let mut path = self.redact(target.url().path());
        path.truncate(path.floor_char_boundary(LOGGED_PATH));
        path
    }

    /// Where a response leads, when the manifest asks for redirects to be followed.
    fn location(&self, response: &reqwest::Response) -> Option<String> {
        let leads = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !self.spec.manifest.redirects || !leads {
            return None;
        }
        response.headers().get(header::LOCATION)?.to_str().ok().map(str::to_owned)
    }

    /// Makes of a hop the one that its redirect leads to.
    fn follow(&self, hop: &mut Hop, status: StatusCode, location: &str) -> Result<(), OutboundFailure> {
        let target = hop.target.join(location).map_err(|error| {
            let message = format!("{} redirected to what can't be followed: {error}", hop.target.host_text());
            failure::refused(OutboundReason::Denied, message)
        })?;
        // As browsers do (RFC 9110 15.4): 303 is always fetched, 301 and 302 turn POST into GET.
        let fetches = match status.as_u16() {
            303 => hop.method != Method::HEAD,
            301 | 302 => hop.method == Method::POST,
            _ => false,
        };
        if fetches {
            hop.method = Method::GET;
            hop.body = None;
            headers::drop_content(&mut hop.headers);
        }
        if !target.same_origin(&hop.target) {
            hop.trusted = false;
            headers::drop_private(&mut hop.headers);
            // A service that echoes the key into its Location would have us hand it on.
            let known = self.credential();
            let redactor = known.as_ref().and_then(|credential| credential.redactor.as_ref());
            if redactor.is_some_and(|redactor| redactor.finds(target.url().as_str())) {
                let message = format!("{} redirected elsewhere with the credential in the URL", hop.target.host_text());
                return Err(failure::refused(OutboundReason::Denied, message));
            }
        }
        hop.target = target;
        Ok(())
    }

    async fn receive(
        &self,
        hop: &Hop,
        response: reqwest::Response,
        until: Instant,
    ) -> Result<OutboundResponse, OutboundFailure> {
        let host = hop.target.host_text();
        // Whoever got the credential earlier in this call may tell it to whoever answers now.
        let known = self.credential();
        let redactor = known.as_ref().and_then(|credential| credential.redactor.as_ref());
        let status = response.status().as_u16();
        let Some(headers) = headers::response(response.headers(), redactor) else {
            let message = format!("{host}: the response's headers are too large");
            return Err(failure::refused(OutboundReason::TooLarge, message));
        };
        let most = self.bytes_left.load(Ordering::Relaxed);
        let beyond = redactor.map_or(1, Redactor::overlap);
        let bounds = Bounds { most: most.saturating_add(beyond), idle: self.egress.config.idle_timeout, until };
        let bytes = body::read(response, bounds).await.map_err(|error| failure::body(host, &error))?;
        let received = bytes.len().min(most);
        let over = bytes.len() > most;
        let bytes = Bytes::from(bytes);
        let body = match redactor {
            Some(redactor) => redactor.body(bytes, most),
            None => bytes.slice(..received),
        };
        // Marks may be longer than what they stand for, so a cut may come of them too.
        let truncated = over || (redactor.is_some() && body.len() == most && received < most);
        let spent = received.max(body.len());
        let _ =
            self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(spent)));
        if let Some(entry) = lock(&self.requests).last_mut() {
            entry["bytes"] = received.into();
        }
        Ok(OutboundResponse { status, headers, body, truncated })
    }
}

#[async_trait]
impl Outbound for Session {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        let result = self.exchange(request).await;
        result.map_err(|failure| OutboundFailure { message: self.redact(&failure.message), ..failure })
    }

    /// What was never opened can't be in a text.
    fn redact(&self, text: &str) -> String {
        let known = self.credential();
        let redactor = known.as_ref().and_then(|credential| credential.redactor.as_ref());
        redactor.map_or_else(|| text.to_owned(), |redactor| redactor.text(text).into_owned())
    }

    fn requests(&self) -> Vec<Value> {
        lock(&self.requests).clone()
    }
}

/// Upper-case letters and dashes. `TRACE` would echo the credential, `CONNECT` would make a tunnel.
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
    use resly_core::time::Random;
    use uuid::Uuid;

    use super::*;
    use crate::{EgressConfig, SystemResolver};

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn a_call_s_time_begins_with_its_first_request() {
        let egress = Egress::new(EgressConfig::default(), Arc::new(SystemResolver), Arc::new(Zeros)).unwrap();
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
