//! Fetches a page of the web for an organization's knowledge, under the same policy as other requests: https only, public
//! addresses only, unless the operator lists the host. Each redirect is checked as a request of its own.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use crate::{
    egress::Egress,
    policy::target::{Target, TargetError},
    wire::{
        body::{self, BodyError, Bounds},
        client::{Outgoing, TransportError, WireError},
        decode,
    },
};

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// Time for everything, redirects included.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest validator that is kept.
const LONGEST_VALIDATOR: usize = 1024;

/// What a host's crawler calls itself: in `User-Agent`, and as the group in a `robots.txt`.
pub const CRAWLER: &str = "Resly";

/// A page to fetch.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'p> {
    pub url: &'p str,
    /// The validators of the version that is known. When it is the same, the answer is 304.
    pub etag: Option<&'p str>,
    pub last_modified: Option<&'p str>,
    /// The most bytes of a body. A longer one is an error.
    pub most_bytes: usize,
    /// Whether a redirect may leave the origin.
    pub same_origin: bool,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct PageAnswer {
    pub status: u16,
    /// The URL that answered, after redirects.
    pub url: Url,
    pub content_type: Option<String>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// `X-Robots-Tag` asks not to index the page.
    pub noindex: bool,
    /// Whole seconds, when the server asks to wait.
    pub retry_after_s: Option<u64>,
    /// Empty unless the status is 200.
    pub body: Bytes,
}

/// Why a page can't be fetched. The text is safe for the admin, because it names no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    #[error("the URL can't be called: {0}")]
    Url(#[from] TargetError),
    #[error("the URL can't be called: {0}")]
    Transport(#[from] TransportError),
    #[error("the page could not be reached: {0}")]
    Wire(#[from] WireError),
    #[error("the page could not be read: {0}")]
    Body(#[from] BodyError),
    #[error("the page is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the page is redirected more than {MOST_REDIRECTS} times")]
    Redirects,
    #[error("the page is redirected to another site, {0}")]
    Elsewhere(String),
    /// Of where a redirect leads, only the host is told: the rest may hold a secret.
    #[error("the page is redirected to {host}: {error}")]
    Redirected { host: String, error: Box<Self> },
}

impl PageError {
    /// Whether another try may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Wire(error) => *error != WireError::NotPublic && *error != WireError::Unsendable,
            Self::Redirected { error, .. } => error.is_transient(),
            error => matches!(error, Self::Body(_)),
        }
    }

    /// The error of a page whose redirect led to this host.
    fn after_redirect(self, host: Option<String>) -> Self {
        match host {
            Some(host) => Self::Redirected { host, error: Box::new(self) },
            None => self,
        }
    }
}

impl Egress {
    /// Checks whether a URL may be fetched, without resolving its name.
    pub fn check_page_url(&self, url: &str) -> Result<(), PageError> {
        self.clients.transport(&Target::parse(url)?)?;
        Ok(())
    }

    /// Fetches a page. Follows redirects, and reads the body of a 200 within bounds.
    pub async fn fetch_page(&self, page: PageRequest<'_>) -> Result<PageAnswer, PageError> {
        let until = Instant::now() + PATIENCE;
        let first = Target::parse(page.url)?;
        let mut target = Target::parse(page.url)?;
        // The host that the last redirect led to.
        let mut led_to = None;
        for _ in 0..=MOST_REDIRECTS {
            let response =
                self.ask(&page, &target, until).await.map_err(|error| error.after_redirect(led_to.take()))?;
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok().map(str::to_owned));
            if let Some(to) = to.filter(|_| is_redirect(response.status())) {
                let host = target.url().join(&to).ok().and_then(|to| to.host_str().map(str::to_owned));
                target = target.join(&to).map_err(|error| PageError::from(error).after_redirect(host.clone()))?;
                led_to = host;
                if page.same_origin && !target.same_origin(&first) {
                    return Err(PageError::Elsewhere(target.host_text().to_owned()));
                }
                continue;
            }
            return self.answer(response, &target, page.most_bytes, until).await;
        }
        Err(PageError::Redirects)
    }

    /// One request, without following where its answer leads.
    async fn ask(
        &self,
        page: &PageRequest<'_>,
        target: &Target,
        until: Instant,
    ) -> Result<reqwest::Response, PageError> {
        let way = self.clients.transport(target)?;
        let outgoing = Outgoing { method: Method::GET, url: target.url().clone(), headers: headers(page)?, body: None };
        Ok(self.clients.send(&way, outgoing, until).await?)
    }

    async fn answer(
        &self,
        response: reqwest::Response,
        target: &Target,
        most: usize,
        until: Instant,
    ) -> Result<PageAnswer, PageError> {
        let text = |name: header::HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            (value.len() <= LONGEST_VALIDATOR).then(|| value.to_owned())
        };
        let mut url = target.url().clone();
        url.set_fragment(None);
        let mut robots = response.headers().get_all("x-robots-tag").iter().filter_map(|value| value.to_str().ok());
        let noindex = robots.any(|value| {
            value.split(',').any(|rule| matches!(rule.trim().to_ascii_lowercase().as_str(), "noindex" | "none"))
        });
        let mut answer = PageAnswer {
            status: response.status().as_u16(),
            url,
            content_type: text(header::CONTENT_TYPE),
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
            noindex,
            retry_after_s: text(header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()),
            body: Bytes::new(),
        };
        if response.status() == StatusCode::OK {
            let bounds = Bounds { most: most.saturating_add(1), idle: self.config.idle_timeout, until };
            let read = body::read(response, bounds).await?;
            if read.len() > most {
                return Err(PageError::TooLarge(most));
            }
            answer.body = read.into();
        }
        Ok(answer)
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn headers(page: &PageRequest<'_>) -> Result<HeaderMap, WireError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/html, text/markdown;q=0.9, */*;q=0.8"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(decode::ACCEPTED));
    for (name, value) in [(header::IF_NONE_MATCH, page.etag), (header::IF_MODIFIED_SINCE, page.last_modified)] {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| WireError::Unsendable)?);
        }
    }
    Ok(headers)
}
