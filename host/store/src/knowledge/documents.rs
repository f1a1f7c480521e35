//! Documents that are read later than they are sent: files, whose bytes wait with their source, and pages.

use bytes::Bytes;
use resly_core::{
    boxed,
    error::StoreError,
    id::{LeaseId, OrganizationId, SourceId},
    knowledge::{SourceKind, SourceStatus},
    time::Timestamp,
};

use super::{
    audited,
    revise::{CHANGE, delete_document},
    sources::hash,
};
use crate::{
    Store,
    audit::Author,
    error::{OperationError, failed},
    log_budget,
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time, name_of, named},
};

/// A document to read later: a file, or the URL of a page.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// The id of the source, unless there is one of this identity.
    pub id: SourceId,
    pub organization: OrganizationId,
    pub kind: SourceKind,
    pub identity: Option<String>,
    /// The title that was sent. Without it, the document's own title is used.
    pub given_title: Option<String>,
    /// The title until the document is read.
    pub title: String,
    pub url: Option<String>,
    /// The site of a page, which a host asks for one page of an organization at a time.
    pub site: Option<String>,
    pub file: Option<StoredDocument>,
    pub refresh_every_s: Option<u32>,
    /// The lease of this host, when it reads the document at once.
    pub lease: Option<LeaseId>,
    pub lease_until: Timestamp,
    pub now: Timestamp,
}

/// A file that waits to be read.
#[derive(Clone, Debug)]
pub struct StoredDocument {
    pub content_type: Option<String>,
    pub name: Option<String>,
    pub bytes: Bytes,
    /// SHA-256 of the bytes.
    pub hash: [u8; 32],
}

/// How much may wait for each organization.
#[derive(Clone, Copy, Debug)]
pub struct WaitingLimits {
    pub sources: u64,
    pub bytes: u64,
}

/// What became of a document.
#[derive(Clone, Debug)]
pub enum Enqueued {
    /// It is a new source.
    New(SourceId),
    /// The source of the same identity is read anew.
    Replaced(SourceId),
    /// The source of the same identity has this content already, or is about to.
    Unchanged(SourceId),
}

impl Enqueued {
    pub fn id(&self) -> SourceId {
        let (Self::New(id) | Self::Replaced(id) | Self::Unchanged(id)) = self;
        *id
    }
}

/// Why a document wasn't taken.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    #[error("as many sources of the organization wait to be read as may")]
    Full,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
struct SameRow {
    id: Id,
    kind: String,
    status: String,
    given_title: Option<String>,
    url: Option<String>,
    content_hash: Option<Vec<u8>>,
    embedder: String,
}

impl SameRow {
    /// Whether the source has the content of this file already, or a host is about to read it.
    fn has(&self, new: &NewDocument, embedder: &str) -> Result<bool, sqlx::Error> {
        let Some(file) = &new.file else { return Ok(false) };
        let status: SourceStatus = named(self.status.clone())?;
        let current = match status {
            SourceStatus::Ready => self.embedder == embedder,
            SourceStatus::Queued | SourceStatus::Reading => true,
            SourceStatus::Failed => false,
        };
        Ok(current
            && named::<SourceKind>(self.kind.clone())? == new.kind
            && self.content_hash.as_deref() == Some(file.hash.as_slice())
            && self.given_title == new.given_title
            && self.url == new.url)
    }
}

async fn enqueue(
    db: &mut Conn<'_>,
    new: &NewDocument,
    limits: WaitingLimits,
    embedder: &str,
    deadline_at: Timestamp,
) -> Result<Enqueued, OperationError<EnqueueError>> {
    let organization = Id(new.organization.0);
    let same = match &new.identity {
        Some(identity) => {
            let sql = db.pick(
                "SELECT id, kind, status, given_title, url, content_hash, embedder FROM knowledge_sources
                 WHERE organization_id = $1 AND identity = $2",
                "SELECT id, kind, status, given_title, url, content_hash, embedder FROM knowledge_sources
                 WHERE organization_id = $1 AND identity = $2 FOR UPDATE",
            );
            row!(db, SameRow, sql, organization, Text(identity))?
        }
        None => None,
    };
    if let Some(same) = &same
        && same.has(new, embedder)?
    {
        let sql = "UPDATE knowledge_sources SET checked_at = $3, updated_at = $3
                   WHERE id = $1 AND organization_id = $2";
        execute!(db, sql, same.id, organization, Time(new.now))?;
        return Ok(Enqueued::Unchanged(SourceId(same.id.0)));
    }
    let same = same.map(|same| SourceId(same.id.0));
    let size = new.file.as_ref().map_or(0, |file| file.bytes.len() as u64);
    if !has_room(db, new.organization, same, size, limits).await? {
        return Err(OperationError::Refused(EnqueueError::Full));
    }
    let id = same.unwrap_or(new.id);
    if same.is_none() {
        execute!(
            db,
            "INSERT INTO knowledge_sources
                 (id, organization_id, title, content_type, text, embedder, chunks, created_at, revision, updated_at,
                  identity)
             VALUES ($1, $2, $3, 'text/markdown', '', '', 0, $4, $1, $4, $5)",
            Id(id.0),
            organization,
            Text(&new.title),
            Time(new.now),
            new.identity.as_deref().map(Text)
        )
        .map_err(taken)?;
    }
    let status = if new.lease.is_some() { SourceStatus::Reading } else { SourceStatus::Queued };
    execute!(
        db,
        "UPDATE knowledge_sources
         SET kind = $3, status = $4, failure_kind = NULL, failure_message = NULL, given_title = $5, url = $6,
             content_hash = COALESCE($7, content_hash), refresh_every_s = $8, due_at = $9, lease = $10, lease_until = $11,
             tries = $12, deadline_at = $13, embedded = 0, to_embed = 0, misses = 0, crawl_id = NULL, site = $14, updated_at = $9
         WHERE id = $1 AND organization_id = $2",
        Id(id.0),
        organization,
        name_of(&new.kind)?,
        name_of(&status)?,
        new.given_title.as_deref().map(Text),
        new.url.as_deref().map(Text),
        new.file.as_ref().map(|file| file.hash.to_vec()),
        new.refresh_every_s.map(|seconds| Count(seconds.into())),
        Time(new.now),
        new.lease.map(|lease| Id(lease.0)),
        new.lease.map(|_| Time(new.lease_until)),
        Count(u64::from(new.lease.is_some())),
        new.lease.map(|_| Time(deadline_at)),
        new.site.as_deref().map(Text)
    )?;
    delete_document(db, new.organization, id).await?;
    if let Some(file) = &new.file {
        execute!(
            db,
            "INSERT INTO source_documents (source_id, organization_id, content_type, name, bytes, size)
             VALUES ($1, $2, $3, $4, $5, $6)",
            Id(id.0),
            organization,
            file.content_type.as_deref().map(Text),
            file.name.as_deref().map(Text),
            file.bytes.as_ref(),
            Count(size)
        )?;
        log_budget::add_source(db, new.organization, file.bytes.len(), new.now).await?;
    }
    Ok(if same.is_some() { Enqueued::Replaced(id) } else { Enqueued::New(id) })
}

/// Two requests may add the same identity at once. The second one finds the source when it tries again.
fn taken(error: sqlx::Error) -> OperationError<EnqueueError> {
    let twice = matches!(&error, sqlx::Error::Database(error) if error.is_unique_violation());
    if twice {
        let (doing, detail) = ("add a document", "another request adds the same one".to_owned());
        return OperationError::Refused(EnqueueError::Store(StoreError::Unavailable { doing, detail }));
    }
    error.into()
}

/// Whether the organization may have one more source wait. The organization's row is locked, so that requests at the same
/// time can't exceed the limits together.
async fn has_room(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    besides: Option<SourceId>,
    size: u64,
    limits: WaitingLimits,
) -> Result<bool, sqlx::Error> {
    let lock =
        db.pick("SELECT 1 FROM organizations WHERE id = $1", "SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE");
    row!(db, (i32,), lock, Id(organization.0))?;
    let waiting = row!(
        db,
        (Count, Count),
        "SELECT (SELECT COUNT(*) FROM knowledge_sources
                 WHERE organization_id = $1 AND due_at IS NOT NULL AND status IN ('queued', 'reading')
                   AND ($2 IS NULL OR id <> $2)),
                (SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM source_documents
                 WHERE organization_id = $1 AND ($2 IS NULL OR source_id <> $2))",
        Id(organization.0),
        besides.map(|id| Id(id.0))
    )?;
    let (sources, bytes) = waiting.map_or((0, 0), |(sources, bytes)| (sources.0, bytes.0));
    Ok(sources < limits.sources && bytes.saturating_add(size) <= limits.bytes)
}

impl Store {
    /// Stores a document that is read later, or at once under a lease. `embedder` is the name of the one that is used now.
    #[boxed]
    pub async fn enqueue_source(
        &self,
        new: NewDocument,
        limits: WaitingLimits,
        embedder: String,
        deadline_at: Timestamp,
    ) -> Result<Enqueued, EnqueueError> {
        let by = Author::current();
        self.write(new.organization, "add a document", move |mut db| {
            Box::pin(async move {
                let done = enqueue(&mut db, &new, limits, &embedder, deadline_at).await?;
                let (action, id) = match done {
                    Enqueued::New(id) => ("source.create", id),
                    Enqueued::Replaced(id) => (CHANGE, id),
                    Enqueued::Unchanged(_) => return Ok(done),
                };
                let (organization, url) = (new.organization, new.url.as_deref());
                audited::source(&mut db, &by, organization, action, id, &new.title, url).await?;
                Ok(done)
            })
        })
        .await
    }

    /// The file that a source waits with.
    #[boxed]
    pub async fn source_document(
        &self,
        organization: OrganizationId,
        id: SourceId,
    ) -> Result<Option<StoredDocument>, StoreError> {
        let doing = "read a document";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (Option<String>, Option<String>, Vec<u8>, Option<Vec<u8>>),
            "SELECT d.content_type, d.name, d.bytes, s.content_hash FROM source_documents d
             JOIN knowledge_sources s ON s.id = d.source_id WHERE d.source_id = $1 AND d.organization_id = $2",
            Id(id.0),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let Some((content_type, name, bytes, of)) = found else { return Ok(None) };
        let hash = hash(of.unwrap_or_default()).map_err(failed(doing))?;
        Ok(Some(StoredDocument { content_type, name, bytes: bytes.into(), hash }))
    }
}
