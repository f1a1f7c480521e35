//! Fetches a page, a sitemap or the rules of a crawl's site, and tells what it means that there is nothing to read.

use std::time::Duration;

use resly_egress::{PageAnswer, PageError};
use resly_store::{DueCrawl, FoundPage, PageKind, PageResult, PageVersion};

use super::{
    LEASE,
    asked::{Asked, Run},
    links::page,
};
use crate::{App, sources::fetch};

/// How often a page is asked for in one run.
const TRIES: u32 = 3;
/// Before a page is asked for that has failed again.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest that a site can have a crawl wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How often the lease is renewed while other organizations ask the site.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// Fetches when it is the organization's turn at the site, and holds the crawl's lease meanwhile.
pub async fn fetch_leased(
    app: &App,
    crawl: &DueCrawl,
    url: &str,
    version: &PageVersion,
    same_origin: bool,
) -> Result<PageAnswer, PageError> {
    let fetching = fetch(app, crawl.organization, url, version, same_origin);
    tokio::pin!(fetching);
    loop {
        tokio::select! {
            fetched = &mut fetching => return fetched,
            () = tokio::time::sleep(RENEW_EVERY) => {
                // Without its lease the step isn't stored.
                if let Err(error) = app.store.renew_crawl(crawl, app.clock.now().plus(LEASE)).await {
                    tracing::warn!(crawl = %crawl.id, %error, "the lease on a crawl could not be renewed");
                }
            }
        }
    }
}

/// A page that can't be asked for. The run goes on with the links that it had, so that it learns what became of them.
pub fn failed(run: &Run<'_>, found: &FoundPage, reason: String) -> Asked {
    let links = run.scope.follow(&found.links, found.depth + 1);
    Asked { links, ..Asked::of(PageResult::Failed { reason }) }
}

/// A page that may answer later in this run: after every other page, and not before the site wants it.
pub fn later(run: &Run<'_>, found: &FoundPage, reason: String, wait: Option<Duration>) -> Asked {
    let tries = found.tries.saturating_add(1);
    if tries >= TRIES {
        return failed(run, found, format!("{reason}; it was asked for {tries} times"));
    }
    let usual = if found.tries == 0 { Duration::ZERO } else { PAUSE };
    let until = run.app.clock.now().plus(wait.unwrap_or(usual).min(LONGEST_WAIT));
    Asked::of(PageResult::Later { until, reason })
}

/// Fetches within the crawl's site. The other result is why there is nothing to read.
pub async fn fetch_found(run: &Run<'_>, found: &FoundPage, version: &PageVersion) -> Result<PageAnswer, Asked> {
    answered(run, found, version).await.map_err(|asked| Asked { requested: true, ..asked })
}

async fn answered(run: &Run<'_>, found: &FoundPage, version: &PageVersion) -> Result<PageAnswer, Asked> {
    let fetched = fetch_leased(run.app, run.crawl, &found.url, version, true).await;
    let answer = match fetched {
        Ok(answer) => answer,
        Err(error @ (PageError::TooLarge(_) | PageError::Elsewhere(_) | PageError::Redirects)) => {
            // What a sitemap names isn't known then.
            return Err(match found.kind {
                PageKind::Sitemap => failed(run, found, error.to_string()),
                _ => Asked::skipped(error.to_string()),
            });
        }
        Err(error) if error.is_transient() => return Err(later(run, found, error.to_string(), None)),
        Err(error) => return Err(failed(run, found, error.to_string())),
    };
    match answer.status {
        200 | 304 => {}
        status @ (404 | 410) => return Err(Asked::skipped(format!("the server answered {status}"))),
        status @ (429 | 500..) => {
            let wait = answer.retry_after_s.map(Duration::from_secs);
            return Err(later(run, found, format!("the server answered {status}"), wait));
        }
        status => return Err(failed(run, found, format!("the server answered {status}"))),
    }
    if found.kind == PageKind::Page && answer.url.as_str() != found.url {
        let mut moved = Asked::skipped(format!("it leads to {}", answer.url));
        moved.links.extend(run.scope.included(answer.url.as_str()).map(|to| page(&to, found.depth)));
        moved.bytes = answer.body.len() as u64;
        return Err(moved);
    }
    Ok(answer)
}
