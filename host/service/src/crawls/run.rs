//! Runs crawls: a site's rules first, then its sitemaps and pages, or a list's pages and items, one after the other.

use std::{sync::Arc, time::Duration};

use resly_core::{alert::wait_after, boxed, error::StoreError, id::LeaseId, time::Timestamp};
use resly_store::{DueCrawl, Exclusions, StepError};

use super::{
    LEASE,
    asked::{Run, Stop},
    begin::begin_run,
    links::Scope,
    step::{give_up, take_step},
    store_error,
};
use crate::App;

/// Pages that a host reads before it gives a crawl back, so that others have their turn.
const STEPS: u32 = 20;
/// The time after which a host gives a crawl back, however few pages it has read.
const TURN: Duration = Duration::from_secs(10);
/// How often the rules of a site are asked for before a run fails.
const TRIES: u32 = 5;
/// Hosts that may die at a page before it is given up.
const DEATHS: u32 = 5;

/// Makes some steps of the crawls that are due, a few crawls at a time. Organizations take turns. Returns how many crawls
/// were taken.
#[boxed]
pub async fn crawl_due(app: &Arc<App>) -> Result<usize, StoreError> {
    let run = |crawl| {
        let app = Arc::clone(app);
        async move { go_on(&app, crawl).await }
    };
    app.crawl_places.work_off(|excluded| take(app, excluded), run).await
}

/// Makes some steps of one crawl that is due. False when none is.
#[boxed]
pub async fn crawl_one(app: &Arc<App>) -> Result<bool, StoreError> {
    let Some(crawl) = take(app, Exclusions::default()).await? else { return Ok(false) };
    go_on(app, crawl).await;
    Ok(true)
}

async fn take(app: &App, excluded: Exclusions) -> Result<Option<DueCrawl>, StoreError> {
    let now = app.clock.now();
    app.store.take_due_crawl(LeaseId(app.random.uuid(now)), excluded, now, now.plus(LEASE)).await
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
    let mut deaths = crawl.deaths;
    let rules = match crawl.rules.take() {
        Some(rules) => rules,
        None if deaths >= DEATHS => {
            let reason = "every try to read the site's robots.txt ended with its host".to_owned();
            return pause(app, crawl, Stop::Over { reason, at: None });
        }
        None => match begin_run(app, crawl).await {
            Ok(rules) => rules,
            Err(stop) => return pause(app, crawl, stop),
        },
    };
    let scope = Arc::new(Scope::of(crawl));
    let started = app.clock.now();
    for _ in 0..STEPS {
        let now = app.clock.now();
        if now.since(started) >= TURN {
            break;
        }
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
        let run = Run { app, crawl, rules: &rules, scope: Arc::clone(&scope) };
        let step = if std::mem::take(&mut deaths) < DEATHS {
            take_step(&run, found).await
        } else {
            give_up(&run, found).await
        };
        let step = match step {
            Ok(step) => step,
            Err(stop) => return pause(app, crawl, stop),
        };
        crawl.bytes = crawl.bytes.saturating_add(step.bytes);
        if rules.delay_s > 0 && step.requested {
            return Ok(Pause::At(app.clock.now().plus(Duration::from_secs(rules.delay_s.into()))));
        }
    }
    Ok(Pause::At(app.clock.now()))
}

fn next_run(crawl: &DueCrawl, now: Timestamp) -> Option<Timestamp> {
    Some(now.plus(Duration::from_secs(crawl.settings.refresh_every_s?.into())))
}

/// What it means for the crawl that a step stopped it.
fn pause(app: &App, crawl: &DueCrawl, stop: Stop) -> Result<Pause, StoreError> {
    Ok(match stop {
        Stop::Later(at) => Pause::At(at),
        Stop::Lost => Pause::Ended,
        Stop::Over { reason, at } => {
            let next_at = next_run(crawl, app.clock.now()).map(|next| next.max(at.unwrap_or(next)));
            Pause::Over { reason, next_at }
        }
        Stop::Retry(reason) => again(app, crawl, reason),
        Stop::Store(error) => return Err(error),
    })
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
