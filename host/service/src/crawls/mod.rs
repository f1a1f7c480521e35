//! Crawls: adds a site whose pages are sources, or a connector's list whose items are, and reads it page by page. A host takes
//! a crawl under a lease and makes a few steps; each step is one page and one transaction, so a host that dies loses
//! nothing, and nothing is made twice.

mod asked;
mod begin;
mod check;
mod fetched;
mod links;
mod list;
mod page;
mod run;
mod sitemap;
mod step;

use std::{sync::Arc, time::Duration};

use resly_core::{
    boxed,
    connector::{call::CallError, fault::Fault},
    error::StoreError,
    id::{CrawlId, OrganizationId},
    knowledge::{
        AddSourceError,
        crawl::{Crawl, OmittedPage},
    },
};
use resly_store::AddCrawlError;

pub use self::{
    check::{NewCrawl, NewList},
    run::{crawl_due, crawl_one},
};
use crate::{App, FieldError, places::PlaceLimits};

/// Crawls that a host runs at the same time, besides the files and pages that it reads. Those that wait for a site are many more
/// than those that parse and embed.
pub const PLACES: PlaceLimits = PlaceLimits { in_progress: 16, of_one: 2, at_work: 3 };
/// The lease on a crawl, which each step renews.
const LEASE: Duration = Duration::from_secs(300);
/// Pages that aren't sources which one answer tells.
const OMITTED_TOLD: u32 = 200;

/// Why something can't be done with a crawl.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    #[error("there is no such crawl")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Add(#[from] AddCrawlError),
    /// The mapping could not be checked.
    #[error("{}", .0.for_admin())]
    Unexamined(Fault),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A crawl with the pages that aren't sources.
pub struct CrawlDetails {
    pub crawl: Crawl,
    pub omitted: Vec<OmittedPage>,
}

/// Adds a crawl, or changes the one with the same URL, or of the same list; either runs soon. Returns it, and whether it is new.
#[boxed]
pub async fn add(app: &Arc<App>, organization: OrganizationId, new: NewCrawl) -> Result<(Crawl, bool), CrawlError> {
    let (url, settings) = new.check(app, organization).await?;
    let now = app.clock.now();
    let id = CrawlId(app.random.uuid(now));
    let (id, is_new) = app.store.put_crawl(organization, id, url, settings, now).await?;
    let crawl = app.store.crawl(organization, id).await?.ok_or(CrawlError::Missing)?;
    Ok((crawl, is_new))
}

/// A crawl with its counts, and why pages aren't sources.
#[boxed]
pub async fn find(app: &App, organization: OrganizationId, id: CrawlId) -> Result<CrawlDetails, CrawlError> {
    let crawl = app.store.crawl(organization, id).await?.ok_or(CrawlError::Missing)?;
    let omitted = app.store.omitted_pages(organization, id, OMITTED_TOLD).await?;
    Ok(CrawlDetails { crawl, omitted })
}

/// Has a crawl run soon.
#[boxed]
pub async fn run_now(app: &App, organization: OrganizationId, id: CrawlId) -> Result<Crawl, CrawlError> {
    if !app.store.run_crawl(organization, id, app.clock.now()).await? {
        return Err(CrawlError::Missing);
    }
    app.store.crawl(organization, id).await?.ok_or(CrawlError::Missing)
}

/// Deletes a crawl and the sources of its pages. What is left of them is deleted after the answer.
#[boxed]
pub async fn delete(app: &App, organization: OrganizationId, id: CrawlId) -> Result<(), CrawlError> {
    if !app.store.delete_crawl(organization, id).await? {
        return Err(CrawlError::Missing);
    }
    app.library.forget(organization).await;
    Ok(())
}

/// The store's error in one of a source.
fn store_error(error: AddSourceError) -> StoreError {
    match error {
        AddSourceError::Store(error) => error,
        other => StoreError::Broken { doing: "crawl a page", detail: other.to_string() },
    }
}
