//! A strict authorization server on loopback, with the service that its tokens open. It requires PKCE, the exact
//! redirect URI and single use of codes. It replaces refresh tokens and ends a grant when an old one is used again. It
//! revokes tokens, sends `iss`, and reports an expired token in the way that a test chooses.

mod routes;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    routing::{get, post},
};
use serde_json::{Value, json};
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
            .route("/authorize", get(routes::authorize))
            .route("/token", post(routes::token))
            .route("/revoke", post(routes::revoke))
            .route("/api/me", get(routes::me))
            .route("/api/notes", post(routes::note))
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
