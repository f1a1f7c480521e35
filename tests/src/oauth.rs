//! A strict authorization server on loopback, with the service that its tokens open. It requires PKCE, the exact
//! redirect URI and single use of codes. It replaces refresh tokens and ends a grant when an old one is used again. It
//! revokes tokens, sends `iss`, and reports an expired token in the way that a test chooses.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub const CLIENT_ID: &str = "app-client";
pub const CLIENT_SECRET: &str = "app-secret-canary-7b2d1e";

/// How the service reports an expired access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    #[default]
    Unauthorized,
    Ok,
    Forbidden,
}

struct Code {
    challenge: String,
    redirect_uri: String,
    subject: String,
    /// Index of the grant that was issued for it. `None` until it is used.
    used: Option<usize>,
}

struct Grant {
    subject: String,
    alive: bool,
    access: String,
    expired: bool,
    refresh: Option<String>,
    /// Refresh tokens that were replaced.
    old: Vec<String>,
}

/// Writes a token answer with these standard members: returns content type and body.
pub type WriteAnswer = fn(Value) -> (&'static str, String);

#[derive(Default)]
struct Inner {
    redirect_uris: Vec<String>,
    codes: HashMap<String, Code>,
    grants: Vec<Grant>,
    /// The person who agrees next.
    subject: String,
    issuer: String,
    lifetime: u64,
    expired: Expired,
    denies: bool,
    down: bool,
    broken: bool,
    /// How long refresh tokens live. `None` means without end.
    refresh_lifetime: Option<u64>,
    unrefreshable: bool,
    /// Replaces the standard answer with tokens.
    answers_as: Option<WriteAnswer>,
    /// Status, body and `Retry-After` in seconds of a token endpoint that refuses everything.
    refuses: Option<(u16, &'static str, Option<u64>)>,
    token_requests: usize,
    count: u64,
    refreshes: usize,
    revocations: usize,
    notes: usize,
    secrets: Vec<String>,
}

impl Inner {
    /// A new secret that no answer of the host may contain.
    fn mint(&mut self, kind: &str) -> String {
        self.count += 1;
        let secret = crate::canary::secret(&format!("{kind}-canary-{:06}-", self.count));
        self.secrets.push(secret.clone());
        secret
    }

    fn tokens(&mut self, at: usize) -> Value {
        let grant = &self.grants[at];
        json!({"access_token": grant.access, "refresh_token": grant.refresh, "token_type": "Bearer",
            "expires_in": self.lifetime.to_string(), "refresh_token_expires_in": self.refresh_lifetime,
            "scope": "orders.read profile"})
    }
}

#[derive(Clone)]
pub struct OauthService {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl OauthService {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Inner {
            issuer: format!("http://{address}"),
            lifetime: 3600,
            subject: "anna".to_owned(),
            ..Inner::default()
        };
        let service = Self { address, inner: Arc::new(Mutex::new(inner)) };
        let router = Router::new()
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/api/me", get(me))
            .route("/api/notes", post(note))
            .with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(service)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A declarative connector for this service.
    pub fn definition(&self, grant: &str) -> Value {
        let host = self.address.to_string();
        let url = |path: &str| format!("http://{host}{path}");
        let action = |id: &str, side_effect: &str, method: &str, path: &str| {
            json!({"id": id, "title": "An action", "description": "Does it.", "side_effect": side_effect,
                "input": {"type": "object", "properties": {}}, "request": {"method": method, "url": url(path)},
                "response": {"mapping": "."}})
        };
        let mut me = action("me", "read", "GET", "/api/me");
        me["cache_s"] = json!(60);
        json!({
            "id": "desk", "name": "Desk", "version": "1.0.0", "hosts": [host],
            "auth": {"type": "oauth2", "authorize_url": url("/authorize"), "token_url": url("/token"),
                "revoke_url": url("/revoke"), "issuer": format!("http://{host}"), "scopes": ["orders.read", "profile"],
                "authorize_params": {"access_type": "offline"}, "grant": grant,
                "expired_when": [{"status": 200, "pointer": "/error", "equals": "token_expired"},
                    {"status": 403, "body_contains": "has expired"}]},
            "actions": [me, action("note", "write", "POST", "/api/notes")],
            "test": {"action": "me", "input": {}},
        })
    }

    pub fn registers(&self, redirect_uri: String) {
        self.inner().redirect_uris.push(redirect_uri);
    }

    /// Sets how long access tokens live, in seconds.
    pub fn lives(&self, seconds: u64) {
        self.inner().lifetime = seconds;
    }

    /// Sets how long refresh tokens live, in seconds. `None` means that none are issued.
    pub fn refreshes_for(&self, seconds: Option<u64>) {
        let mut inner = self.inner();
        (inner.refresh_lifetime, inner.unrefreshable) = (seconds, seconds.is_none());
    }

    /// Lets refresh tokens live without end, which is the default.
    pub fn refreshes_for_ever(&self) {
        let mut inner = self.inner();
        (inner.refresh_lifetime, inner.unrefreshable) = (None, false);
    }

    pub fn says_expired(&self, how: Expired) {
        self.inner().expired = how;
    }

    /// Expires every access token.
    pub fn expire(&self) {
        for grant in &mut self.inner().grants {
            grant.expired = true;
        }
    }

    /// Sets the person who agrees from now on.
    pub fn is_used_by(&self, subject: &str) {
        subject.clone_into(&mut self.inner().subject);
    }

    pub fn denies(&self, denies: bool) {
        self.inner().denies = denies;
    }

    pub fn claims_to_be(&self, issuer: &str) {
        issuer.clone_into(&mut self.inner().issuer);
    }

    /// Sets whether the token endpoint fails.
    pub fn is_down(&self, down: bool) {
        self.inner().down = down;
    }

    /// Sets how the token endpoint writes its answers: content type and body from the standard members.
    pub fn answers_as(&self, how: WriteAnswer) {
        self.inner().answers_as = Some(how);
    }

    /// Lets the token endpoint refuse everything in this way, or nothing any more.
    pub fn refuses(&self, how: Option<(u16, &'static str, Option<u64>)>) {
        self.inner().refuses = how;
    }

    pub fn token_requests(&self) -> usize {
        self.inner().token_requests
    }

    /// Sets whether the service behind the tokens fails.
    pub fn is_broken(&self, broken: bool) {
        self.inner().broken = broken;
    }

    /// Ends every grant, as a person may do at any time.
    pub fn ends_grants(&self) {
        for grant in &mut self.inner().grants {
            grant.alive = false;
        }
    }

    pub fn refreshes(&self) -> usize {
        self.inner().refreshes
    }

    pub fn revocations(&self) -> usize {
        self.inner().revocations
    }

    pub fn notes(&self) -> usize {
        self.inner().notes
    }

    /// The number of grants that still give access.
    pub fn alive(&self) -> usize {
        self.inner().grants.iter().filter(|grant| grant.alive).count()
    }

    /// Every code and token that it issued, and the client's secret.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.inner().secrets.clone();
        secrets.push(CLIENT_SECRET.to_owned());
        secrets
    }
}

type Fields = HashMap<String, String>;

fn refused(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({"error": error, "error_description": "as the standard says"}))).into_response()
}

async fn authorize(State(service): State<OauthService>, Query(asked): Query<Fields>) -> Response {
    let of = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let mut inner = service.inner();
    // Errors about the client or the redirect URI are never sent to that URI (RFC 6749, section 4.1.2.1).
    if of("client_id") != CLIENT_ID || !inner.redirect_uris.iter().any(|known| known == of("redirect_uri")) {
        return refused(400, "unknown client or redirect_uri");
    }
    let sound = of("response_type") == "code"
        && of("code_challenge_method") == "S256"
        && of("code_challenge").len() == 43
        && of("state").len() >= 32
        && of("scope") == "orders.read profile"
        && of("access_type") == "offline";
    if !sound {
        return refused(400, "invalid_request");
    }
    let (state, iss) = (of("state").to_owned(), inner.issuer.clone());
    if inner.denies {
        return Redirect::to(&format!("{}?error=access_denied&state={state}&iss={iss}", of("redirect_uri")))
            .into_response();
    }
    let code = inner.mint("code");
    let grant = Code {
        challenge: of("code_challenge").to_owned(),
        redirect_uri: of("redirect_uri").to_owned(),
        subject: inner.subject.clone(),
        used: None,
    };
    inner.codes.insert(code.clone(), grant);
    Redirect::to(&format!("{}?code={code}&state={state}&iss={iss}", of("redirect_uri"))).into_response()
}

fn is_client(fields: &Fields) -> bool {
    fields.get("client_id").is_some_and(|id| id == CLIENT_ID)
        && fields.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET)
}

fn form(body: &str) -> Fields {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

async fn token(State(service): State<OauthService>, body: String) -> Response {
    let fields = form(&body);
    let of = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    // A renewal that takes a moment lets other callers arrive meanwhile.
    if of("grant_type") == "refresh_token" {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    let mut inner = service.inner();
    let inner = &mut *inner;
    inner.token_requests += 1;
    if let Some((status, body, retry_after)) = inner.refuses {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, body).into_response();
        response.headers_mut().extend(retry_after.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
        return response;
    }
    if inner.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_client(&fields) {
        return refused(401, "invalid_client");
    }
    let at = match of("grant_type") {
        "authorization_code" => {
            let Some(code) = inner.codes.get_mut(of("code")) else { return refused(400, "invalid_grant") };
            if let Some(grant) = code.used {
                inner.grants[grant].alive = false;
                return refused(400, "invalid_grant");
            }
            let challenge = base64url(&Sha256::digest(of("code_verifier")));
            if challenge != code.challenge || code.redirect_uri != of("redirect_uri") {
                return refused(400, "invalid_grant");
            }
            code.used = Some(inner.grants.len());
            let subject = code.subject.clone();
            inner.secrets.push(of("code_verifier").to_owned());
            let access = inner.mint("access");
            let refresh = (!inner.unrefreshable).then(|| inner.mint("refresh"));
            inner.grants.push(Grant { subject, alive: true, access, expired: false, refresh, old: Vec::new() });
            inner.grants.len() - 1
        }
        "client_credentials" => {
            inner.refreshes += 1;
            let access = inner.mint("access");
            let subject = "the app".to_owned();
            inner.grants.push(Grant { subject, alive: true, access, expired: false, refresh: None, old: Vec::new() });
            inner.grants.len() - 1
        }
        "refresh_token" => {
            let token = of("refresh_token").to_owned();
            if let Some(thief) = inner.grants.iter_mut().find(|grant| grant.old.contains(&token)) {
                // A second use means that somebody has a copy (RFC 9700, section 4.14.2).
                thief.alive = false;
                return refused(400, "invalid_grant");
            }
            let found = inner.grants.iter().position(|grant| grant.alive && grant.refresh.as_ref() == Some(&token));
            let Some(at) = found else { return refused(400, "invalid_grant") };
            inner.refreshes += 1;
            let (access, refresh) = (inner.mint("access"), inner.mint("refresh"));
            let grant = &mut inner.grants[at];
            grant.old.push(token);
            (grant.access, grant.refresh, grant.expired) = (access, Some(refresh), false);
            at
        }
        _ => return refused(400, "unsupported_grant_type"),
    };
    let tokens = inner.tokens(at);
    match inner.answers_as {
        None => Json(tokens).into_response(),
        Some(how) => {
            let (kind, body) = how(tokens);
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
    }
}

async fn revoke(State(service): State<OauthService>, body: String) -> Response {
    let fields = form(&body);
    let mut inner = service.inner();
    if inner.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_client(&fields) {
        return refused(401, "invalid_client");
    }
    let token = fields.get("token");
    let known = inner.grants.iter_mut().find(|grant| grant.refresh.as_ref() == token || Some(&grant.access) == token);
    if let Some(grant) = known {
        grant.alive = false;
        inner.revocations += 1;
    }
    // An unknown token counts as revoked (RFC 7009, section 2.2).
    StatusCode::OK.into_response()
}

/// The grant of a token, or the answer that it is no longer valid.
fn bearer(inner: &Inner, headers: &HeaderMap) -> Result<String, Box<Response>> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    let grant = inner.grants.iter().find(|grant| grant.alive && !grant.expired && grant.access == token);
    let answer = || match inner.expired {
        // The answer repeats the token, as careless services do.
        Expired::Unauthorized => (StatusCode::UNAUTHORIZED, Json(json!({"bad": token}))).into_response(),
        Expired::Ok => Json(json!({"ok": false, "error": "token_expired", "token": token})).into_response(),
        Expired::Forbidden => (StatusCode::FORBIDDEN, format!("token {token} has expired")).into_response(),
    };
    grant.map(|grant| grant.subject.clone()).ok_or_else(|| Box::new(answer()))
}

async fn me(State(service): State<OauthService>, headers: HeaderMap) -> Response {
    let inner = service.inner();
    if inner.broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    match bearer(&inner, &headers) {
        // The answer repeats the request.
        Ok(subject) => Json(json!({"account": subject, "echo": format!("{headers:?}")})).into_response(),
        Err(expired) => *expired,
    }
}

async fn note(State(service): State<OauthService>, headers: HeaderMap) -> Response {
    let mut inner = service.inner();
    match bearer(&inner, &headers) {
        Ok(subject) => {
            inner.notes += 1;
            Json(json!({"account": subject})).into_response()
        }
        Err(expired) => *expired,
    }
}

fn base64url(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}
