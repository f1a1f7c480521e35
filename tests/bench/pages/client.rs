//! Somebody who is signed in at the console and has a key, and how long their answers take.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;

/// Times that each page is asked for, and before that.
const ROUNDS: usize = 20;
const WARM: usize = 2;
/// A page that takes this long is asked for a few times only.
const LONG: Duration = Duration::from_millis(700);

pub struct Asking {
    client: Client,
    base: String,
    key: String,
    cookie: String,
}

/// One address, asked for some times.
pub struct Timed {
    pub status: StatusCode,
    pub p50: f64,
    pub p95: f64,
    /// Of the body, as it went over the wire.
    pub bytes: usize,
    pub text: String,
}

impl Asking {
    /// Signs in by a one-time link.
    pub async fn sign_in(base: &str, key: String, link: &str) -> Result<Self> {
        let _ = resly_tests::app::client();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let token = link.split("token=").nth(1).context("the link has no token")?;
        let request = client.post(format!("{base}/console/sign-in/link")).header("sec-fetch-site", "same-origin");
        let response = request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("token={token}"))
            .send()
            .await?;
        let cookies = response.headers().get_all(header::SET_COOKIE).iter();
        let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        ensure!(cookie.contains("session"), "the sign-in answered {}", response.status());
        Ok(Self { client, base: base.to_owned(), key, cookie })
    }

    /// Asks for a page of the console, or as the key for a path of the API.
    async fn ask(&self, path: &str) -> Result<(StatusCode, Vec<u8>, Duration)> {
        let mut request = self.client.get(format!("{}{path}", self.base)).header(header::ACCEPT_ENCODING, "gzip, br");
        request = if path.starts_with("/console") {
            request.header(header::COOKIE, &self.cookie).header(header::ACCEPT, "text/html")
        } else {
            request.bearer_auth(&self.key)
        };
        let started = Instant::now();
        let response = request.send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        Ok((status, body.to_vec(), started.elapsed()))
    }

    pub async fn json(&self, path: &str) -> Result<Value> {
        let (status, body, _) = self.ask(path).await?;
        ensure!(status.is_success(), "{path} answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.client.post(format!("{}{path}", self.base)), path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(self.client.put(format!("{}{path}", self.base)), path, body).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, path: &str, body: &Value) -> Result<Value> {
        let response = request.bearer_auth(&self.key).json(body).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        if !status.is_success() {
            bail!("{path} answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    pub async fn timed(&self, path: &str) -> Result<Timed> {
        let mut times = Vec::with_capacity(ROUNDS);
        let (mut status, mut body) = (StatusCode::OK, Vec::new());
        for round in 0..WARM + ROUNDS {
            let took;
            (status, body, took) = self.ask(path).await?;
            if round >= WARM {
                times.push(took.as_secs_f64() * 1e3);
            }
            if round > WARM + 1 && took > LONG {
                break;
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        let (p50, p95) = (at(0.5), at(0.95));
        Ok(Timed { status, p50, p95, bytes: body.len(), text: String::from_utf8_lossy(&body).into_owned() })
    }
}
