//! What a step of a crawl found, or why the crawl makes none now.

use resly_core::{error::StoreError, time::Timestamp};
use resly_store::{FoundLink, PageResult};

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

/// What a step found, before it is stored.
pub struct Asked {
    pub result: PageResult,
    pub own_links: Option<Vec<String>>,
    pub links: Vec<FoundLink>,
    pub bytes: u64,
    pub fuel: u64,
}

impl Asked {
    pub fn of(result: PageResult) -> Self {
        Self { result, own_links: None, links: Vec::new(), bytes: 0, fuel: 0 }
    }

    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::of(PageResult::Skipped { reason: reason.into(), gone: true })
    }
}
