//! What the HTTP providers share: one client each, their endpoint, their timeouts, and how a refusal is told.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Client, Response, StatusCode,
    header::{AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use resly_core::time::{Clock, SystemClock, Timestamp, parse_http_date};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// What stands in the key's place.
const KEY: &str = "[key]";
/// How much of what a provider says is kept for the operator.
const DETAIL: usize = 600;
/// How much of a refusal's body is read to find that text.
const REFUSAL_BODY: usize = 16 << 10;
/// How long to wait for a refusal's body.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// A provider's settings are not usable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("`{url}` is not a base URL; give one such as http://127.0.0.1:11434/v1")]
    Url { url: String },
    #[error("the key has characters that no HTTP header may carry")]
    Key,
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

/// How a request carries the key.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// `Authorization: Bearer <key>` (RFC 6750, 2.1).
    Bearer,
    /// The key alone in a header of the provider's, such as `x-api-key`.
    Header(HeaderName),
}

impl Authentication {
    fn header(&self, key: &SecretString) -> Result<(HeaderName, HeaderValue), ConfigError> {
        let (name, text) = match self {
            Self::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
            Self::Header(name) => (name.clone(), key.expose_secret().to_owned()),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| ConfigError::Key)?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

/// One provider's HTTP side. The key never leaves it: not in errors, not in logs.
pub(crate) struct Upstream {
    client: Client,
    endpoint: Url,
    headers: HeaderMap,
    pub teller: LogSanitizer,
    clock: Arc<dyn Clock>,
    /// Host and port, for errors.
    pub at: String,
}

impl Upstream {
    /// `base` is the base URL with `/v1`; `path` is what follows it.
    pub fn new(
        base: &str,
        path: &[&str],
        authentication: &Authentication,
        key: Option<SecretString>,
        connect_timeout: Duration,
    ) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Url { url: without_secrets(base) };
        let mut endpoint = Url::parse(base).map_err(|_| bad())?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none() {
            return Err(bad());
        }
        endpoint.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(path);
        let at = match (endpoint.host_str(), endpoint.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(bad()),
        };
        let key = key.filter(|key| !key.expose_secret().is_empty());
        let mut headers = HeaderMap::new();
        if let Some(key) = &key {
            let (name, value) = authentication.header(key)?;
            headers.insert(name, value);
        }
        let client = client(endpoint.scheme() == "https", connect_timeout)?;
        Ok(Self { client, endpoint, headers, teller: LogSanitizer(key), clock: Arc::new(SystemClock), at })
    }

    /// Sends another header field with every request.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The host's name alone.
    pub fn host(&self) -> &str {
        self.endpoint.host_str().unwrap_or_default()
    }

    pub async fn post(&self, body: Vec<u8>, accept: &'static str) -> Result<Response, reqwest::Error> {
        self.client
            .post(self.endpoint.clone())
            .headers(self.headers.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .header(reqwest::header::ACCEPT, accept)
            .body(body)
            .send()
            .await
    }

    /// What went wrong, for an operator: the whole chain of causes, capped, without the URL and the key.
    pub fn explain(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        self.sanitize(&text)
    }

    /// A text of the provider's, made fit for a log.
    pub fn sanitize(&self, text: &str) -> String {
        self.teller.sanitize(text)
    }

    /// How long a response asks to wait.
    pub fn retry_after(&self, response: &Response) -> Option<Duration> {
        retry_after(response.headers(), self.clock.now())
    }

    /// A refusal's body, as far as it is read.
    pub async fn refusal(&self, mut response: Response) -> String {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() >= REFUSAL_BODY {
                    break;
                }
            }
        };
        // What came until then is told; a refusal is one without its text, too.
        let _ = tokio::time::timeout(REFUSAL_PATIENCE, read).await;
        String::from_utf8_lossy(&body).into_owned()
    }
}

/// Makes what a provider says fit for a log: capped, on one line, without the provider's key, which some repeat.
#[derive(Clone, Default)]
pub(crate) struct LogSanitizer(Option<SecretString>);

impl LogSanitizer {
    pub fn sanitize(&self, text: &str) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(key) = &self.0 {
            let key = key.expose_secret();
            text = text.replace(key, KEY);
            // As JSON writes it, when it writes it otherwise.
            let quoted = serde_json::Value::from(key).to_string();
            text = text.replace(quoted.trim_matches('"'), KEY);
        }
        if text.len() > DETAIL {
            text.truncate(text.floor_char_boundary(DETAIL));
            text.push('…');
        }
        if text.is_empty() { "no detail was given".to_owned() } else { text }
    }
}

/// The message in what providers send as an error: `{"error":{"message"}}`, `{"error":"…"}`, `{"message"}`,
/// `{"detail"}`, or the text as it is.
pub(crate) fn reason(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return text.to_owned() };
    let error = value.get("error").unwrap_or(&value);
    let message = error.get("message").or_else(|| error.get("detail")).unwrap_or(error);
    match message {
        serde_json::Value::String(message) => message.clone(),
        other => other.to_string(),
    }
}

/// The status in what a provider sends as an error within an answer, where it says one.
pub(crate) fn code(text: &str) -> Option<u16> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let error = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
    ["code", "status", "status_code"].iter().find_map(|name| {
        let code = error.get(name)?;
        code.as_u64().and_then(|code| u16::try_from(code).ok()).or_else(|| code.as_str()?.parse().ok())
    })
}

/// How long the server asks to wait: `retry-after-ms`, which OpenAI and Azure send, or `Retry-After` (RFC 9110, 10.2.3) in
/// seconds or as a date. A date is read against the response's own `Date`, so that the two clocks needn't agree; `now` is for
/// servers that send none.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    let longest = Duration::from_secs(u32::MAX.into());
    let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(longest).min(longest);
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Some(duration(millis / 1000.0));
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(after) {
        return Some(duration(seconds));
    }
    let now = text(DATE.as_str()).and_then(parse_http_date).unwrap_or(now);
    Some(parse_http_date(after)?.since(now))
}

/// Whether asking again may help.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504 | 529)
}

/// One client per provider, so that its connections are kept between answers.
fn client(https: bool, connect_timeout: Duration) -> Result<Client, ConfigError> {
    // Whoever comes first installs it; all of us install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(1024)
        // A compressing proxy would hold tokens back to fill its window.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .user_agent(concat!("resly/", env!("CARGO_PKG_VERSION")));
    if !https {
        // Plain HTTP needs no roots, and works on a machine that has none.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| ConfigError::Client(error.to_string()))
}

/// A URL as it may be told: without user, password, query and fragment.
fn without_secrets(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return url.split(['?', '#']).next().unwrap_or_default().chars().take(80).collect();
    };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::post};

    use super::*;

    /// The headers that reach a server on loopback.
    async fn headers(authentication: Authentication, key: Option<&str>) -> HeaderMap {
        let (heard, mut hears) = tokio::sync::mpsc::channel(1);
        let answer = move |headers: HeaderMap| async move { heard.send(headers).await.unwrap() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/chat", post(answer))).await });
        let key = key.map(SecretString::from);
        let upstream = Upstream::new(&base, &["chat"], &authentication, key, Duration::from_secs(5)).unwrap();
        assert!(upstream.post(Vec::new(), "*/*").await.unwrap().status().is_success());
        hears.recv().await.unwrap()
    }

    #[tokio::test]
    async fn the_key_goes_where_the_provider_expects_it() {
        let named = || Authentication::Header(HeaderName::from_static("x-api-key"));
        let bearer = headers(Authentication::Bearer, Some("sk-1")).await;
        assert_eq!(
            (bearer.get(AUTHORIZATION).unwrap(), bearer.get("x-api-key")),
            (&"Bearer sk-1".parse().unwrap(), None)
        );
        let alone = headers(named(), Some("sk-1")).await;
        assert_eq!((alone.get(AUTHORIZATION), alone.get("x-api-key").unwrap()), (None, &"sk-1".parse().unwrap()));
        for authentication in [Authentication::Bearer, named()] {
            let without = headers(authentication, None).await;
            assert!(!without.contains_key(AUTHORIZATION) && !without.contains_key("x-api-key"));
        }
    }

    #[test]
    fn a_key_that_no_header_may_carry_is_refused_and_not_repeated() {
        for authentication in [Authentication::Bearer, Authentication::Header(HeaderName::from_static("x-api-key"))] {
            let key = Some(SecretString::from("sk-1\nsk-2"));
            let refused =
                Upstream::new("http://127.0.0.1:1/v1", &[], &authentication, key, Duration::ZERO).err().unwrap();
            assert!(matches!(refused, ConfigError::Key) && !refused.to_string().contains("sk-"));
        }
    }

    #[test]
    fn a_server_says_in_three_ways_how_long_to_wait() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let read = |pairs: &[(&'static str, &str)]| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            retry_after(&headers, now).map(|wait| wait.as_millis())
        };
        assert_eq!(read(&[("retry-after", "2")]), Some(2000));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(500));
        assert_eq!(read(&[("retry-after", "30"), ("retry-after-ms", "250")]), Some(250));
        let date = "Tue, 14 Nov 2023 22:13:25 GMT";
        assert_eq!(read(&[("retry-after", date)]), Some(5000), "by our clock");
        assert_eq!(read(&[("retry-after", date), ("date", "Tue, 14 Nov 2023 22:13:22 GMT")]), Some(3000));
        assert_eq!(read(&[("retry-after", "Tue, 14 Nov 2023 22:13:19 GMT")]), Some(0), "it is over");
        for nothing in ["soon", "-1", "NaN", ""] {
            assert_eq!(read(&[("retry-after", nothing)]), None, "{nothing}");
        }
        assert!(read(&[("retry-after-ms", "1e300")]).is_some());
    }

    #[test]
    fn an_error_within_an_answer_may_have_a_status() {
        assert_eq!(code(r#"{"error": {"code": 502, "message": "x"}}"#), Some(502));
        assert_eq!(code(r#"{"code": "429"}"#), Some(429));
        assert_eq!(code(r#"{"error": "x"}"#), None);
        assert_eq!(code("x"), None);
    }
}
