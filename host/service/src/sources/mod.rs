//! What an organization knows: adds, replaces, reads, finds and deletes its sources.

mod add;
mod check;
mod delete;
mod details;
pub(crate) mod fetch;
mod page;
mod read;
mod refresh;
mod replace;
mod upload;

use std::time::Duration;

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, OrganizationId, SourceId},
    knowledge::{Source, SourceStatus},
};
use resly_search::AddError;
pub use resly_search::{ExplainedPassage, Explanation, Form, WordMatch};
use resly_store::{Cursor, EnqueueError, SourceQuery, StoredSource, WaitingLimits};

pub use self::{
    add::{ChunkedSource, NewSource, add, add_all},
    delete::delete_hidden,
    details::{CITING_READ, PASSAGES_SHOWN, SourceDetails, details, explain},
    page::{NewPage, add_page},
    read::{read_files, read_pages},
    refresh::refresh_passages,
    replace::{Put, put, replace, replace_all},
    upload::{FILE_MOST, NewFile, upload},
};
pub(crate) use self::{
    check::{canonical_url, clean_title, shown_url, url as check_url},
    fetch::{fetch, origin},
    page::check_refresh,
};
use crate::{App, FieldError, places::PlaceLimits};

/// How much may wait to be read for each organization.
pub const WAITING: WaitingLimits = WaitingLimits { sources: 1000, bytes: 256 << 20 };
/// Files that a host reads at the same time.
pub const FILE_PLACES: PlaceLimits = PlaceLimits { in_progress: 12, of_one: 3, at_work: 4 };
/// Pages that a host reads at the same time. Those that wait for a server are many more than those that are parsed and
/// embedded.
pub const PAGE_PLACES: PlaceLimits = PlaceLimits { in_progress: 24, of_one: 3, at_work: 4 };
/// The lease on a source that is read.
const LEASE: Duration = Duration::from_secs(60);
/// From the first try to read a source to the last.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Why something can't be done with a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("there is no such source")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(
        "as much of this organization waits to be read as may: {} sources or {} MiB; try again when some are read",
        WAITING.sources,
        WAITING.bytes >> 20
    )]
    Full,
    #[error(transparent)]
    Add(#[from] AddError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EnqueueError> for SourceError {
    fn from(error: EnqueueError) -> Self {
        match error {
            EnqueueError::Full => Self::Full,
            EnqueueError::Store(error) => Self::Store(error),
        }
    }
}

/// What became of a document that was sent.
#[derive(Debug)]
pub struct Taken {
    pub source: Source,
    /// Whether there was no source of this URL or key before.
    pub is_new: bool,
}

/// A source with its text.
#[boxed]
pub async fn find(app: &App, organization: OrganizationId, id: SourceId) -> Result<StoredSource, SourceError> {
    app.store.find_source(organization, id).await?.ok_or(SourceError::Missing)
}

/// Which sources are listed.
pub struct ListedSources {
    pub status: Option<SourceStatus>,
    pub crawl: Option<CrawlId>,
    /// The beginning of the sender's own key.
    pub key_prefix: Option<String>,
    pub before: Option<Cursor>,
    pub limit: u32,
}

/// A page of the sources, newest first.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId, listed: ListedSources) -> Result<Vec<Source>, SourceError> {
    let ListedSources { status, crawl, key_prefix, before, limit } = listed;
    let identity_prefix = key_prefix.as_deref().map(check::key_identity);
    Ok(app.store.sources(organization, SourceQuery { status, crawl, identity_prefix, before, limit }).await?)
}

/// The sender's own key in a source's identity.
pub fn key_of(identity: Option<&str>) -> Option<&str> {
    identity?.strip_prefix(check::KEY)
}
