//! Sources that wait to be read: files in one queue, pages in another, so that no file waits for a site. A host takes one
//! under a lease; when it dies, the lease ends and another host takes the source. A take counts as a try, so a document that
//! kills its host isn't read for ever.

use resly_core::{
    boxed,
    error::StoreError,
    id::{LeaseId, OrganizationId, RevisionId, SourceId},
    knowledge::{ReadProgress, SourceFailure, SourceKind, SourceStatus},
    time::Timestamp,
};

use super::{
    bump,
    revise::delete_document,
    sources::{PageVersion, hash},
};
use crate::{
    RowScope, Store,
    columns::{columns, returning},
    due::{DueRows, Exclusions, next_due},
    error::{failed, unexpected},
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time, name_of, named},
};

/// Sources of an organization that failed, aren't tried again, and of which nothing is known. Older ones are deleted.
pub const FAILURES_MOST: u64 = 1000;

/// The queue that a source waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadQueue {
    Files,
    Pages,
}

/// A source to read now, held by a lease.
#[derive(Clone, Debug)]
pub struct DueSource {
    pub id: SourceId,
    pub organization: OrganizationId,
    pub kind: SourceKind,
    pub lease: LeaseId,
    pub given_title: Option<String>,
    pub title: String,
    pub url: Option<String>,
    /// The site of a page.
    pub site: Option<String>,
    pub content_hash: Option<[u8; 32]>,
    pub embedder: String,
    pub revision: RevisionId,
    /// Passages that are known of it.
    pub chunks: u64,
    pub refresh_every_s: Option<u32>,
    pub version: PageVersion,
    /// How often in a row the page wasn't there.
    pub misses: u32,
    /// The number of this try, from 1.
    pub tries: u32,
    /// When no further try is made.
    pub deadline_at: Timestamp,
}

/// How a reading ended that gave no new content.
#[derive(Clone, Debug)]
pub enum ReadResult {
    /// The document says what is known.
    Unchanged { content_hash: [u8; 32], version: PageVersion, next_at: Option<Timestamp> },
    /// It is tried again.
    Retry { failure: SourceFailure, at: Timestamp },
    /// It is given up, until `next_at`. `forget` deletes what was known of it.
    Failed { failure: SourceFailure, forget: Option<RevisionId>, misses: u32, next_at: Option<Timestamp> },
}

#[derive(sqlx_macros::FromRow)]
struct DueRow {
    id: Id,
    organization_id: Id,
    kind: String,
    lease: Option<Id>,
    given_title: Option<String>,
    title: String,
    url: Option<String>,
    site: Option<String>,
    content_hash: Option<Vec<u8>>,
    embedder: String,
    revision: Id,
    chunks: Count,
    refresh_every_s: Option<Count>,
    etag: Option<String>,
    last_modified: Option<String>,
    misses: Count,
    tries: Count,
    deadline_at: Option<Time>,
}

impl DueRow {
    fn due(self) -> Result<DueSource, sqlx::Error> {
        let number = |count: Count| u32::try_from(count.0).unwrap_or(u32::MAX);
        let missing = || unexpected("a source without a lease was taken");
        Ok(DueSource {
            id: SourceId(self.id.0),
            organization: OrganizationId(self.organization_id.0),
            kind: named(self.kind)?,
            lease: LeaseId(self.lease.ok_or_else(missing)?.0),
            given_title: self.given_title,
            title: self.title,
            url: self.url,
            site: self.site,
            content_hash: self.content_hash.map(hash).transpose()?,
            embedder: self.embedder,
            revision: RevisionId(self.revision.0),
            chunks: self.chunks.0,
            refresh_every_s: self.refresh_every_s.map(number),
            version: PageVersion { etag: self.etag, last_modified: self.last_modified },
            misses: number(self.misses),
            tries: number(self.tries),
            deadline_at: self.deadline_at.ok_or_else(missing)?.0,
        })
    }
}

async fn take(
    db: &mut Conn<'_>,
    queue: ReadQueue,
    lease: LeaseId,
    excluded: &Exclusions,
    now: Timestamp,
    lease_until: Timestamp,
    deadline_at: Timestamp,
) -> Result<Option<DueSource>, sqlx::Error> {
    let rows = match queue {
        ReadQueue::Files => DueRows::Files,
        ReadQueue::Pages => DueRows::Pages,
    };
    let Some(id) = next_due(db, rows, excluded, now).await? else { return Ok(None) };
    let taken = row!(
        db,
        DueRow,
        returning!(
            due_source,
            "UPDATE knowledge_sources
             SET status = 'reading', lease = $2, lease_until = $3, tries = tries + 1,
                 deadline_at = COALESCE(deadline_at, $4), updated_at = $5
             WHERE id = $1"
        ),
        id,
        Id(lease.0),
        Time(lease_until),
        Time(deadline_at),
        Time(now)
    )?;
    taken.map(DueRow::due).transpose()
}

async fn settle(db: &mut Conn<'_>, due: &DueSource, result: &ReadResult, now: Timestamp) -> Result<bool, sqlx::Error> {
    let known = due.chunks > 0;
    let (status, failure, next_at, misses) = match result {
        ReadResult::Unchanged { next_at, .. } => (SourceStatus::Ready, None, *next_at, 0),
        // What is known of it is still found, so it stays ready.
        ReadResult::Retry { failure, at } if known && due.kind != SourceKind::File => {
            (SourceStatus::Ready, Some(failure), Some(*at), due.misses)
        }
        ReadResult::Retry { failure, at } => (SourceStatus::Queued, Some(failure), Some(*at), due.misses),
        ReadResult::Failed { failure, misses, next_at, .. } => (SourceStatus::Failed, Some(failure), *next_at, *misses),
    };
    let is_retry = matches!(result, ReadResult::Retry { .. });
    let (version, content_hash) = match result {
        ReadResult::Unchanged { version, content_hash, .. } => (version, Some(content_hash.to_vec())),
        _ => (&due.version, None),
    };
    let kind = failure.map(|failure| name_of(&failure.kind)).transpose()?;
    let settled = execute!(
        db,
        "UPDATE knowledge_sources
         SET status = $4, failure_kind = $5, failure_message = $6, due_at = $7, misses = $8,
             tries = CASE WHEN $9 THEN tries ELSE 0 END, deadline_at = CASE WHEN $9 THEN deadline_at ELSE NULL END,
             etag = $10, last_modified = $11, checked_at = CASE WHEN $9 THEN checked_at ELSE $12 END, updated_at = $12,
             content_hash = COALESCE($13, content_hash), lease = NULL, lease_until = NULL, embedded = 0, to_embed = 0
         WHERE id = $1 AND organization_id = $2 AND lease = $3",
        Id(due.id.0),
        Id(due.organization.0),
        Id(due.lease.0),
        name_of(&status)?,
        kind,
        failure.map(|failure| Text(&failure.message)),
        next_at.map(Time),
        Count(misses.into()),
        is_retry,
        version.etag.as_deref().map(Text),
        version.last_modified.as_deref().map(Text),
        Time(now),
        content_hash
    )?;
    if settled == 0 {
        return Ok(false);
    }
    if !is_retry {
        delete_document(db, due.organization, due.id).await?;
    }
    if matches!(result, ReadResult::Failed { next_at: None, .. }) {
        forget_failures(db, due.organization).await?;
    }
    if let ReadResult::Failed { forget: Some(revision), .. } = result {
        execute!(
            db,
            "UPDATE knowledge_sources
             SET text = '', chunks = 0, revision = $3, content_hash = NULL, etag = NULL, last_modified = NULL
             WHERE id = $1 AND organization_id = $2",
            Id(due.id.0),
            Id(due.organization.0),
            Id(revision.0)
        )?;
        execute!(db, "DELETE FROM passages WHERE source_id = $1", Id(due.id.0))?;
        bump(db, due.organization).await?;
    }
    Ok(true)
}

/// Deletes the oldest of the sources that failed, aren't tried again, and of which nothing is known.
async fn forget_failures(db: &mut Conn<'_>, organization: OrganizationId) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "DELETE FROM knowledge_sources WHERE id IN (
             SELECT id FROM knowledge_sources
             WHERE organization_id = $1 AND status = 'failed' AND chunks = 0 AND due_at IS NULL
             ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET $2)",
        Id(organization.0),
        Count(FAILURES_MOST)
    )
    .map(drop)
}

impl Store {
    /// Takes a source of the queue that is due and not excluded. Other hosts leave it alone until `lease_until`.
    /// `deadline_at` holds from its first try.
    #[boxed]
    pub async fn take_due_source(
        &self,
        queue: ReadQueue,
        lease: LeaseId,
        excluded: Exclusions,
        now: Timestamp,
        lease_until: Timestamp,
        deadline_at: Timestamp,
    ) -> Result<Option<DueSource>, StoreError> {
        self.write(RowScope::Host, "take a source to read", move |mut db| {
            Box::pin(async move { Ok(take(&mut db, queue, lease, &excluded, now, lease_until, deadline_at).await?) })
        })
        .await
    }

    /// The source that a lease holds.
    #[boxed]
    pub async fn leased_source(
        &self,
        organization: OrganizationId,
        id: SourceId,
        lease: LeaseId,
    ) -> Result<Option<DueSource>, StoreError> {
        let doing = "read a source that is taken";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            DueRow,
            concat!(
                "SELECT ",
                columns!(due_source),
                " FROM knowledge_sources WHERE id = $1 AND organization_id = $2 AND lease = $3"
            ),
            Id(id.0),
            Id(organization.0),
            Id(lease.0)
        )
        .map_err(failed(doing))?;
        found.map(DueRow::due).transpose().map_err(failed(doing))
    }

    /// Holds a source longer, and tells how far its reading is. False when the lease is over.
    #[boxed]
    pub async fn renew_source(
        &self,
        due: &DueSource,
        progress: ReadProgress,
        lease_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, organization, lease) = (due.id, due.organization, due.lease);
        self.write(due.organization, "hold a source", move |mut db| {
            Box::pin(async move {
                let renewed = execute!(
                    db,
                    "UPDATE knowledge_sources SET lease_until = $4, embedded = $5, to_embed = $6
                     WHERE id = $1 AND organization_id = $2 AND lease = $3",
                    Id(id.0),
                    Id(organization.0),
                    Id(lease.0),
                    Time(lease_until),
                    Count(progress.embedded.into()),
                    Count(progress.passages.into())
                )?;
                Ok(renewed > 0)
            })
        })
        .await
    }

    /// Stores how a reading ended that gave no new content. False when the lease is over.
    #[boxed]
    pub async fn settle_source(&self, due: DueSource, result: ReadResult, now: Timestamp) -> Result<bool, StoreError> {
        self.write(due.organization, "settle the reading of a source", move |mut db| {
            Box::pin(async move { Ok(settle(&mut db, &due, &result, now).await?) })
        })
        .await
    }
}
