//! What the steps of a run share, what a step found, and why a crawl makes none now.

use std::sync::Arc;

use resly_core::{
    error::StoreError,
    id::SourceId,
    knowledge::{
        crawl::CrawlRules,
        document::{ExtractError, ExtractErrorKind},
    },
    time::Timestamp,
};
use resly_store::{DueCrawl, FoundLink, PageResult};

use super::links::Scope;
use crate::{
    App,
    readings::{Reader, ReadingError},
};

/// A run of a crawl.
pub struct Run<'r> {
    pub app: &'r Arc<App>,
    pub crawl: &'r DueCrawl,
    pub rules: &'r CrawlRules,
    pub scope: Arc<Scope>,
}

impl Run<'_> {
    pub fn reader(&self) -> Reader {
        Reader { organization: self.crawl.organization, subject: SourceId(self.crawl.id.0) }
    }
}

/// Why a crawl makes no further step now.
pub enum Stop {
    /// The site wants to be asked later.
    Later(Timestamp),
    /// Something that passes, which is no page's fault.
    Retry(String),
    /// The run can't go on. It may again at `at`.
    Over {
        reason: String,
        at: Option<Timestamp>,
    },
    /// Another host has the crawl, or nobody.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A reading that gave nothing, as an error of the document or as why the crawl stops.
pub fn unread(error: ReadingError) -> Result<ExtractError, Stop> {
    match error {
        ReadingError::Extract(error) if error.kind == ExtractErrorKind::Busy => Err(Stop::Retry(error.message)),
        ReadingError::Extract(error) => Ok(error),
        ReadingError::Limit(limit) => Err(Stop::Over { reason: limit.to_string(), at: Some(limit.resets_at) }),
        ReadingError::Reserved(reserved) => Err(Stop::Retry(reserved.to_string())),
        ReadingError::Store(error) => Err(Stop::Store(error)),
    }
}

/// What a step found, before it is stored.
pub struct Asked {
    pub result: PageResult,
    pub own_links: Option<Vec<String>>,
    pub links: Vec<FoundLink>,
    pub bytes: u64,
    /// Whether the site was asked, so that the next request waits as long as its rules want.
    pub requested: bool,
}

impl Asked {
    pub fn of(result: PageResult) -> Self {
        Self { result, own_links: None, links: Vec::new(), bytes: 0, requested: false }
    }

    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::of(PageResult::Skipped { reason: reason.into(), gone: true })
    }
}
