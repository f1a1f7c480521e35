//! A service on loopback that returns a credential in every way in which services do, chosen by the request's path: in
//! bodies, headers, errors and redirects, raw and encoded. It records the credentials that it receives.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Every path that it answers, each in another way.
pub const WAYS: &[&str] =
    &["body", "error", "denied", "busy", "headers", "redirect", "text", "cut", "long", "nested", "split-json"];

#[derive(Clone)]
pub struct Mirror {
    pub address: SocketAddr,
    shown: Shown,
}

/// How requests authenticated.
type Shown = Arc<Mutex<Vec<String>>>;

impl Mirror {
    pub async fn start() -> std::io::Result<Self> {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shown));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, shown })
    }

    /// The access tokens that it issued.
    pub fn tokens(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.iter().filter(|shown| shown.starts_with("at-")).cloned().collect()
    }

    /// Whether a request carried this credential, directly or in Basic authentication.
    pub fn was_shown(&self, credential: &str) -> bool {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|shown| shown.contains(credential))
    }
}

/// The credential of a request, wherever it is.
fn credential(headers: &HeaderMap, query: &str) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = text("x-api-key") {
        return key.to_owned();
    }
    match text("authorization").and_then(|value| value.split_once(' ')) {
        Some(("Basic", pair)) => {
            let pair = STANDARD.decode(pair).unwrap_or_default();
            String::from_utf8_lossy(&pair).into_owned()
        }
        Some((_, token)) => token.to_owned(),
        None => query.split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or_default().to_owned(),
    }
}

async fn answer(State(shown): State<Shown>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let sent = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let mut secret = credential(&parts.headers, parts.uri.query().unwrap_or_default());
    if secret.is_empty() {
        // OAuth clients authenticate in the form (RFC 6749, section 2.3.1).
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&sent).into_owned().collect();
        secret = form.into_iter().find(|(name, _)| name == "client_secret").map(|(_, value)| value).unwrap_or_default();
    }
    shown.lock().unwrap_or_else(PoisonError::into_inner).push(secret.clone());
    let mut response = Response::new(Body::empty());
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unsendable"));
    let echo = echoes(&secret, &parts.headers, &sent);
    let content = match parts.uri.path().trim_start_matches('/') {
        "error" => {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            echo.to_string()
        }
        "denied" => {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value(&format!("Bearer error=\"{secret}\"")));
            echo.to_string()
        }
        "busy" => {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert(header::RETRY_AFTER, value(&secret));
            echo.to_string()
        }
        "headers" => {
            for name in ["x-echo", "set-cookie", "etag", "content-language", "link"] {
                response.headers_mut().append(name, value(&secret));
                response.headers_mut().append(name, value(&STANDARD.encode(&secret)));
            }
            "{}".to_owned()
        }
        "redirect" => {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(header::LOCATION, value(&format!("/body?again={secret}#{secret}")));
            "{}".to_owned()
        }
        // A token endpoint that repeats the client's secret when it issues or refuses a token.
        "token" => {
            let token = crate::canary::secret("at-");
            shown.lock().unwrap_or_else(PoisonError::into_inner).push(token.clone());
            json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "for": secret}).to_string()
        }
        "refused-token" => {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            let said = echo["data"]["inside"].to_string();
            json!({"error": "invalid_client", "error_description": said, "error_uri": secret, "echo": echo}).to_string()
        }
        "no-token" => format!("not JSON: {secret}"),
        "text" => return with_type(response, "text/plain", format!("not JSON, but {secret}").into()),
        "cut" => {
            let whole = echo.to_string();
            let half = Bytes::from(whole.as_bytes()[..whole.len() / 2].to_vec());
            let broken = stream::iter([Ok(half), Err(std::io::Error::other("cut"))]);
            return with_type(response, "application/json", Body::from_stream(broken));
        }
        "long" => json!({"data": secret.repeat((6 << 20) / secret.len().max(1))}).to_string(),
        "nested" => {
            json!({"data": echo.to_string(), "deeper": json!({"again": echo.to_string()}).to_string()}).to_string()
        }
        // Some servers escape every character.
        "split-json" => {
            let escaped: String = secret.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
            format!("{{\"data\":\"{escaped}\"}}")
        }
        _ => echo.to_string(),
    };
    with_type(response, "application/json", content.into())
}

fn echoes(secret: &str, headers: &HeaderMap, sent: &[u8]) -> Value {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    json!({"data": {
        "raw": secret, "inside": format!("the key {secret} is wrong"), "hex": hex, "upper_hex": hex.to_uppercase(),
        "percent": percent, "base64": STANDARD.encode(secret), "base64url": URL_SAFE_NO_PAD.encode(secret),
        "shifted": STANDARD.encode(format!("x{secret}")), "twice": STANDARD.encode(format!("xy{secret}z")),
        "headers": headers, "sent": String::from_utf8_lossy(sent),
    }, "message": format!("bad credential {secret}"), "error": {"message": secret}})
}

fn with_type(mut response: Response, media: &'static str, body: Body) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    *response.body_mut() = body;
    response
}
