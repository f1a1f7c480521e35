//! Adds a page of the web by its URL, which is read again on a schedule.

use std::sync::Arc;

use resly_core::{
    boxed,
    id::{OrganizationId, SourceId},
    knowledge::SourceKind,
};
use resly_store::NewDocument;

use super::{LEASE, SourceError, Taken, check, fetch::origin, upload};
use crate::{App, FieldError};

/// The shortest and the longest time between two readings, in seconds.
const REFRESH_S: (u32, u32) = (300, 30 * 24 * 3600);

/// A page to know.
pub struct NewPage {
    pub url: String,
    /// Wins over the page's own title.
    pub title: Option<String>,
    /// Seconds between two readings. It is read once when absent.
    pub refresh_every_s: Option<u32>,
}

/// Checks how often something is read again.
pub fn check_refresh(every: Option<u32>, mistakes: &mut Vec<FieldError>) {
    let (least, most) = REFRESH_S;
    if every.is_some_and(|every| !(least..=most).contains(&every)) {
        mistakes.push(FieldError::new("refresh_every_s", format!("{least} to {most} is expected")));
    }
}

/// Adds a page, or has the one with the same URL read again.
#[boxed]
pub async fn add_page(app: &Arc<App>, organization: OrganizationId, page: NewPage) -> Result<Taken, SourceError> {
    let NewPage { url, title, refresh_every_s } = page;
    let mut mistakes = Vec::new();
    check::url(&url, &mut mistakes);
    if mistakes.is_empty()
        && let Err(error) = app.egress.check_page_url(&url)
    {
        mistakes.push(FieldError::new("url", error.to_string()));
    }
    if let Some(title) = &title {
        check::title(title, &mut mistakes);
    }
    check_refresh(refresh_every_s, &mut mistakes);
    let canonical = check::canonical_url(&url);
    let Some(canonical) = canonical.filter(|_| mistakes.is_empty()) else {
        return Err(SourceError::Invalid(mistakes));
    };
    let now = app.clock.now();
    let new = NewDocument {
        id: SourceId(app.random.uuid(now)),
        organization,
        kind: SourceKind::Page,
        identity: check::url_identity(&canonical),
        title: title.clone().unwrap_or_else(|| canonical.clone()),
        given_title: title,
        site: origin(&canonical),
        url: Some(canonical),
        file: None,
        refresh_every_s,
        lease: None,
        lease_until: now.plus(LEASE),
        now,
    };
    upload::enqueue(app, new).await
}
