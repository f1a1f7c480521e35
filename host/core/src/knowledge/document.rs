//! The port that reads foreign documents: bytes come in, Markdown comes out. Its parsers run only inside the sandbox.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{connector::fuel::FuelReserve, id::OrganizationId};

/// A document as it was uploaded or fetched.
#[derive(Clone, Debug)]
pub struct Document {
    pub bytes: Bytes,
    /// The `Content-Type` that came with it. It is a hint: the bytes decide where they can.
    pub content_type: Option<String>,
    /// Its file name or URL. Links and the format follow from it.
    pub name: Option<String>,
}

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    pub title: Option<String>,
    /// The content that matters, as Markdown: without navigation, banners and scripts.
    pub text: String,
    /// Absolute `http` and `https` URLs without fragments, in order, each once.
    pub links: Vec<String>,
    /// The URL that the page names as its own.
    pub canonical: Option<String>,
    /// The page asks not to be indexed.
    pub noindex: bool,
    /// The page asks not to follow its links.
    pub nofollow: bool,
    /// What was left out, in a sentence for the admin, such as the pages of a PDF that only hold pictures.
    pub note: Option<String>,
}

/// A page of a sitemap, or another sitemap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitemapEntry {
    pub url: String,
    /// `lastmod`, as it stands there.
    pub modified: Option<String>,
    /// It is a sitemap itself.
    pub is_sitemap: bool,
}

/// A rule of a `robots.txt` (RFC 9309) that holds for this host's crawler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotsRule {
    pub allow: bool,
    /// A path prefix. `*` stands for any characters, `$` at the end for the end.
    pub path: String,
}

/// What a `robots.txt` tells this host's crawler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Robots {
    pub rules: Vec<RobotsRule>,
    pub sitemaps: Vec<String>,
    pub crawl_delay_s: Option<u32>,
}

/// What reading gave, and what it burnt either way.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    pub result: Result<T, ExtractError>,
    pub fuel: u64,
}

/// Why a document can't be read. The message is for the admin: what it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExtractError {
    pub kind: ExtractErrorKind,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtractErrorKind {
    /// No parser for this format.
    Unsupported,
    /// It isn't what it says it is, or it is cut.
    Damaged,
    /// It needs a password.
    Encrypted,
    /// It holds no text, such as a scan.
    Empty,
    /// It is over a bound: size, depth, fuel, memory or time.
    TooLarge,
    /// The host has no room now; trying again helps.
    Busy,
    /// The host's own fault.
    Internal,
}

/// Who a document is read for, and the fuel that this may burn.
#[derive(Clone)]
pub struct ReadingBudget {
    pub organization: OrganizationId,
    /// What is set aside for the reading, where the organization's fuel is limited. The reader's own bound holds as well.
    pub fuel: Option<Arc<FuelReserve>>,
}

impl From<OrganizationId> for ReadingBudget {
    /// As much fuel as one document may burn.
    fn from(organization: OrganizationId) -> Self {
        Self { organization, fuel: None }
    }
}

/// Reads documents. Each call is one instance of the bundled guest `extract`, under fuel, memory and a deadline.
#[async_trait]
pub trait Extractor: Send + Sync + 'static {
    async fn extract(&self, budget: ReadingBudget, document: Document) -> Reading<Extracted>;
    /// The entries of a sitemap (sitemaps.org: XML, text, RSS or Atom; plain or gzipped).
    async fn sitemap(&self, budget: ReadingBudget, document: Document) -> Reading<Vec<SitemapEntry>>;
    /// The rules for `agent`, or those for every crawler.
    async fn robots(&self, budget: ReadingBudget, text: Bytes, agent: &str) -> Reading<Robots>;
}
