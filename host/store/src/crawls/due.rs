//! Crawls that are due. A host takes one under a lease, makes some steps, and gives it back.

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, LeaseId, OrganizationId},
    knowledge::crawl::{CrawlRules, CrawlSettings, CrawlStatus},
    time::Timestamp,
};

use crate::{
    Store,
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Text, Time, name_of},
};

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
}

async fn take(
    db: &mut Conn<'_>,
    lease: LeaseId,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Option<DueCrawl>, sqlx::Error> {
    let sql = db.pick(
        "SELECT c.id FROM crawls c JOIN organizations o ON o.id = c.organization_id
         WHERE c.due_at <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $1)
         ORDER BY o.sources_read_at NULLS FIRST, c.due_at, c.id LIMIT 1",
        "SELECT c.id FROM crawls c JOIN organizations o ON o.id = c.organization_id
         WHERE c.due_at <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $1)
         ORDER BY o.sources_read_at NULLS FIRST, c.due_at, c.id LIMIT 1 FOR UPDATE OF c SKIP LOCKED",
    );
    let Some((id,)) = row!(db, (Id,), sql, Time(now))? else { return Ok(None) };
    // A crawl that isn't running begins its next run.
    execute!(
        db,
        "UPDATE crawls SET status = 'running', run = run + 1, started = $3, rules = NULL, bytes = 0, left_out = 0, tries = 0,
             failure = NULL, started_at = $2, ended_at = NULL
         WHERE id = $1 AND status <> 'running'",
        id,
        Time(now),
        false
    )?;
    let taken = row!(
        db,
        DueRow,
        "UPDATE crawls SET lease = $2, lease_until = $3 WHERE id = $1
         RETURNING organization_id, url, settings, run, started, rules, bytes, tries",
        id,
        Id(lease.0),
        Time(lease_until)
    )?;
    let Some(row) = taken else { return Ok(None) };
    let sql = "UPDATE organizations SET sources_read_at = $2 WHERE id = $1";
    execute!(db, sql, row.organization_id, Time(now))?;
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
    }))
}

impl Store {
    /// Takes a crawl that is due. Other hosts leave it alone until `lease_until`.
    #[boxed]
    pub async fn take_due_crawl(
        &self,
        lease: LeaseId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<DueCrawl>, StoreError> {
        self.write("take a crawl", move |mut db| {
            Box::pin(async move { Ok(take(&mut db, lease, now, lease_until).await?) })
        })
        .await
    }

    /// Gives up the pages that the run has left. What is known of them stays, and so does what only they lead to.
    #[boxed]
    pub async fn fail_crawl_rest(&self, crawl: &DueCrawl, reason: &'static str) -> Result<(), StoreError> {
        let (id, run) = (crawl.id, crawl.run);
        self.write("give up the rest of a crawl", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE crawl_pages SET state = 'failed', reason = $3
                           WHERE crawl_id = $1 AND run = $2 AND state = 'found'";
                Ok(execute!(db, sql, Id(id.0), Count(run), reason).map(drop)?)
            })
        })
        .await
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
        self.write("give a crawl back", move |mut db| {
            Box::pin(async move {
                let status = if is_over { CrawlStatus::Failed } else { CrawlStatus::Running };
                execute!(
                    db,
                    "UPDATE crawls SET lease = NULL, lease_until = NULL, due_at = $4, failure = $5, status = $6,
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
