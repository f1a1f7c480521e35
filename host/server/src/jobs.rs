//! The jobs that a host runs by itself while it serves. This file has only their periods: a job calls the store or a
//! part of [`App`], any number of hosts may do that at once, and tests make the same calls themselves.

use std::{sync::Arc, time::Duration};

use resly_service::{App, checks, crawls, sources, upload};
use tokio::{task::JoinSet, time::MissedTickBehavior};

const RECOVER_EVERY: Duration = Duration::from_secs(60);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
/// How late a check or a webhook's message may be.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How late a source is read that waits, and a crawl goes on.
const READ_EVERY: Duration = Duration::from_secs(2);
/// How late an answer is cancelled when another host was asked to cancel it.
const CANCEL_EVERY: Duration = Duration::from_secs(1);

/// Starts the jobs. They end when the set is dropped.
pub fn start(app: &Arc<App>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    if app.jobs {
        for job in Job::all(app.store.is_shared()) {
            jobs.spawn(job.repeat(Arc::clone(app)));
        }
    }
    jobs
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Recover,
    Expire,
    Check,
    Deliver,
    Read,
    Crawl,
    Cancel,
}

impl Job {
    /// The jobs of a host, which shares its database with other hosts or has it for itself.
    fn all(shared: bool) -> Vec<Self> {
        let mut jobs = vec![Self::Recover, Self::Expire, Self::Check, Self::Deliver, Self::Read, Self::Crawl];
        // Without other hosts, the host that is asked to cancel an answer is the one that writes it.
        if shared {
            jobs.push(Self::Cancel);
        }
        jobs
    }

    fn period(self) -> Duration {
        match self {
            Self::Recover => RECOVER_EVERY,
            Self::Expire => EXPIRE_EVERY,
            Self::Check | Self::Deliver => LOOK_EVERY,
            Self::Read | Self::Crawl => READ_EVERY,
            Self::Cancel => CANCEL_EVERY,
        }
    }

    /// Runs the job at once, and again each time that its period has passed.
    async fn repeat(self, app: Arc<App>) {
        let mut ticks = tokio::time::interval(self.period());
        // A job that took longer than its period isn't made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self {
                Self::Recover => recover(&app).await,
                Self::Expire => expire(&app).await,
                Self::Check => check(&app).await,
                Self::Deliver => deliver(&app).await,
                Self::Read => read(&app).await,
                Self::Crawl => crawl(&app).await,
                Self::Cancel => cancel(&app).await,
            }
        }
    }
}

/// Settles turns and calls of hosts that have died, and takes over their compilations.
async fn recover(app: &Arc<App>) {
    app.keyring.flush().await;
    match app.store.recover(app.clock.now()).await {
        Ok(recovered) => {
            tracing::debug!(turns = recovered.turns, calls = recovered.calls, "recovered what was left behind")
        }
        Err(error) => tracing::error!(%error, "what dead hosts left behind could not be recovered"),
    }
    if let Err(error) = app.store.spread_plans(app.clock.now()).await {
        tracing::error!(%error, "the new terms of a plan could not be given to its organizations");
    }
    if let Err(error) = app.store.forget_rates(app.clock.now()).await {
        tracing::error!(%error, "request windows that are over could not be forgotten");
    }
    if let Err(error) = upload::resume(app).await {
        tracing::error!(%error, "what dead hosts were compiling could not be taken up");
    }
}

/// Deletes expired rows, and raises alerts about credentials that end.
async fn expire(app: &Arc<App>) {
    match app.store.expire_logs(app.clock.now()).await {
        Ok(0) => {}
        Ok(deleted) => tracing::info!(deleted, "deleted old connector calls and approvals"),
        Err(error) => tracing::error!(%error, "old connector calls and approvals could not be deleted"),
    }
    if let Err(error) = app.store.expire_deliveries(app.clock.now()).await {
        tracing::error!(%error, "old webhook deliveries could not be forgotten");
    }
    match app.store.forget_unfinished_uploads(app.clock.now()).await {
        Ok(0) => {}
        Ok(uploads) => tracing::info!(uploads, "deleted what uploads left that were cut off"),
        Err(error) => tracing::error!(%error, "what uploads left that were cut off could not be deleted"),
    }
    match app.store.forget_unfinished_sources(app.clock.now()).await {
        Ok(0) => {}
        Ok(sources) => tracing::info!(sources, "deleted sources that dead hosts were adding"),
        Err(error) => tracing::error!(%error, "sources that dead hosts were adding could not be deleted"),
    }
    if let Err(error) = app.store.warn_of_expiry(app.clock.now()).await {
        tracing::error!(%error, "credentials that end could not be looked for");
    }
}

/// Checks whether connections work.
async fn check(app: &Arc<App>) {
    if let Err(error) = checks::run_due(app).await {
        tracing::error!(%error, "connections could not be checked");
    }
}

/// Cancels the answers that other hosts were asked to cancel.
async fn cancel(app: &Arc<App>) {
    if let Err(error) = app.turns.cancel_requested().await {
        tracing::warn!(%error, "answers to cancel could not be looked for");
    }
}

/// Delivers the messages of webhooks.
async fn deliver(app: &Arc<App>) {
    if let Err(error) = app.hooks.deliver_due().await {
        tracing::error!(%error, "webhooks could not be told");
    }
}

/// Reads the sources that wait.
async fn read(app: &Arc<App>) {
    if let Err(error) = sources::read_due(app).await {
        tracing::error!(%error, "sources that wait could not be read");
    }
}

/// Makes some steps of the crawls that are due.
async fn crawl(app: &Arc<App>) {
    if let Err(error) = crawls::crawl_due(app).await {
        tracing::error!(%error, "crawls could not go on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_looks_for_no_requests_to_cancel() {
        assert!(Job::all(true).contains(&Job::Cancel));
        let alone = Job::all(false);
        assert!(!alone.contains(&Job::Cancel) && alone.len() + 1 == Job::all(true).len(), "{alone:?}");
    }
}
