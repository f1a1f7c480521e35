//! How a run of a crawl ends. What it found to be gone is looked for by readers, and deleted in short transactions before the
//! last one, because SQLite has one writer. Each asks for the crawl's lease, and after a host's death the next one goes on.

use resly_core::{boxed, error::StoreError, knowledge::crawl::CrawlStatus, time::Timestamp};

use super::due::{DueCrawl, StepError};
use crate::{
    Store,
    error::{OperationError, failed},
    knowledge::{PageKey, batch, delete_pages, hide_some},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Time, name_of},
};

/// Rows that are looked for at once. A transaction changes no more.
const ROWS: i64 = 64;

async fn require_lease(db: &mut Conn<'_>, crawl: &DueCrawl) -> Result<(), OperationError<StepError>> {
    let sql = "SELECT id FROM crawls WHERE id = $1 AND organization_id = $2 AND lease = $3";
    let held = row!(db, (Id,), sql, Id(crawl.id.0), Id(crawl.organization.0), Id(crawl.lease.0))?;
    held.map(drop).ok_or(OperationError::Refused(StepError::Lost))
}

async fn hide(db: &mut Conn<'_>, crawl: &DueCrawl, gone: Vec<(Id, i64)>) -> Result<u64, OperationError<StepError>> {
    require_lease(db, crawl).await?;
    Ok(hide_some(db, crawl.organization, crawl.id, gone).await?)
}

/// Deletes pages, and forgets what is known of those that are gone.
async fn forget(
    db: &mut Conn<'_>,
    crawl: &DueCrawl,
    pages: &[PageKey],
    gone: &[PageKey],
) -> Result<(), OperationError<StepError>> {
    require_lease(db, crawl).await?;
    delete_pages(db, crawl.id, pages).await?;
    let sql = db.pick(
        "UPDATE crawl_pages SET source_id = NULL, links = NULL WHERE crawl_id = $1
             AND (kind, url) IN (SELECT value->>0, value->>1 FROM json_each($2))",
        "UPDATE crawl_pages SET source_id = NULL, links = NULL WHERE crawl_id = $1
             AND (kind, url) IN (SELECT value->>0, value->>1 FROM jsonb_array_elements($2))",
    );
    Ok(execute!(db, sql, Id(crawl.id.0), Json(gone)).map(drop)?)
}

/// Ends a run of which nothing is left to delete.
async fn end(
    db: &mut Conn<'_>,
    crawl: &DueCrawl,
    next_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), OperationError<StepError>> {
    let ended = execute!(
        db,
        "UPDATE crawls SET status = CASE WHEN again THEN 'queued' ELSE $4 END, due_at = CASE WHEN again THEN $6 ELSE $5 END,
             lease = NULL, lease_until = NULL, takes = 0, ended_at = $6, failure = NULL
         WHERE id = $1 AND organization_id = $2 AND lease = $3",
        Id(crawl.id.0),
        Id(crawl.organization.0),
        Id(crawl.lease.0),
        name_of(&CrawlStatus::Done)?,
        next_at.map(Time),
        Time(now)
    )?;
    if ended == 0 { Err(OperationError::Refused(StepError::Lost)) } else { Ok(()) }
}

impl Store {
    /// Ends a run that has no page left. Sources that are gone are hidden before, some at a time, and what earlier runs found
    /// and this one didn't is forgotten. True when a source was gone.
    #[boxed]
    pub async fn end_crawl(
        &self,
        crawl: &DueCrawl,
        next_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, StepError> {
        let knows_all = self.knows_all(crawl).await?;
        let any = self.hide_gone(crawl, knows_all).await?;
        self.forget_pages(crawl, knows_all).await?;
        let crawl = crawl.clone();
        self.write(crawl.organization, "end a crawl", move |mut db| {
            Box::pin(async move { end(&mut db, &crawl, next_at, now).await })
        })
        .await?;
        Ok(any)
    }

    /// Whether the run knows what nothing leads to any more.
    ///
    /// A page that could not be asked for stays, and the run has followed the links that it had before. What a sitemap or a
    /// page of a list would have named isn't known, nor what a run leads to that was cut.
    async fn knows_all(&self, crawl: &DueCrawl) -> Result<bool, StoreError> {
        let doing = "look for what a crawl doesn't know";
        let mut db = self.reader(crawl.organization, doing).await?;
        let unknown = row!(
            db,
            (Id,),
            "SELECT c.id FROM crawls c WHERE c.id = $1 AND (c.cut OR EXISTS (
                 SELECT 1 FROM crawl_pages p
                 WHERE p.crawl_id = c.id AND p.run = $2 AND p.state = 'failed' AND p.kind <> 'page'))",
            Id(crawl.id.0),
            Count(crawl.run)
        );
        Ok(unknown.map_err(failed(doing))?.is_none())
    }

    /// Hides the sources of pages that are gone, and of those that nothing leads to any more. True when there were some.
    async fn hide_gone(&self, crawl: &DueCrawl, knows_all: bool) -> Result<bool, StepError> {
        let doing = "delete what a crawl found to be gone";
        let mut any = false;
        loop {
            let gone = {
                let mut db = self.reader(crawl.organization, doing).await?;
                rows!(
                    db,
                    (Id, i64),
                    "SELECT s.id, CAST(octet_length(s.text) AS BIGINT)
                     FROM crawl_pages p JOIN knowledge_sources s ON s.id = p.source_id AND s.crawl_id = p.crawl_id
                     WHERE p.crawl_id = $1 AND s.organization_id = $2 AND (p.gone OR (p.run < $3 AND $4)) LIMIT $5",
                    Id(crawl.id.0),
                    Id(crawl.organization.0),
                    Count(crawl.run),
                    knows_all,
                    ROWS
                )
                .map_err(failed(doing))?
            };
            if gone.is_empty() {
                return Ok(any);
            }
            let crawl = crawl.clone();
            let hidden: u64 = self
                .write(crawl.organization, doing, move |mut db| {
                    Box::pin(async move { hide(&mut db, &crawl, gone).await })
                })
                .await?;
            any |= hidden > 0;
        }
    }

    /// Forgets the pages that earlier runs found and this one didn't, and what is known of those that are gone.
    async fn forget_pages(&self, crawl: &DueCrawl, knows_all: bool) -> Result<(), StepError> {
        let doing = "forget what a crawl found to be gone";
        loop {
            let (pages, gone) = {
                let mut db = self.reader(crawl.organization, doing).await?;
                // What isn't a source has nothing to keep.
                let sql = db.pick(
                    "SELECT kind, url, COALESCE(octet_length(links), 0) + COALESCE(octet_length(content), 0)
                     FROM crawl_pages WHERE crawl_id = $1 AND run < $2 AND ($3 OR source_id IS NULL) LIMIT $4",
                    "SELECT kind, url,
                            CAST(COALESCE(pg_column_size(links), 0) + COALESCE(pg_column_size(content), 0) AS BIGINT)
                     FROM crawl_pages WHERE crawl_id = $1 AND run < $2 AND ($3 OR source_id IS NULL) LIMIT $4",
                );
                let (id, run) = (Id(crawl.id.0), Count(crawl.run));
                let pages = rows!(db, (String, String, i64), sql, id, run, knows_all, ROWS).map_err(failed(doing))?;
                let sql = "SELECT kind, url FROM crawl_pages
                           WHERE crawl_id = $1 AND gone AND (source_id IS NOT NULL OR links IS NOT NULL) LIMIT $2";
                (pages, rows!(db, (String, String), sql, id, ROWS).map_err(failed(doing))?)
            };
            if pages.is_empty() && gone.is_empty() {
                return Ok(());
            }
            let pages = batch(pages.into_iter().map(|(kind, url, size)| (PageKey(kind, url), size)).collect());
            let gone: Vec<PageKey> = gone.into_iter().map(|(kind, url)| PageKey(kind, url)).collect();
            let crawl = crawl.clone();
            self.write(crawl.organization, doing, move |mut db| {
                Box::pin(async move { forget(&mut db, &crawl, &pages, &gone).await })
            })
            .await?;
        }
    }
}
