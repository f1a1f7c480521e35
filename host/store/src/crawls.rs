//! Crawls of sites and lists: what an admin sets and sees of them. `crawls/due.rs` has those that are
//! due, `crawls/steps.rs` how a run goes on, `crawls/end.rs` how it ends.

mod due;
mod end;
mod links;
mod pages;
mod steps;

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, OrganizationId},
    knowledge::crawl::{Crawl, CrawlCounts, CrawlSettings, CrawledPageState, OmittedPage},
    time::Timestamp,
};

pub use self::{
    due::{DueCrawl, StepError},
    links::SITEMAPS_MOST,
    pages::{FoundLink, FoundPage, KnownPage, PageKind},
    steps::{CrawlBegin, CrawlStep, PageResult, PageSource},
};
#[cfg(test)]
pub(crate) use self::{links::KNOWN_LINKS, pages::NEXT_PAGE};
use crate::{
    Store,
    audit::Author,
    columns::columns,
    error::{OperationError, failed},
    knowledge::audited,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, named},
};

/// Crawls of an organization.
pub const CRAWLS_MOST: u64 = 50;

/// Why a crawl isn't added.
#[derive(Debug, thiserror::Error)]
pub enum AddCrawlError {
    #[error("the organization has {CRAWLS_MOST} crawls, and may have no more; delete one first")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct CrawlRow {
    id: Id,
    url: String,
    settings: Json<CrawlSettings>,
    status: String,
    failure: Option<String>,
    run: Count,
    bytes: Count,
    left_out: Count,
    created_at: Time,
    started_at: Option<Time>,
    ended_at: Option<Time>,
    due_at: Option<Time>,
    found: Count,
    ready: Count,
    failed: Count,
    skipped: Count,
}

impl CrawlRow {
    fn crawl(self) -> Result<Crawl, sqlx::Error> {
        Ok(Crawl {
            id: CrawlId(self.id.0),
            url: self.url,
            settings: self.settings.0,
            status: named(self.status)?,
            failure: self.failure,
            run: self.run.0,
            bytes: self.bytes.0,
            counts: CrawlCounts {
                found: self.found.0,
                ready: self.ready.0,
                failed: self.failed.0,
                skipped: self.skipped.0,
                left_out: self.left_out.0,
            },
            created_at: self.created_at.0,
            started_at: self.started_at.map(|at| at.0),
            ended_at: self.ended_at.map(|at| at.0),
            due_at: self.due_at.map(|at| at.0),
        })
    }
}

/// Crawls with the counts of their newest runs; what follows is a condition and an order.
macro_rules! crawls {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(crawl),
            ", (SELECT COUNT(*) FROM crawl_pages p WHERE p.crawl_id = c.id AND p.run = c.run AND p.kind = 'page'
                    AND p.state = 'ready') AS ready,
               (SELECT COUNT(*) FROM crawl_pages p WHERE p.crawl_id = c.id AND p.run = c.run AND p.kind = 'page'
                    AND p.state = 'failed') AS failed,
               (SELECT COUNT(*) FROM crawl_pages p WHERE p.crawl_id = c.id AND p.run = c.run AND p.kind = 'page'
                    AND p.state = 'skipped') AS skipped
             FROM crawls c ",
            $rest
        )
    };
}

/// Adds a crawl, or changes the settings of the one with the same URL. Either runs now; one that is running runs again
/// afterwards, and keeps the wait that its site asked for. Returns its id, and whether it is new.
async fn put(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: CrawlId,
    url: &str,
    settings: &CrawlSettings,
    now: Timestamp,
) -> Result<(CrawlId, bool), OperationError<AddCrawlError>> {
    let known = row!(
        db,
        (Id,),
        "UPDATE crawls SET settings = $3, failure = NULL, again = (status = 'running'),
             due_at = CASE WHEN status = 'running' THEN due_at ELSE $4 END,
             status = CASE WHEN status = 'running' THEN status ELSE 'queued' END
         WHERE organization_id = $1 AND url = $2 RETURNING id",
        Id(organization.0),
        Text(url),
        Json(settings),
        Time(now)
    )?;
    if let Some((known,)) = known {
        return Ok((CrawlId(known.0), false));
    }
    let lock =
        db.pick("SELECT 1 FROM organizations WHERE id = $1", "SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE");
    row!(db, (i32,), lock, Id(organization.0))?;
    let sql = "SELECT COUNT(*) FROM crawls WHERE organization_id = $1 AND status <> 'deleting'";
    let count = row!(db, (Count,), sql, Id(organization.0))?;
    if count.is_some_and(|(count,)| count.0 >= CRAWLS_MOST) {
        return Err(OperationError::Refused(AddCrawlError::Full));
    }
    execute!(
        db,
        "INSERT INTO crawls (id, organization_id, url, settings, status, run, due_at, created_at)
         VALUES ($1, $2, $3, $4, 'queued', 0, $5, $5)",
        Id(id.0),
        Id(organization.0),
        Text(url),
        Json(settings),
        Time(now)
    )?;
    Ok((id, true))
}

impl Store {
    /// Adds a crawl, or changes the settings of the one with the same URL. Either runs now. Returns its id, and whether it
    /// is new.
    #[boxed]
    pub async fn put_crawl(
        &self,
        organization: OrganizationId,
        id: CrawlId,
        url: String,
        settings: CrawlSettings,
        now: Timestamp,
    ) -> Result<(CrawlId, bool), AddCrawlError> {
        let by = Author::current();
        self.write(organization, "add a crawl", move |mut db| {
            Box::pin(async move {
                let (id, is_new) = put(&mut db, organization, id, &url, &settings, now).await?;
                audited::crawl(&mut db, &by, organization, id, &url, is_new).await?;
                Ok((id, is_new))
            })
        })
        .await
    }

    /// The organization's crawls, newest first.
    #[boxed]
    pub async fn crawls(&self, organization: OrganizationId) -> Result<Vec<Crawl>, StoreError> {
        let doing = "list the crawls";
        let mut db = self.reader(organization, doing).await?;
        let sql =
            crawls!("WHERE c.organization_id = $1 AND c.status <> 'deleting' ORDER BY c.created_at DESC, c.id DESC");
        let found = rows!(db, CrawlRow, sql, Id(organization.0)).map_err(failed(doing))?;
        found.into_iter().map(CrawlRow::crawl).collect::<Result<_, _>>().map_err(failed(doing))
    }

    #[boxed]
    pub async fn crawl(&self, organization: OrganizationId, id: CrawlId) -> Result<Option<Crawl>, StoreError> {
        let doing = "read a crawl";
        let mut db = self.reader(organization, doing).await?;
        let sql = crawls!("WHERE c.organization_id = $1 AND c.id = $2 AND c.status <> 'deleting'");
        let found = row!(db, CrawlRow, sql, Id(organization.0), Id(id.0)).map_err(failed(doing))?;
        found.map(CrawlRow::crawl).transpose().map_err(failed(doing))
    }

    /// At most `most` pages and items of the newest run that aren't sources, with the reason, in order of their URLs or ids.
    #[boxed]
    pub async fn omitted_pages(
        &self,
        organization: OrganizationId,
        id: CrawlId,
        most: u32,
    ) -> Result<Vec<OmittedPage>, StoreError> {
        let doing = "list what a crawl left out";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            (String, String, Count, String, Option<String>),
            "SELECT p.kind, p.url, p.depth, p.state, p.reason FROM crawls c JOIN crawl_pages p ON p.crawl_id = c.id AND p.run = c.run
             WHERE c.organization_id = $1 AND c.id = $2 AND c.status <> 'deleting' AND p.state IN ('failed', 'skipped')
             ORDER BY p.url LIMIT $3",
            Id(organization.0),
            Id(id.0),
            i64::from(most)
        )
        .map_err(failed(doing))?;
        let page = |(kind, url, depth, state, reason): (String, String, Count, String, Option<String>)| {
            let is_list = named::<PageKind>(kind)? == PageKind::List;
            let url = if is_list { format!("page {} of the list", depth.0 + 1) } else { url };
            Ok(OmittedPage { url, state: named::<CrawledPageState>(state)?, reason: reason.unwrap_or_default() })
        };
        found.into_iter().map(page).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Has a crawl run now. One that is running goes on as it would, after the wait that its site asked for. False when the organization has no such crawl.
    #[boxed]
    pub async fn run_crawl(
        &self,
        organization: OrganizationId,
        id: CrawlId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(organization, "run a crawl", move |mut db| {
            Box::pin(async move {
                let found = execute!(
                    db,
                    "UPDATE crawls SET due_at = CASE WHEN status = 'running' THEN due_at ELSE $3 END,
                         status = CASE WHEN status = 'running' THEN status ELSE 'queued' END
                     WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'",
                    Id(id.0),
                    Id(organization.0),
                    Time(now)
                )?;
                Ok(found > 0)
            })
        })
        .await
    }
}
