//! Gives a source new content, all or nothing: passages that stay are kept, what was embedded is counted.

use std::sync::Arc;

use resly_core::{
    boxed,
    id::{LeaseId, OrganizationId, SourceId},
    knowledge::{AddSourceError, NewRevision, NewSource, RevisedPassage, SourceStatus},
    time::Timestamp,
};

use super::{
    audited, bump, count_embeddings,
    groups::GROUP,
    passages::{PassagePlace, insert_passage, passage_bytes},
    sources::PageVersion,
};
use crate::{
    Store,
    audit::Author,
    error::{OperationError, failed},
    log_budget,
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Text, Time, name_of},
};

/// What the audit log calls another content or URL of a source.
pub(super) const CHANGE: &str = "source.change";

/// New content of a source.
#[derive(Clone, Debug)]
pub struct SourceChange {
    pub organization: OrganizationId,
    pub source: SourceId,
    pub revision: NewRevision,
    pub content: ChangedBy,
    pub now: Timestamp,
}

/// Another URL of a source, and another identity.
#[derive(Clone, Debug)]
pub struct SourceMove {
    pub organization: OrganizationId,
    pub source: SourceId,
    pub url: Option<String>,
    pub identity: Option<String>,
    pub now: Timestamp,
}

/// A write of a source that is there.
#[derive(Clone, Debug)]
pub enum SourceWrite {
    Move(SourceMove),
    Revise(Box<SourceChange>),
}

impl SourceWrite {
    fn organization(&self) -> OrganizationId {
        match self {
            Self::Move(to) => to.organization,
            Self::Revise(change) => change.organization,
        }
    }
}

/// Who changes a source.
#[derive(Clone, Debug)]
pub enum ChangedBy {
    /// A request that sends a text. The source is one of kind `text` from then on.
    Request { url: Option<String>, identity: Option<String> },
    /// The host that read the document.
    Read(FinishedRead),
}

/// What reading a document gave beside its text.
#[derive(Clone, Debug)]
pub struct FinishedRead {
    pub lease: LeaseId,
    pub content_hash: [u8; 32],
    /// What was left out of the text.
    pub note: Option<String>,
    /// What the server said of this version of a page.
    pub version: PageVersion,
    /// When a page is read again.
    pub next_at: Option<Timestamp>,
}

/// `written`: its passages are there already.
pub(crate) async fn revise(
    db: &mut Conn<'_>,
    change: &SourceChange,
    written: bool,
) -> Result<(), OperationError<AddSourceError>> {
    let SourceChange { organization, source, revision, now, .. } = change;
    let (organization, source, now) = (*organization, *source, *now);
    let changed = match &change.content {
        ChangedBy::Request { url, identity } => {
            execute!(
                db,
                "UPDATE knowledge_sources
                 SET kind = 'text', status = 'ready', failure_kind = NULL, failure_message = NULL, note = NULL,
                     url = $4, identity = $5, title = $6, given_title = $6, content_type = $7, text = $8, embedder = $9,
                     chunks = $10, revision = $11, updated_at = $12, checked_at = NULL, content_hash = NULL, due_at = NULL,
                     lease = NULL, lease_until = NULL, tries = 0, deadline_at = NULL, refresh_every_s = NULL, etag = NULL,
                     last_modified = NULL, misses = 0, crawl_id = NULL, embedded = 0, to_embed = 0
                 WHERE id = $1 AND organization_id = $2 AND revision = $3 AND status <> 'deleting'",
                Id(source.0),
                Id(organization.0),
                Id(revision.base.0),
                url.as_deref().map(Text),
                identity.as_deref().map(Text),
                Text(&revision.title),
                Text(&revision.content_type),
                Text(&revision.text),
                revision.embedder.as_str(),
                Count(revision.passages.len() as u64),
                Id(revision.id.0),
                Time(now)
            )
        }
        ChangedBy::Read(read) => {
            execute!(
                db,
                "UPDATE knowledge_sources
                 SET status = $5, failure_kind = NULL, failure_message = NULL, note = $6, title = $7, content_type = $8,
                     text = $9, embedder = $10, chunks = $11, revision = $12, updated_at = $13, checked_at = $13,
                     content_hash = $14, etag = $15, last_modified = $16, due_at = $17, lease = NULL, lease_until = NULL,
                     tries = 0, deadline_at = NULL, misses = 0, embedded = 0, to_embed = 0
                 WHERE id = $1 AND organization_id = $2 AND revision = $3 AND lease = $4",
                Id(source.0),
                Id(organization.0),
                Id(revision.base.0),
                Id(read.lease.0),
                name_of(&SourceStatus::Ready)?,
                read.note.as_deref().map(Text),
                Text(&revision.title),
                Text(&revision.content_type),
                Text(&revision.text),
                revision.embedder.as_str(),
                Count(revision.passages.len() as u64),
                Id(revision.id.0),
                Time(now),
                read.content_hash.as_slice(),
                read.version.etag.as_deref().map(Text),
                read.version.last_modified.as_deref().map(Text),
                read.next_at.map(Time)
            )
        }
    };
    match changed {
        Ok(0) => return Err(OperationError::Refused(AddSourceError::Changed)),
        Ok(_) => {}
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return Err(OperationError::Refused(AddSourceError::Exists));
        }
        Err(error) => return Err(error.into()),
    }
    delete_document(db, organization, source).await?;
    replace_passages(db, organization, source, revision, written, now).await?;
    bump(db, organization).await?;
    count_embeddings(db, organization, source, revision.embedded(), now).await
}

async fn replace_passages(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    source: SourceId,
    revision: &NewRevision,
    written: bool,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let kept: Vec<_> = revision
        .passages
        .iter()
        .filter_map(|passage| match passage {
            RevisedPassage::Kept(id) => Some(*id),
            RevisedPassage::New(new) => written.then_some(new.id),
        })
        .collect();
    let sql = db.pick(
        "DELETE FROM passages WHERE source_id = $1 AND organization_id = $2
             AND id NOT IN (SELECT value FROM json_each($3))",
        "DELETE FROM passages WHERE source_id = $1 AND organization_id = $2
             AND id NOT IN (SELECT value::uuid FROM jsonb_array_elements_text($3))",
    );
    execute!(db, sql, Id(source.0), Id(organization.0), Json(&kept))?;
    let NewRevision { title, language, embedder, .. } = revision;
    let at = PassagePlace { organization, source, title, language, embedder };
    let mut bytes = revision.text.len();
    for (position, passage) in (0_i64..).zip(&revision.passages) {
        match passage {
            RevisedPassage::Kept(id) => {
                execute!(
                    db,
                    "UPDATE passages SET position = $3 WHERE id = $1 AND source_id = $2 AND position <> $3",
                    Id(id.0),
                    Id(source.0),
                    position
                )?;
            }
            RevisedPassage::New(passage) => {
                bytes += passage_bytes(passage);
                if !written {
                    insert_passage(db, at, position, passage).await?;
                }
            }
        }
    }
    log_budget::add_source(db, organization, bytes, now).await
}

pub(super) async fn delete_document(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    source: SourceId,
) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM source_documents WHERE source_id = $1 AND organization_id = $2";
    execute!(db, sql, Id(source.0), Id(organization.0)).map(drop)
}

/// The passages of a source that has none yet, to be written before the change that makes them its content.
fn first_content(change: &SourceChange) -> NewSource {
    let SourceChange { organization, source, revision, now, .. } = change;
    let new = revision.passages.iter().filter_map(|passage| match passage {
        RevisedPassage::New(passage) => Some(passage.clone()),
        RevisedPassage::Kept(_) => None,
    });
    NewSource {
        id: *source,
        organization: *organization,
        title: revision.title.clone(),
        url: None,
        identity: None,
        content_type: String::new(),
        text: String::new(),
        language: revision.language,
        embedder: revision.embedder.clone(),
        passages: new.collect(),
        created_at: *now,
    }
}

impl Store {
    /// Whether the source has content that is searched.
    async fn has_passages(&self, change: &SourceChange) -> Result<bool, AddSourceError> {
        let doing = "look for a source's passages";
        let mut db = self.reader(change.organization, doing).await?;
        let sql = "SELECT id FROM knowledge_sources WHERE id = $1 AND organization_id = $2 AND chunks > 0";
        let found = row!(db, (Id,), sql, Id(change.source.0), Id(change.organization.0)).map_err(failed(doing))?;
        Ok(found.is_some())
    }

    /// Gives a source new content, counts what was embedded, and increases the knowledge version, all or
    /// nothing. Refused when the source has another revision than the change is based on, or another lease.
    #[boxed]
    pub async fn revise_source(&self, change: SourceChange) -> Result<(), AddSourceError> {
        self.write_sources(vec![SourceWrite::Revise(Box::new(change))]).await
    }

    /// Writes sources of one organization, all of them or none. Refused when one was deleted or changed meanwhile.
    #[boxed]
    pub async fn write_sources(&self, writes: Vec<SourceWrite>) -> Result<(), AddSourceError> {
        let Some(organization) = writes.first().map(SourceWrite::organization) else { return Ok(()) };
        let mut prepared = Vec::with_capacity(writes.len());
        for write in writes {
            let written = match &write {
                SourceWrite::Revise(change) => {
                    let written = change.revision.passages.len() > GROUP && !self.has_passages(change).await?;
                    if written {
                        self.write_passages(Arc::new(first_content(change))).await?;
                    }
                    written
                }
                SourceWrite::Move(_) => false,
            };
            prepared.push((write, written));
        }
        let by = Author::current();
        self.write(organization, "change sources", move |mut db| {
            Box::pin(async move {
                for (write, written) in &prepared {
                    match write {
                        SourceWrite::Revise(change) => {
                            revise(&mut db, change, *written).await?;
                            if let ChangedBy::Request { url, .. } = &change.content {
                                let (id, title) = (change.source, &change.revision.title);
                                audited::source(&mut db, &by, organization, CHANGE, id, title, url.as_deref()).await?;
                            }
                        }
                        SourceWrite::Move(to) => {
                            move_to(&mut db, to).await?;
                            let url = to.url.as_deref();
                            audited::source(
                                &mut db,
                                &by,
                                organization,
                                CHANGE,
                                to.source,
                                url.unwrap_or_default(),
                                url,
                            )
                            .await?;
                        }
                    }
                }
                Ok(())
            })
        })
        .await
    }
}

/// Changes the URL, and what makes it the same source, where its text stays.
async fn move_to(db: &mut Conn<'_>, to: &SourceMove) -> Result<(), OperationError<AddSourceError>> {
    let moved = execute!(
        db,
        "UPDATE knowledge_sources SET url = $3, identity = $4, updated_at = $5
         WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'",
        Id(to.source.0),
        Id(to.organization.0),
        to.url.as_deref().map(Text),
        to.identity.as_deref().map(Text),
        Time(to.now)
    );
    match moved {
        Ok(0) => Err(OperationError::Refused(AddSourceError::Changed)),
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(OperationError::Refused(AddSourceError::Exists))
        }
        Err(error) => Err(error.into()),
    }
}
