//! Fetches a page for the knowledge: within bounds, and when it is the organization's turn at the site.

use resly_core::id::OrganizationId;
use resly_egress::{PageAnswer, PageError, PageRequest};
use resly_store::PageVersion;
use url::Url;

use crate::App;

/// The most bytes of a page.
pub const PAGE_MOST: usize = 16 << 20;

/// The origin of a URL, as text (RFC 6454).
pub fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}

/// Fetches a page, when it is the organization's turn at its site.
pub async fn fetch(
    app: &App,
    organization: OrganizationId,
    url: &str,
    version: &PageVersion,
    same_origin: bool,
) -> Result<PageAnswer, PageError> {
    let _turn = app.sites.wait_turn(organization, &origin(url).unwrap_or_default()).await;
    let (etag, last_modified) = (version.etag.as_deref(), version.last_modified.as_deref());
    app.egress.fetch_page(PageRequest { url, etag, last_modified, most_bytes: PAGE_MOST, same_origin }).await
}
