//! One step of a run: asks for a page, a sitemap or a page of a list, or reads an item, and stores what came of it.

use resly_core::knowledge::{AddSourceError, SourceKind};
use resly_store::{CrawlStep, FoundPage, PageKind, PageResult, PageSource, StepError};

use super::{
    LEASE,
    asked::{Asked, Run, Stop},
    fetched::failed,
    list,
    page::{read_item, read_page},
    sitemap::read_sitemap,
    store_error,
};

/// What a step took.
pub struct Step {
    /// Bytes that it fetched.
    pub bytes: u64,
    /// Whether the site was asked.
    pub requested: bool,
}

/// Asks for a page, and stores what came of it.
pub async fn take_step(run: &Run<'_>, found: FoundPage) -> Result<Step, Stop> {
    let Run { app, crawl, .. } = run;
    let asked = match found.kind {
        PageKind::Sitemap => read_sitemap(run, &found).await?,
        PageKind::List => match &crawl.settings.list {
            Some(list) => list::read_list(app, crawl, list, &found).await?,
            None => Asked::skipped("the crawl is one of a site now"),
        },
        PageKind::Page => match &found.content {
            Some(content) => read_item(run, &found, content).await?,
            None => read_page(run, &found).await?,
        },
    };
    store(run, found, asked).await
}

/// Gives a page up whose every step ended with its host.
pub async fn give_up(run: &Run<'_>, found: FoundPage) -> Result<Step, Stop> {
    let reason = "every try to read it ended with its host".to_owned();
    let asked = failed(run, &found, reason);
    store(run, found, asked).await
}

async fn store(run: &Run<'_>, found: FoundPage, asked: Asked) -> Result<Step, Stop> {
    let Run { app, crawl, .. } = run;
    let source = match crawl.settings.list {
        Some(_) => list::source(crawl, &found),
        None => PageSource {
            kind: SourceKind::CrawledPage,
            identity: format!("url:{}", found.url),
            url: Some(found.url.clone()),
        },
    };
    let now = app.clock.now();
    let later = match &asked.result {
        PageResult::Later { until, .. } => Some(*until),
        _ => None,
    };
    let Asked { result, own_links, links, bytes, requested } = asked;
    let (url, kind) = (found.url, found.kind);
    let lease_until = now.plus(LEASE);
    let step = CrawlStep { url, kind, source, result, own_links, links, bytes, now, lease_until };
    let stored = match app.store.step_crawl(crawl, step.clone()).await {
        Err(StepError::Source(AddSourceError::Exists)) => {
            let reason = "another source has this URL".to_owned();
            let result = PageResult::Skipped { reason, gone: false };
            app.store.step_crawl(crawl, CrawlStep { result, ..step }).await
        }
        stored => stored,
    };
    let step = Step { bytes, requested };
    match stored {
        Ok(()) => {
            // The page says that it is ready, so it has to be found. The index is brought up to date when the crawl is given
            // back, or by the first search before.
            app.library.forget(crawl.organization).await;
            later.map_or(Ok(step), |at| Err(Stop::Later(at)))
        }
        Err(StepError::Lost) => Err(Stop::Lost),
        // The source was changed or deleted meanwhile; the page is asked for again.
        Err(StepError::Source(AddSourceError::Changed)) => Ok(step),
        // The page is asked for again in the next minute.
        Err(StepError::Source(AddSourceError::Limit(limit))) if limit.passes_soon() => {
            Err(Stop::Later(limit.resets_at))
        }
        Err(StepError::Source(AddSourceError::Limit(limit))) => {
            Err(Stop::Over { reason: limit.to_string(), at: Some(limit.resets_at) })
        }
        Err(StepError::Source(error)) => Err(Stop::Store(store_error(error))),
    }
}
