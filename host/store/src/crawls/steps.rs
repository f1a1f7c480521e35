//! How a run of a crawl goes on. A step asks for one page. Its one transaction stores the page's source, what it counts, and
//! the links that it has, so a host that dies loses no step and makes none twice. The transaction asks for the crawl's lease.

use resly_core::{
    boxed,
    id::SourceId,
    knowledge::{
        AddSourceError, NewRevision, SourceKind,
        crawl::{CrawlRules, CrawledPageState},
    },
    time::Timestamp,
};

use super::{
    due::{DueCrawl, StepError},
    links::{NewLinks, add_links, keep_each_once},
    pages::{FoundLink, PageKind},
};
use crate::{
    Store,
    error::OperationError,
    knowledge::{ChangedBy, FinishedRead, PageVersion, SourceChange, revise},
    log_budget,
    sql::{Conn, execute},
    types::{Count, Id, Json, Text, Time, name_of},
};

/// The beginning of a run: the site's rules, and where to start.
#[derive(Clone, Debug)]
pub struct CrawlBegin {
    pub rules: CrawlRules,
    pub links: Vec<FoundLink>,
}

/// The result of asking for a page.
#[derive(Clone, Debug)]
pub enum PageResult {
    /// Its content is new. `is_new` makes its source.
    Read { source: SourceId, is_new: bool, revision: Box<NewRevision>, read: FinishedRead },
    /// It says what is known.
    Unchanged { source: SourceId, content_hash: [u8; 32], version: PageVersion },
    /// It is a page of a list, whose items are the step's links.
    Listed,
    /// It is no source. `gone` deletes the one that it was when the run ends.
    Skipped { reason: String, gone: bool },
    /// It can't be asked for.
    Failed { reason: String },
    /// It is asked for again later in this run.
    Later { until: Timestamp, reason: String },
}

/// The source that a page or an item becomes.
#[derive(Clone, Debug)]
pub struct PageSource {
    pub kind: SourceKind,
    /// What makes it the same one in each run. One source of an organization has it.
    pub identity: String,
    /// Where people read it.
    pub url: Option<String>,
}

/// A page that was asked for.
#[derive(Clone, Debug)]
pub struct CrawlStep {
    pub url: String,
    pub kind: PageKind,
    pub source: PageSource,
    pub result: PageResult,
    /// The links of its content; `None` when that wasn't read.
    pub own_links: Option<Vec<String>>,
    pub links: Vec<FoundLink>,
    pub bytes: u64,
    pub now: Timestamp,
    pub lease_until: Timestamp,
}

async fn begin(
    db: &mut Conn<'_>,
    crawl: &DueCrawl,
    begin: &CrawlBegin,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<(), OperationError<StepError>> {
    let begun = execute!(
        db,
        "UPDATE crawls SET started = $5, rules = $6, lease_until = $4, tries = 0, takes = 0, failure = NULL
         WHERE id = $1 AND organization_id = $2 AND lease = $3",
        Id(crawl.id.0),
        Id(crawl.organization.0),
        Id(crawl.lease.0),
        Time(lease_until),
        true,
        Json(&begin.rules)
    )?;
    if begun == 0 {
        return Err(OperationError::Refused(StepError::Lost));
    }
    Ok(add_links(db, crawl, &begin.links, now).await?)
}

async fn step(
    db: &mut Conn<'_>,
    crawl: &DueCrawl,
    step: &CrawlStep,
    left_out: u64,
) -> Result<(), OperationError<StepError>> {
    let until = match &step.result {
        PageResult::Later { until, .. } => Some(Time(*until)),
        _ => None,
    };
    let held = execute!(
        db,
        "UPDATE crawls SET bytes = bytes + $4, lease_until = $5, due_at = COALESCE($6, due_at), left_out = left_out + $7,
             tries = 0, takes = 0
         WHERE id = $1 AND organization_id = $2 AND lease = $3",
        Id(crawl.id.0),
        Id(crawl.organization.0),
        Id(crawl.lease.0),
        Count(step.bytes),
        Time(step.lease_until),
        until,
        Count(left_out)
    )?;
    if held == 0 {
        return Err(OperationError::Refused(StepError::Lost));
    }
    let mut source_id = None;
    let (state, reason, gone) = match &step.result {
        PageResult::Read { source, is_new, revision, read } => {
            if *is_new {
                insert_source(db, crawl, *source, &step.source, step.now).await?;
            }
            execute!(
                db,
                "UPDATE knowledge_sources SET lease = $3, url = $5
                 WHERE id = $1 AND organization_id = $2 AND crawl_id = $4",
                Id(source.0),
                Id(crawl.organization.0),
                Id(read.lease.0),
                Id(crawl.id.0),
                step.source.url.as_deref().map(Text)
            )?;
            let change = SourceChange {
                organization: crawl.organization,
                source: *source,
                revision: (**revision).clone(),
                content: ChangedBy::Read(read.clone()),
                now: step.now,
            };
            revise(db, &change, false).await.map_err(|error| error.refused_as(StepError::Source))?;
            source_id = Some(Id(source.0));
            (CrawledPageState::Ready, None, false)
        }
        PageResult::Unchanged { source, content_hash, version } => {
            execute!(
                db,
                "UPDATE knowledge_sources
                 SET checked_at = $4, content_hash = $5, etag = $6, last_modified = $7, url = $8, updated_at = $4
                 WHERE id = $1 AND organization_id = $2 AND crawl_id = $3",
                Id(source.0),
                Id(crawl.organization.0),
                Id(crawl.id.0),
                Time(step.now),
                content_hash.as_slice(),
                version.etag.as_deref().map(Text),
                version.last_modified.as_deref().map(Text),
                step.source.url.as_deref().map(Text)
            )?;
            source_id = Some(Id(source.0));
            (CrawledPageState::Ready, None, false)
        }
        PageResult::Listed => (CrawledPageState::Ready, None, false),
        PageResult::Skipped { reason, gone } => (CrawledPageState::Skipped, Some(reason), *gone),
        PageResult::Failed { reason } => (CrawledPageState::Failed, Some(reason), false),
        PageResult::Later { reason, .. } => (CrawledPageState::Found, Some(reason), false),
    };
    execute!(
        db,
        "UPDATE crawl_pages
         SET state = $5, reason = $6, gone = $7, tries = tries + 1, source_id = COALESCE($8, source_id),
             links = COALESCE($9, links), content = CASE WHEN $5 = 'found' THEN content ELSE NULL END
         WHERE crawl_id = $1 AND kind = $2 AND url = $3 AND run = $4",
        Id(crawl.id.0),
        name_of(&step.kind)?,
        Text(&step.url),
        Count(crawl.run),
        name_of(&state)?,
        reason.map(|reason| Text(reason)),
        gone,
        source_id,
        step.own_links.as_ref().map(Json)
    )?;
    if let Some(links) = &step.own_links {
        let bytes = links.iter().map(String::len).sum();
        log_budget::add_source(db, crawl.organization, bytes, step.now).await?;
    }
    Ok(add_links(db, crawl, &step.links, step.now).await?)
}

async fn insert_source(
    db: &mut Conn<'_>,
    crawl: &DueCrawl,
    id: SourceId,
    source: &PageSource,
    now: Timestamp,
) -> Result<(), OperationError<StepError>> {
    let inserted = execute!(
        db,
        "INSERT INTO knowledge_sources
             (id, organization_id, kind, title, url, identity, content_type, text, embedder, chunks, created_at, revision,
              updated_at, crawl_id)
         VALUES ($1, $2, $7, $4, $3, $4, 'text/markdown', '', '', 0, $5, $1, $5, $6)
         ON CONFLICT (organization_id, identity) WHERE identity IS NOT NULL DO NOTHING",
        Id(id.0),
        Id(crawl.organization.0),
        source.url.as_deref().map(Text),
        Text(&source.identity),
        Time(now),
        Id(crawl.id.0),
        name_of(&source.kind)?
    )?;
    if inserted == 0 { Err(OperationError::Refused(StepError::Source(AddSourceError::Exists))) } else { Ok(()) }
}

impl Store {
    /// Stores the beginning of a run.
    #[boxed]
    pub async fn begin_crawl(
        &self,
        crawl: &DueCrawl,
        mut with: CrawlBegin,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StepError> {
        let crawl = crawl.clone();
        keep_each_once(&mut with.links);
        self.write(crawl.organization, "begin a crawl", move |mut db| {
            Box::pin(async move { begin(&mut db, &crawl, &with, lease_until, now).await })
        })
        .await
    }

    /// Stores a page that was asked for, with its source and its links, and counts what that took. Many links are added in
    /// groups before; then the rest is stored, all or nothing.
    #[boxed]
    pub async fn step_crawl(&self, crawl: &DueCrawl, mut done: CrawlStep) -> Result<(), StepError> {
        let NewLinks { mut groups, left_out } = self.new_links(crawl, std::mem::take(&mut done.links)).await?;
        done.links = groups.pop().unwrap_or_default();
        for group in groups {
            self.add_group(crawl, group, done.lease_until, done.now).await?;
        }
        let crawl = crawl.clone();
        self.write(crawl.organization, "crawl a page", move |mut db| {
            Box::pin(async move { step(&mut db, &crawl, &done, left_out).await })
        })
        .await
    }
}
