//! Runs crawls: a site's rules first, then its sitemaps and pages, or a list's pages and items, one after the other.

use std::{sync::Arc, time::Duration};

use resly_core::{
    alert::wait_after,
    boxed,
    error::StoreError,
    id::LeaseId,
    knowledge::{
        crawl::CrawlRules,
        document::{ExtractErrorKind, Robots},
    },
    time::Timestamp,
};
use resly_egress::{CRAWLER, PageError};
use resly_store::{CrawlBegin, DueCrawl, PageVersion, StepError};
use tokio::task::JoinSet;
use url::Url;

use super::{
    LEASE,
    asked::Stop,
    links::{page, sitemap, within},
    list::first_page,
    page::take_step,
    store_error,
};
use crate::{App, sources::fetch};

/// Pages that a host reads before it gives a crawl back, so that others have their turn.
const STEPS: u32 = 20;
/// How often the rules of a site are asked for before a run fails.
const TRIES: u32 = 5;

/// Makes some steps of the crawls that are due, a few crawls at a time. Organizations take turns. Returns how many crawls
/// were taken.
#[boxed]
pub async fn crawl_due(app: &Arc<App>) -> Result<usize, StoreError> {
    let (mut running, mut taken) = (JoinSet::new(), 0);
    loop {
        while running.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&app.crawl_runs).acquire_owned().await else { return Ok(taken) };
        let Some(crawl) = take(app).await? else {
            drop(permit);
            if running.join_next().await.is_none() {
                return Ok(taken);
            }
            continue;
        };
        taken += 1;
        let app = Arc::clone(app);
        running.spawn(async move {
            go_on(&app, crawl).await;
            drop(permit);
        });
    }
}

/// Makes some steps of one crawl that is due. False when none is.
#[boxed]
pub async fn crawl_one(app: &Arc<App>) -> Result<bool, StoreError> {
    let Some(crawl) = take(app).await? else { return Ok(false) };
    go_on(app, crawl).await;
    Ok(true)
}

async fn take(app: &App) -> Result<Option<DueCrawl>, StoreError> {
    let now = app.clock.now();
    app.store.take_due_crawl(LeaseId(app.random.uuid(now)), now, now.plus(LEASE)).await
}

/// How a crawl is given back.
enum Pause {
    /// It goes on at once, or when the site wants to be asked again.
    At(Timestamp),
    /// It is tried again.
    Retry { reason: String, at: Timestamp },
    /// The run is over without its end.
    Over { reason: String, next_at: Option<Timestamp> },
    /// The run has ended, or another host has the crawl.
    Ended,
}

async fn go_on(app: &Arc<App>, mut crawl: DueCrawl) {
    let organization = crawl.organization;
    let stored = match steps(app, &mut crawl).await {
        Ok(Pause::Ended) => Ok(()),
        Ok(pause) => {
            let (failure, is_over, due_at) = match pause {
                Pause::At(at) => (None, false, Some(at)),
                Pause::Retry { reason, at } => (Some(reason), false, Some(at)),
                Pause::Over { reason, next_at } => (Some(reason), true, next_at),
                Pause::Ended => (None, false, None),
            };
            app.store.release_crawl(&crawl, failure, is_over, due_at, app.clock.now()).await
        }
        Err(error) => Err(error),
    };
    // One update of the index for all pages of these steps.
    app.library.changed(organization).await;
    if let Err(error) = stored {
        tracing::warn!(%organization, crawl = %crawl.id, %error, "a crawl could not go on; it is taken again later");
    }
}

async fn steps(app: &Arc<App>, crawl: &mut DueCrawl) -> Result<Pause, StoreError> {
    if crawl.rules.is_none() {
        match begin(app, crawl).await? {
            Ok(rules) => crawl.rules = Some(rules),
            Err(pause) => return Ok(pause),
        }
    }
    let rules = crawl.rules.clone().unwrap_or_default();
    for _ in 0..STEPS {
        let now = app.clock.now();
        let Some(found) = app.store.next_crawl_page(crawl).await? else {
            let next_at = next_run(crawl, now);
            return match app.store.end_crawl(crawl, next_at, now).await {
                Ok(_) | Err(StepError::Lost) => Ok(Pause::Ended),
                Err(StepError::Source(error)) => Err(store_error(error)),
            };
        };
        if crawl.bytes >= crawl.settings.most_bytes && found.content.is_none() {
            app.store.fail_crawl_rest(crawl, "the run had fetched as many bytes as it may").await?;
            continue;
        }
        match take_step(app, crawl, &rules, found).await {
            Ok(bytes) => crawl.bytes = crawl.bytes.saturating_add(bytes),
            Err(Stop::Later(at)) => return Ok(Pause::At(at)),
            Err(Stop::Lost) => return Ok(Pause::Ended),
            Err(Stop::Over { reason, at }) => {
                let next_at = next_run(crawl, now).map(|next| next.max(at.unwrap_or(next)));
                return Ok(Pause::Over { reason, next_at });
            }
            Err(Stop::Retry(reason)) => return Ok(again(app, crawl, reason)),
            Err(Stop::Store(error)) => return Err(error),
        }
        if rules.delay_s > 0 {
            return Ok(Pause::At(app.clock.now().plus(Duration::from_secs(rules.delay_s.into()))));
        }
    }
    Ok(Pause::At(app.clock.now()))
}

fn next_run(crawl: &DueCrawl, now: Timestamp) -> Option<Timestamp> {
    Some(now.plus(Duration::from_secs(crawl.settings.refresh_every_s?.into())))
}

/// Begins the run of a list, or of a site with its rules.
async fn begin(app: &Arc<App>, crawl: &DueCrawl) -> Result<Result<CrawlRules, Pause>, StoreError> {
    let begin = match &crawl.settings.list {
        Some(_) => Ok(CrawlBegin { rules: CrawlRules::default(), links: vec![first_page()], fuel: 0 }),
        None => read_rules(app, crawl).await,
    };
    let with = match begin {
        Ok(with) => with,
        Err(pause) => return Ok(Err(pause)),
    };
    let (now, rules) = (app.clock.now(), with.rules.clone());
    match app.store.begin_crawl(crawl, with, now.plus(LEASE), now).await {
        Ok(()) => Ok(Ok(rules)),
        Err(StepError::Lost) => Ok(Err(Pause::Ended)),
        Err(StepError::Source(error)) => Err(store_error(error)),
    }
}

/// Reads the site's rules (RFC 9309, section 2.3.1): without rules everything is allowed, and while they can't be read
/// nothing is.
async fn read_rules(app: &Arc<App>, crawl: &DueCrawl) -> Result<CrawlBegin, Pause> {
    let Ok(start) = Url::parse(&crawl.url) else {
        return Err(Pause::Over { reason: "the URL can't be read".to_owned(), next_at: None });
    };
    let Ok(rules_at) = start.join("/robots.txt") else {
        return Err(Pause::Over { reason: "the URL has no site".to_owned(), next_at: None });
    };
    let fetched = fetch(&app.egress, &app.origins, rules_at.as_str(), &PageVersion::default(), false).await;
    let (robots, fuel) = match fetched {
        Ok(answer) if answer.status == 200 => {
            let reading = app.extractor.robots(crawl.organization, answer.body, CRAWLER).await;
            match reading.result {
                Ok(robots) => (robots, reading.fuel),
                Err(error) if error.kind == ExtractErrorKind::Busy => return Err(again(app, crawl, error.message)),
                // What can't be read has no rules.
                Err(_) => (Robots::default(), reading.fuel),
            }
        }
        Ok(answer) if (300..429).contains(&answer.status) || (430..500).contains(&answer.status) => {
            (Robots::default(), 0)
        }
        Ok(answer) => return Err(again(app, crawl, format!("robots.txt: the server answered {}", answer.status))),
        Err(PageError::TooLarge(_) | PageError::Redirects) => (Robots::default(), 0),
        Err(error) if error.is_transient() => return Err(again(app, crawl, format!("robots.txt: {error}"))),
        Err(error) => {
            let next_at = next_run(crawl, app.clock.now());
            return Err(Pause::Over { reason: format!("robots.txt: {error}"), next_at });
        }
    };
    let named: Vec<String> = robots.sitemaps.iter().cloned().chain(crawl.settings.sitemap.clone()).collect();
    let rules = CrawlRules::from(robots);
    let mut links = vec![page(&rules, &start, 0)];
    links.extend(named.iter().filter_map(|url| within(crawl, url)).map(|url| sitemap(&url)));
    Ok(CrawlBegin { rules, links, fuel })
}

/// A crawl that is tried again, a bounded number of times.
fn again(app: &App, crawl: &DueCrawl, reason: String) -> Pause {
    let now = app.clock.now();
    let tries = crawl.tries.saturating_add(1);
    let mut chance = [0];
    app.random.fill(&mut chance);
    match wait_after(tries, chance[0]).filter(|_| tries < TRIES) {
        Some(wait) => Pause::Retry { reason, at: now.plus(wait) },
        None => Pause::Over { reason: format!("{reason}; it was tried {tries} times"), next_at: next_run(crawl, now) },
    }
}
