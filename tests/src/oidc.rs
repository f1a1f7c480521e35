//! A provider of OpenID Connect on loopback, which can be honest or tell any lie that a test chooses. It checks client, code,
//! PKCE and redirect address as a strict one does.

#![expect(clippy::panic, reason = "this is test code in a library's place")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};

pub const CLIENT_ID: &str = "resly";
pub const CLIENT_SECRET: &str = "oidc-secret-canary-51f0aa";

/// What a provider lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    Nonce,
    NoNonce,
    Audience,
    MoreAudiences,
    AuthorizedParty,
    Issuer,
    Expired,
    Future,
    /// `alg` is `none`, and there is no signature.
    Unsigned,
    /// Signed with the client's secret.
    SharedSecret,
    OtherKey,
    Unverified,
    NoEmail,
    NoIdToken,
    /// The keys are a huge answer.
    HugeKeys,
    HugeDescription,
    /// The description is elsewhere, inside.
    Redirect,
    /// The description names another issuer.
    OtherIssuer,
    /// The keys are at an address inside.
    InsideKeys,
    /// People are sent to what isn't a page of the web.
    Script,
}

impl Lie {
    /// Those that an ID token or its answer tells.
    pub const OF_TOKENS: [Self; 14] = [
        Self::Nonce,
        Self::NoNonce,
        Self::Audience,
        Self::MoreAudiences,
        Self::AuthorizedParty,
        Self::Issuer,
        Self::Expired,
        Self::Future,
        Self::Unsigned,
        Self::SharedSecret,
        Self::OtherKey,
        Self::Unverified,
        Self::NoEmail,
        Self::NoIdToken,
    ];
    /// Those that the description tells.
    pub const OF_DESCRIPTIONS: [Self; 6] =
        [Self::HugeKeys, Self::HugeDescription, Self::Redirect, Self::OtherIssuer, Self::InsideKeys, Self::Script];
}

struct Code {
    challenge: String,
    nonce: String,
    redirect_uri: String,
}

struct Inner {
    key: Arc<EcdsaKeyPair>,
    other: Arc<EcdsaKeyPair>,
    lie: Option<Lie>,
    subject: String,
    email: String,
    now: i64,
    codes: HashMap<String, Code>,
    count: u64,
    token_requests: usize,
    inside: usize,
}

#[derive(Clone)]
pub struct OidcService {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

fn new_key() -> std::io::Result<Arc<EcdsaKeyPair>> {
    let random = SystemRandom::new();
    let failed = |_| std::io::Error::other("no key");
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(failed)?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
    key.map(Arc::new).map_err(|_| std::io::Error::other("no key"))
}

impl OidcService {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let inner = Inner {
            key: new_key()?,
            other: new_key()?,
            lie: None,
            subject: "sub-1".to_owned(),
            email: "ana@example.com".to_owned(),
            now: 0,
            codes: HashMap::new(),
            count: 0,
            token_requests: 0,
            inside: 0,
        };
        let service = Self { address, inner: Arc::new(Mutex::new(inner)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/inside", get(inside))
            .with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(service)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who signs in next.
    pub fn account(&self, subject: &str, email: &str) {
        let mut inner = self.inner();
        (inner.subject, inner.email) = (subject.to_owned(), email.to_owned());
    }

    pub fn lie(&self, lie: Option<Lie>) {
        self.inner().lie = lie;
    }

    /// The provider's clock, in seconds.
    pub fn at(&self, now: i64) {
        self.inner().now = now;
    }

    pub fn token_requests(&self) -> usize {
        self.inner().token_requests
    }

    /// How often an address inside was asked for.
    pub fn inside(&self) -> usize {
        self.inner().inside
    }

    /// Agrees for the person whose browser was sent here, and returns the path of the host that it comes back to.
    pub fn agree(&self, location: &str) -> String {
        let url = Url::parse(location).unwrap_or_else(|_| panic!("no address: {location}"));
        assert_eq!(url.origin().ascii_serialization(), self.issuer(), "{location}");
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let of = |name: &str| query.get(name).cloned().unwrap_or_else(|| panic!("{name}: {location}"));
        assert_eq!((of("response_type").as_str(), of("client_id").as_str()), ("code", CLIENT_ID));
        assert_eq!(of("code_challenge_method"), "S256");
        assert!(of("scope").split(' ').any(|scope| scope == "openid"));
        let mut inner = self.inner();
        inner.count += 1;
        let code = format!("code-{}", inner.count);
        let redirect_uri = of("redirect_uri");
        let stored = Code { challenge: of("code_challenge"), nonce: of("nonce"), redirect_uri: redirect_uri.clone() };
        inner.codes.insert(code.clone(), stored);
        let mut back = Url::parse(&redirect_uri).unwrap_or_else(|_| panic!("no address: {redirect_uri}"));
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &of("state"))
            .append_pair("iss", &self.issuer());
        format!("{}?{}", back.path(), back.query().unwrap_or_default())
    }
}

fn huge() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{{\"keys\": \"{}\"}}", "x".repeat(2 << 20))).into_response()
}

async fn description(State(service): State<OidcService>) -> Response {
    let issuer = service.issuer();
    let lie = service.inner().lie;
    let mut told = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    match lie {
        Some(Lie::HugeDescription) => return huge(),
        Some(Lie::Redirect) => return Redirect::temporary(&format!("{issuer}/inside")).into_response(),
        Some(Lie::OtherIssuer) => told["issuer"] = json!("https://accounts.example.com"),
        Some(Lie::InsideKeys) => told["jwks_uri"] = json!("http://169.254.169.254/latest/meta-data"),
        Some(Lie::Script) => told["authorization_endpoint"] = json!("javascript:alert(1)"),
        _ => {}
    }
    Json(told).into_response()
}

async fn inside(State(service): State<OidcService>) -> &'static str {
    service.inner().inside += 1;
    "{}"
}

async fn keys(State(service): State<OidcService>) -> Response {
    let inner = service.inner();
    if inner.lie == Some(Lie::HugeKeys) {
        return huge();
    }
    let point = inner.key.public_key().as_ref();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let key = json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k", "x": part(1..33), "y": part(33..65)});
    Json(json!({"keys": [key]})).into_response()
}

async fn userinfo(State(service): State<OidcService>) -> Json<Value> {
    Json(json!({"sub": service.inner().subject}))
}

async fn token(State(service): State<OidcService>, headers: HeaderMap, sent: String) -> Response {
    let sent: HashMap<String, String> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
    let issuer = service.issuer();
    let mut inner = service.inner();
    inner.token_requests += 1;
    let refused = |why: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
    if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&basic) {
        return refused("invalid_client");
    }
    let of = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let Some(code) = inner.codes.remove(of("code")) else { return refused("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
    if challenge != code.challenge || of("redirect_uri") != code.redirect_uri {
        return refused("invalid_grant");
    }
    if inner.lie == Some(Lie::NoIdToken) {
        return Json(json!({"access_token": "a", "token_type": "Bearer"})).into_response();
    }
    let id_token = id_token(&inner, &issuer, &code.nonce);
    Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": id_token})).into_response()
}

fn id_token(inner: &Inner, issuer: &str, nonce: &str) -> String {
    let lie = inner.lie;
    let mut claims = json!({
        "iss": issuer, "aud": CLIENT_ID, "sub": inner.subject, "nonce": nonce, "iat": inner.now, "exp": inner.now + 300,
        "email": inner.email, "email_verified": true, "name": "Ana of the company",
    });
    match lie {
        Some(Lie::Nonce) => claims["nonce"] = json!("another"),
        Some(Lie::NoNonce) => claims["nonce"] = Value::Null,
        Some(Lie::Audience) => claims["aud"] = json!("another client"),
        Some(Lie::MoreAudiences) => claims["aud"] = json!([CLIENT_ID, "another client"]),
        Some(Lie::AuthorizedParty) => claims["azp"] = json!("another client"),
        Some(Lie::Issuer) => claims["iss"] = json!("https://accounts.example.com"),
        Some(Lie::Expired) => claims["exp"] = json!(inner.now - 1),
        Some(Lie::Future) => claims["iat"] = json!(inner.now + 3600),
        Some(Lie::Unverified) => claims["email_verified"] = json!(false),
        Some(Lie::NoEmail) => {
            claims["email"] = Value::Null;
            claims["email_verified"] = Value::Null;
        }
        _ => {}
    }
    if let Some(claims) = claims.as_object_mut() {
        claims.retain(|_, value| !value.is_null());
    }
    let algorithm = match lie {
        Some(Lie::Unsigned) => "none",
        Some(Lie::SharedSecret) => "HS256",
        _ => "ES256",
    };
    let head = json!({"alg": algorithm, "kid": "k", "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&head), encode(&claims));
    let signature = match lie {
        Some(Lie::Unsigned) => Vec::new(),
        Some(Lie::SharedSecret) => {
            let mac = Hmac::<Sha256>::new_from_slice(CLIENT_SECRET.as_bytes());
            mac.map(|mac| mac.chain_update(&signed).finalize().into_bytes().to_vec()).unwrap_or_default()
        }
        _ => {
            let key = if lie == Some(Lie::OtherKey) { &inner.other } else { &inner.key };
            let signature = key.sign(&SystemRandom::new(), signed.as_bytes());
            signature.map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
        }
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
