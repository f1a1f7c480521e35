//! Begins a run: a list's with its first page, a site's with its rules for crawlers and the sitemaps that they name.

use std::sync::Arc;

use resly_core::{
    id::SourceId,
    knowledge::{crawl::CrawlRules, document::Robots},
};
use resly_egress::PageError;
use resly_store::{CrawlBegin, DueCrawl, PageVersion, SITEMAPS_MOST, StepError};
use url::Url;

use super::{
    LEASE,
    asked::{Stop, unread},
    fetched::fetch_leased,
    links::{Scope, page, sitemap},
    list::first_page,
    store_error,
};
use crate::{App, readings::Reader};

/// Begins the run. Returns the rules that hold for it.
pub async fn begin_run(app: &Arc<App>, crawl: &DueCrawl) -> Result<CrawlRules, Stop> {
    let with = match &crawl.settings.list {
        Some(_) => CrawlBegin { rules: CrawlRules::default(), links: vec![first_page()] },
        None => site(app, crawl).await?,
    };
    let (now, rules) = (app.clock.now(), with.rules.clone());
    match app.store.begin_crawl(crawl, with, now.plus(LEASE), now).await {
        Ok(()) => Ok(rules),
        Err(StepError::Lost) => Err(Stop::Lost),
        Err(StepError::Source(error)) => Err(Stop::Store(store_error(error))),
    }
}

async fn site(app: &Arc<App>, crawl: &DueCrawl) -> Result<CrawlBegin, Stop> {
    let over = |reason: &str| Stop::Over { reason: reason.to_owned(), at: None };
    let start = Url::parse(&crawl.url).map_err(|_| over("the URL can't be read"))?;
    let rules_at = start.join("/robots.txt").map_err(|_| over("the URL has no site"))?;
    let robots = robots(app, crawl, &rules_at).await?;
    let scope = Scope::of(crawl);
    let named = crawl.settings.sitemap.iter().chain(&robots.sitemaps).filter_map(|url| scope.within(url));
    let links = std::iter::once(page(&start, 0)).chain(named.map(|url| sitemap(&url)).take(SITEMAPS_MOST)).collect();
    Ok(CrawlBegin { rules: CrawlRules::from(robots), links })
}

/// Reads the site's rules (RFC 9309, section 2.3.1): without rules everything is allowed, and while they can't be read
/// nothing is.
async fn robots(app: &Arc<App>, crawl: &DueCrawl, url: &Url) -> Result<Robots, Stop> {
    let later = |reason: String| Stop::Retry(format!("robots.txt: {reason}"));
    let answer = match fetch_leased(app, crawl, url.as_str(), &PageVersion::default(), false).await {
        Ok(answer) => answer,
        Err(PageError::TooLarge(_) | PageError::Redirects) => return Ok(Robots::default()),
        Err(error) if error.is_transient() => return Err(later(error.to_string())),
        Err(error) => return Err(Stop::Over { reason: format!("robots.txt: {error}"), at: None }),
    };
    match answer.status {
        200 => {}
        status @ (429 | ..300 | 500..) => return Err(later(format!("the server answered {status}"))),
        _ => return Ok(Robots::default()),
    }
    let _work = app.crawl_places.work().await;
    let reader = Reader { organization: crawl.organization, subject: SourceId(crawl.id.0) };
    match reader.robots(app, answer.body).await {
        Ok(robots) => Ok(robots),
        // What can't be read has no rules.
        Err(error) => unread(error).map(|_| Robots::default()),
    }
}
