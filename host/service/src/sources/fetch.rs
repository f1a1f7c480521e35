//! Fetches a page for the knowledge: within bounds, and one request at a time to each origin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use resly_egress::{Egress, PageAnswer, PageError, PageRequest};
use resly_store::PageVersion;
use url::Url;

/// The most bytes of a page.
pub const PAGE_MOST: usize = 16 << 20;
/// Locks of origins beyond which those that nobody holds are forgotten.
const REMEMBERED: usize = 1000;

/// One lock for each origin that is being asked.
#[derive(Default)]
pub struct OriginLocks(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl OriginLocks {
    fn of(&self, origin: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(origin).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= REMEMBERED {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(origin.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// The origin of a URL, as text (RFC 6454).
pub fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}

/// Fetches a page, after the requests to the same origin before it.
pub async fn fetch(
    egress: &Egress,
    locks: &OriginLocks,
    url: &str,
    version: &PageVersion,
    same_origin: bool,
) -> Result<PageAnswer, PageError> {
    let lock = locks.of(&origin(url).unwrap_or_default());
    let _turn = lock.lock().await;
    let (etag, last_modified) = (version.etag.as_deref(), version.last_modified.as_deref());
    egress.fetch_page(PageRequest { url, etag, last_modified, most_bytes: PAGE_MOST, same_origin }).await
}
