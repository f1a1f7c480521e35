//! Crawls: adds a site whose pages are sources, and reads it page by page. A host takes a crawl under a lease and makes a few
//! steps; each step is one page and one transaction, so a host that dies loses nothing, and nothing is made twice.

mod links;
mod page;
mod run;

use std::{sync::Arc, time::Duration};

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, OrganizationId},
    knowledge::{
        AddSourceError,
        crawl::{Crawl, CrawlSettings, OmittedPage},
    },
};
use resly_store::AddCrawlError;

pub use self::run::{crawl_due, crawl_one};
use crate::{
    App, FieldError,
    sources::{canonical_url, check_refresh, check_url, origin},
};

/// Crawls that a host runs at the same time, besides the sources that it reads.
pub const CRAWLS_AT_ONCE: usize = 2;
/// The lease on a crawl, which each step renews.
const LEASE: Duration = Duration::from_secs(300);
/// Defaults and bounds of a crawl.
const DEPTH: (u32, u32) = (3, 10);
const PAGES: (u32, u32) = (500, 10_000);
const BYTES: (u64, u64) = (256 << 20, 4 << 30);
const PREFIXES: usize = 50;
const LONGEST_PREFIX: usize = 500;
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
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A site to crawl.
pub struct NewCrawl {
    pub url: String,
    pub depth: Option<u32>,
    pub most_pages: Option<u32>,
    pub most_bytes: Option<u64>,
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub sitemap: Option<String>,
    pub refresh_every_s: Option<u32>,
}

impl NewCrawl {
    /// The start, and the settings with their defaults. Every mistake is told at once.
    fn check(self, app: &App) -> Result<(String, CrawlSettings), CrawlError> {
        let mut mistakes = Vec::new();
        check_url(&self.url, &mut mistakes);
        if mistakes.is_empty()
            && let Err(error) = app.egress.check_page_url(&self.url)
        {
            mistakes.push(FieldError::new("url", error.to_string()));
        }
        let mut bounded = |name: &str, given: Option<u64>, (usual, least, most): (u64, u64, u64)| {
            let value = given.unwrap_or(usual);
            if !(least..=most).contains(&value) {
                mistakes.push(FieldError::new(name, format!("{least} to {most} is expected")));
            }
            value
        };
        let depth = bounded("depth", self.depth.map(u64::from), (DEPTH.0.into(), 0, DEPTH.1.into()));
        let pages = bounded("most_pages", self.most_pages.map(u64::from), (PAGES.0.into(), 1, PAGES.1.into()));
        let most_bytes = bounded("most_bytes", self.most_bytes, (BYTES.0, 1, BYTES.1));
        for (name, prefixes) in [("include", &self.include), ("exclude", &self.exclude)] {
            if prefixes.len() > PREFIXES {
                mistakes.push(FieldError::new(name, format!("at most {PREFIXES}")));
            }
            for (at, prefix) in prefixes.iter().enumerate() {
                if !prefix.starts_with('/') || prefix.len() > LONGEST_PREFIX {
                    let expected = format!(
                        "the beginning of a path is expected, such as `/help/`, of at most {LONGEST_PREFIX} bytes"
                    );
                    mistakes.push(FieldError::new(format!("{name}[{at}]"), expected));
                }
            }
        }
        if let Some(sitemap) = &self.sitemap
            && (origin(sitemap).is_none() || origin(sitemap) != origin(&self.url))
        {
            mistakes.push(FieldError::new("sitemap", "a URL of the same site is expected"));
        }
        check_refresh(self.refresh_every_s, &mut mistakes);
        let url = canonical_url(&self.url).filter(|_| mistakes.is_empty()).ok_or(CrawlError::Invalid(mistakes))?;
        let settings = CrawlSettings {
            depth: u32::try_from(depth).unwrap_or(DEPTH.1),
            most_pages: u32::try_from(pages).unwrap_or(PAGES.1),
            most_bytes,
            include: self.include,
            exclude: self.exclude,
            sitemap: self.sitemap,
            refresh_every_s: self.refresh_every_s,
        };
        Ok((url, settings))
    }
}

/// A crawl with the pages that aren't sources.
pub struct CrawlDetails {
    pub crawl: Crawl,
    pub omitted: Vec<OmittedPage>,
}

/// Adds a crawl, or changes the one with the same URL; either runs soon. Returns it, and whether it is new.
#[boxed]
pub async fn add(app: &Arc<App>, organization: OrganizationId, new: NewCrawl) -> Result<(Crawl, bool), CrawlError> {
    let (url, settings) = new.check(app)?;
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

/// Deletes a crawl and the sources of its pages.
#[boxed]
pub async fn delete(app: &App, organization: OrganizationId, id: CrawlId) -> Result<(), CrawlError> {
    if !app.store.delete_crawl(organization, id).await? {
        return Err(CrawlError::Missing);
    }
    app.library.changed(organization).await;
    Ok(())
}

/// The store's error in one of a source.
fn store_error(error: AddSourceError) -> StoreError {
    match error {
        AddSourceError::Store(error) => error,
        other => StoreError::Broken { doing: "crawl a page", detail: other.to_string() },
    }
}
