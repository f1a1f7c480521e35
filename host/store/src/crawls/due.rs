//! Crawls that are due. A host takes one under a lease, makes some steps, and gives it back.

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, LeaseId, OrganizationId},
    knowledge::{
        AddSourceError,
        crawl::{CrawlRules, CrawlSettings, CrawlStatus},
    },
    time::Timestamp,
};

use crate::{
    RowScope, Store,
    due::{DueRows, Exclusions, next_due},
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Text, Time, name_of},
};

/// Pages that one transaction gives up. The statement has the same number.
const FAILED_AT_ONCE: u64 = 256;

/// A crawl that this host has a lease on.
#[derive(Clone, Debug)]
pub struct DueCrawl {
    pub id: CrawlId,
    pub organization: OrganizationId,
    pub lease: LeaseId,
    pub url: String,
    pub settings: CrawlSettings,
    pub run: u64,
    /// The site's rules, once the run has read them.
    pub rules: Option<CrawlRules>,
    pub bytes: u64,
    pub tries: u32,
    /// Hosts that died, or lost their lease, before they stored another step.
    pub deaths: u32,
}

/// Why a step wasn't stored.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The lease is over, or the crawl was deleted.
    #[error("another host has the crawl now, or nobody")]
    Lost,
    #[error(transparent)]
    Source(#[from] AddSourceError),
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Source(error.into())
    }
}

#[derive(sqlx_macros::FromRow)]
struct DueRow {
    organization_id: Id,
    url: String,
    settings: Json<CrawlSettings>,
    run: Count,
    started: bool,
    rules: Option<Json<CrawlRules>>,
    bytes: Count,
    tries: Count,
    takes: Count,
}

async fn take(
    db: &mut Conn<'_>,
    lease: LeaseId,
    excluded: &Exclusions,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Option<DueCrawl>, sqlx::Error> {
    let Some(id) = next_due(db, DueRows::Crawls, excluded, now).await? else { return Ok(None) };
    // A crawl that isn't running begins its next run.
    execute!(
        db,
        "UPDATE crawls SET status = 'running', run = run + 1, started = $3, rules = NULL, bytes = 0, found = 0, sitemaps = 0, left_out = 0, tries = 0,
             takes = 0, again = $3, cut = $3, failure = NULL, started_at = $2, ended_at = NULL
         WHERE id = $1 AND status <> 'running'",
        id,
        Time(now),
        false
    )?;
    let taken = row!(
        db,
        DueRow,
        "UPDATE crawls SET lease = $2, lease_until = $3, takes = takes + 1 WHERE id = $1
         RETURNING organization_id, url, settings, run, started, rules, bytes, tries, takes",
        id,
        Id(lease.0),
        Time(lease_until)
    )?;
    let Some(row) = taken else { return Ok(None) };
    Ok(Some(DueCrawl {
        id: CrawlId(id.0),
        organization: OrganizationId(row.organization_id.0),
        lease,
        url: row.url,
        settings: row.settings.0,
        run: row.run.0,
        rules: row.rules.map(|rules| rules.0).filter(|_| row.started),
        bytes: row.bytes.0,
        tries: u32::try_from(row.tries.0).unwrap_or(u32::MAX),
        deaths: u32::try_from(row.takes.0.saturating_sub(1)).unwrap_or(u32::MAX),
    }))
}

impl Store {
    /// Takes a crawl that is due and not excluded. Other hosts leave it alone until `lease_until`.
    #[boxed]
    pub async fn take_due_crawl(
        &self,
        lease: LeaseId,
        excluded: Exclusions,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<DueCrawl>, StoreError> {
        self.write(RowScope::Host, "take a crawl", move |mut db| {
            Box::pin(async move { Ok(take(&mut db, lease, &excluded, now, lease_until).await?) })
        })
        .await
    }

    /// Holds a crawl longer. Nothing happens when the lease is over.
    #[boxed]
    pub async fn renew_crawl(&self, crawl: &DueCrawl, lease_until: Timestamp) -> Result<(), StoreError> {
        let (organization, id, lease) = (crawl.organization, crawl.id, crawl.lease);
        self.write(organization, "hold a crawl", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE crawls SET lease_until = $3 WHERE id = $1 AND lease = $2";
                Ok(execute!(db, sql, Id(id.0), Id(lease.0), Time(lease_until)).map(drop)?)
            })
        })
        .await
    }

    /// Gives up the pages that the run has left. What is known stays, because they may have led to any of it.
    #[boxed]
    pub async fn fail_crawl_rest(&self, crawl: &DueCrawl, reason: &'static str) -> Result<(), StoreError> {
        let (id, run) = (crawl.id, crawl.run);
        self.write(crawl.organization, "give up the rest of a crawl", move |mut db| {
            Box::pin(
                async move { Ok(execute!(db, "UPDATE crawls SET cut = $2 WHERE id = $1", Id(id.0), true).map(drop)?) },
            )
        })
        .await?;
        let mut failed = FAILED_AT_ONCE;
        while failed == FAILED_AT_ONCE {
            failed = self
                .write(crawl.organization, "give up the rest of a crawl", move |mut db| {
                    Box::pin(async move {
                        Ok(execute!(
                            db,
                            "UPDATE crawl_pages SET state = 'failed', reason = $3
                             WHERE crawl_id = $1 AND (kind, url) IN (
                                 SELECT kind, url FROM crawl_pages
                                 WHERE crawl_id = $1 AND run = $2 AND state = 'found' LIMIT 256)",
                            Id(id.0),
                            Count(run),
                            reason
                        )?)
                    })
                })
                .await?;
        }
        Ok(())
    }

    /// Gives a crawl back. It goes on at `due_at`; with a failure, it is tried again then, or its run is over.
    #[boxed]
    pub async fn release_crawl(
        &self,
        crawl: &DueCrawl,
        failure: Option<String>,
        is_over: bool,
        due_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, organization, lease) = (crawl.id, crawl.organization, crawl.lease);
        self.write(crawl.organization, "give a crawl back", move |mut db| {
            Box::pin(async move {
                let status = if is_over { CrawlStatus::Failed } else { CrawlStatus::Running };
                execute!(
                    db,
                    "UPDATE crawls SET lease = NULL, lease_until = NULL, takes = 0, failure = $5,
                         due_at = CASE WHEN $7 AND again THEN $8 ELSE $4 END,
                         status = CASE WHEN $7 AND again THEN 'queued' ELSE $6 END,
                         tries = CASE WHEN $5 IS NULL THEN 0 ELSE tries + 1 END, ended_at = CASE WHEN $7 THEN $8 ELSE ended_at END
                     WHERE id = $1 AND organization_id = $2 AND lease = $3",
                    Id(id.0),
                    Id(organization.0),
                    Id(lease.0),
                    due_at.map(Time),
                    failure.as_deref().map(Text),
                    name_of(&status)?,
                    is_over,
                    Time(now)
                )?;
                Ok(())
            })
        })
        .await
    }
}
