//! The jobs that a host runs by itself while it serves. This file has only their periods: a job calls the store or a
//! part of [`App`], any number of hosts may do that at once, and tests make the same calls themselves.

use std::{fmt::Display, sync::Arc, time::Duration};

use resly_core::metrics::names;
use resly_service::{
    App, analytics, audit, checks,
    cluster::{self, changes},
    crawls, deletions, inbox, mails, members, retention, sources, upload,
};
use tokio::{task::JoinSet, time::MissedTickBehavior};

/// Also how late passages are brought up to date, and outcomes of conversations are computed.
const RECOVER_EVERY: Duration = Duration::from_secs(60);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
/// How late a check or a webhook's message may be, and a conversation found by what was said last.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How late a mail may be.
const MAIL_EVERY: Duration = Duration::from_secs(5);
/// How late a source is read that waits, and a crawl goes on.
const READ_EVERY: Duration = Duration::from_secs(2);
/// How late the data of a visitor, and what is left of a source, is deleted after the request.
const ERASE_EVERY: Duration = Duration::from_secs(2);
/// How late an answer is cancelled when another host was asked to cancel it.
const CANCEL_EVERY: Duration = Duration::from_secs(1);

/// Starts the jobs. They end when the set is dropped.
pub fn start(app: &Arc<App>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    if app.jobs {
        for job in Job::all(app.store.is_shared(), app.store.is_read_only()) {
            jobs.spawn(job.repeat(Arc::clone(app)));
        }
        let app = Arc::clone(app);
        jobs.spawn(async move { changes::listen(&app).await });
    }
    jobs
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Recover,
    Expire,
    Check,
    Deliver,
    Mail,
    ReadFiles,
    ReadPages,
    Crawl,
    Erase,
    Sweep,
    Objects,
    Judge,
    Cancel,
    Renew,
    Tell,
    Refresh,
    Index,
}

impl Job {
    /// The jobs of a host, which shares its database with other hosts or has it for itself. One that is read-only tells the
    /// others that it runs, and does nothing else.
    fn all(shared: bool, read_only: bool) -> Vec<Self> {
        if read_only {
            return if shared { vec![Self::Renew] } else { Vec::new() };
        }
        let mut jobs = vec![Self::Recover, Self::Expire, Self::Check, Self::Deliver, Self::Mail];
        jobs.extend([
            Self::ReadFiles,
            Self::ReadPages,
            Self::Crawl,
            Self::Erase,
            Self::Sweep,
            Self::Objects,
            Self::Index,
            Self::Judge,
        ]);
        // Without other hosts, the host that is asked to cancel an answer is the one that writes it, and nobody looks for
        // this host. Nor does SQLite derive anything from passages.
        if shared {
            jobs.extend([Self::Cancel, Self::Renew, Self::Tell, Self::Refresh]);
        }
        jobs
    }

    fn period(self) -> Duration {
        match self {
            Self::Recover | Self::Objects | Self::Judge | Self::Refresh => RECOVER_EVERY,
            Self::Expire => EXPIRE_EVERY,
            Self::Check | Self::Deliver | Self::Index => LOOK_EVERY,
            Self::Mail => MAIL_EVERY,
            Self::ReadFiles | Self::ReadPages | Self::Crawl => READ_EVERY,
            Self::Erase | Self::Sweep => ERASE_EVERY,
            Self::Cancel => CANCEL_EVERY,
            Self::Renew => cluster::RENEW_EVERY,
            Self::Tell => changes::TICK,
        }
    }

    /// Runs the job at once, and again each time that its period has passed.
    async fn repeat(self, app: Arc<App>) {
        let mut ticks = tokio::time::interval(self.period());
        // A job that took longer than its period isn't made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let ok = match self {
                Self::Recover => recover(&app).await,
                Self::Expire => expire(&app).await,
                Self::Check => check(&app).await,
                Self::Deliver => deliver(&app).await,
                Self::Mail => send_mails(&app).await,
                Self::ReadFiles => read_files(&app).await,
                Self::ReadPages => read_pages(&app).await,
                Self::Crawl => crawl(&app).await,
                Self::Erase => erase(&app).await,
                Self::Sweep => sweep(&app).await,
                Self::Objects => delete_objects(&app).await,
                Self::Judge => judge(&app).await,
                Self::Cancel => cancel(&app).await,
                Self::Renew => renew(&app).await,
                Self::Tell => tell(&app).await,
                Self::Refresh => refresh(&app).await,
                Self::Index => index(&app).await,
            };
            self.measure(ok, &app);
        }
    }

    fn measure(self, ok: bool, app: &App) {
        let result = if ok { "ok" } else { "failed" };
        app.metrics.count(&names::JOB_RUNS, [self.name().into(), result.into()]);
        if ok {
            app.metrics.set(&names::JOB_LAST_SUCCESS, [self.name().into()], app.clock.now().seconds() as f64);
        }
    }

    /// As metrics name it.
    fn name(self) -> &'static str {
        match self {
            Self::Recover => "recover",
            Self::Expire => "expire",
            Self::Check => "check",
            Self::Deliver => "deliver",
            Self::Mail => "mail",
            Self::ReadFiles => "read_files",
            Self::ReadPages => "read_pages",
            Self::Crawl => "crawl",
            Self::Erase => "erase",
            Self::Sweep => "sweep",
            Self::Objects => "objects",
            Self::Judge => "judge",
            Self::Cancel => "cancel",
            Self::Renew => "renew",
            Self::Tell => "tell",
            Self::Refresh => "refresh",
            Self::Index => "index",
        }
    }
}

/// The value, or `None` and a line in the log that says what failed.
fn logged<T, E: Display>(result: Result<T, E>, failure: &'static str) -> Option<T> {
    result.inspect_err(|error| tracing::error!(%error, "{failure}")).ok()
}

/// Settles turns and calls of hosts that have died, and takes over their compilations. Returns whether all of it went
/// well, as every job does.
async fn recover(app: &Arc<App>) -> bool {
    app.keyring.flush().await;
    let recovered =
        logged(app.store.recover(app.clock.now()).await, "what dead hosts left behind could not be recovered");
    if let Some(recovered) = &recovered {
        tracing::debug!(turns = recovered.turns, calls = recovered.calls, "recovered what was left behind");
    }
    let forgotten =
        logged(app.store.forget_rates(app.clock.now()).await, "request windows that are over could not be forgotten");
    let spread = logged(
        app.store.spread_plans(app.clock.now()).await,
        "the new terms of a plan could not be given to its organizations",
    );
    let resumed = logged(upload::resume(app).await, "what dead hosts were compiling could not be taken up");
    recovered.is_some() && forgotten.is_some() && spread.is_some() && resumed.is_some()
}

/// Deletes expired rows, and raises alerts about credentials that end.
async fn expire(app: &Arc<App>) -> bool {
    let (store, now) = (&app.store, app.clock.now());
    let calls = logged(store.expire_logs(now).await, "old connector calls and approvals could not be deleted");
    if let Some(deleted @ 1..) = calls {
        tracing::info!(deleted, "deleted old connector calls and approvals");
    }
    let conversations = logged(retention::expire(app).await, "old conversations could not be deleted");
    let deliveries = logged(store.expire_deliveries(now).await, "old webhook deliveries could not be forgotten");
    let mails = logged(store.expire_mails(now).await, "old mails could not be forgotten");
    let uploads =
        logged(store.forget_unfinished_uploads(now).await, "what uploads left that were cut off could not be deleted");
    if let Some(uploads @ 1..) = uploads {
        tracing::info!(uploads, "deleted what uploads left that were cut off");
    }
    let sources =
        logged(store.forget_unfinished_sources(now).await, "sources that dead hosts were adding could not be deleted");
    if let Some(sources @ 1..) = sources {
        tracing::info!(sources, "deleted sources that dead hosts were adding");
    }
    let sign_ins =
        logged(members::forget_ended(app).await, "sessions and invitations that have ended could not be deleted");
    let audited = logged(audit::expire(app).await, "old entries of the audit log could not be deleted");
    if let Some(audited @ 1..) = audited {
        tracing::info!(audited, "deleted old entries of the audit log");
    }
    let warned = logged(store.warn_of_expiry(now).await, "credentials that end could not be looked for");
    calls.is_some()
        && conversations.is_some()
        && deliveries.is_some()
        && mails.is_some()
        && uploads.is_some()
        && sources.is_some()
        && sign_ins.is_some()
        && audited.is_some()
        && warned.is_some()
}

/// Checks whether connections work.
async fn check(app: &Arc<App>) -> bool {
    logged(checks::run_due(app).await, "connections could not be checked").is_some()
}

/// Deletes the data of visitors on request.
async fn erase(app: &Arc<App>) -> bool {
    logged(deletions::run_due(app).await, "requests to delete visitors' data could not be looked for").is_some()
}

/// Cancels the answers that other hosts were asked to cancel.
async fn cancel(app: &Arc<App>) -> bool {
    logged(app.turns.cancel_requested().await, "answers to cancel could not be looked for").is_some()
}

/// Tells the other hosts that this one runs.
async fn renew(app: &Arc<App>) -> bool {
    logged(app.cluster.renew().await, "this host's lease could not be renewed: other hosts may think that it is gone")
        .is_some()
}

/// Tells the other hosts that something has changed.
async fn tell(app: &Arc<App>) -> bool {
    let told = changes::tell(app).await;
    // It is tried again at once, and nothing depends on it.
    told.inspect_err(|error| tracing::debug!(%error, "other hosts could not be told of a change")).is_ok()
}

/// Delivers the messages of webhooks.
async fn deliver(app: &Arc<App>) -> bool {
    logged(app.hooks.deliver_due().await, "webhooks could not be told").is_some()
}

/// Sends the mails that are due.
async fn send_mails(app: &Arc<App>) -> bool {
    logged(mails::send_due(app).await, "mails could not be sent").is_some()
}

/// Reads the files that wait.
async fn read_files(app: &Arc<App>) -> bool {
    logged(sources::read_files(app).await, "files that wait could not be read").is_some()
}

/// Reads the pages that are due.
async fn read_pages(app: &Arc<App>) -> bool {
    logged(sources::read_pages(app).await, "pages that are due could not be read").is_some()
}

/// Deletes what is left of the sources and crawls that were deleted.
async fn sweep(app: &Arc<App>) -> bool {
    logged(sources::delete_hidden(app).await, "what is left of deleted sources could not be deleted").is_some()
}

/// Deletes objects of components that nothing needs.
async fn delete_objects(app: &Arc<App>) -> bool {
    let deleted = logged(app.components.sweep().await, "objects that nothing needs could not be deleted");
    if let Some(deleted @ 1..) = deleted {
        tracing::info!(deleted, "deleted objects that nothing needed");
    }
    deleted.is_some()
}

/// Computes what became of conversations.
async fn judge(app: &Arc<App>) -> bool {
    let computed = logged(analytics::update(app).await, "outcomes of conversations could not be computed");
    if let Some(computed @ 1..) = computed {
        tracing::debug!(computed, "computed outcomes of conversations");
    }
    computed.is_some()
}

/// Brings up to date what the database derives from passages.
async fn refresh(app: &Arc<App>) -> bool {
    logged(sources::refresh_passages(app).await, "words and vectors for SQL could not be derived from passages")
        .is_some()
}

/// Brings the index of the words of conversations up to date.
async fn index(app: &Arc<App>) -> bool {
    logged(inbox::search::index(app).await, "conversations could not be read for the index of words").is_some()
}

/// Makes some steps of the crawls that are due.
async fn crawl(app: &Arc<App>) -> bool {
    logged(crawls::crawl_due(app).await, "crawls could not go on").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_does_nothing_for_other_hosts() {
        let alone = Job::all(false, false);
        let mut shared = Job::all(true, false);
        shared.retain(|job| !alone.contains(job));
        assert_eq!(shared, [Job::Cancel, Job::Renew, Job::Tell, Job::Refresh]);
        assert_eq!((Job::all(false, true), Job::all(true, true)), (vec![], vec![Job::Renew]));
    }
}
