//! Knowledge: sources, passages and their vectors. `sources.rs` finds sources, `revise.rs` changes their content, `delete.rs`
//! deletes them, `documents.rs` adds documents that are read later, `queue.rs` has those that wait, `passages.rs` writes
//! passages, and `fuel.rs` counts what reading them burns.
//!
//! The host's own search, in `search`, reads them from here. What PostgreSQL derives from passages beside that is for those
//! who query the database themselves; `refresh.rs` brings it up to date.

pub(crate) mod audited;
mod delete;
mod documents;
mod fuel;
mod groups;
mod passages;
mod queue;
mod refresh;
mod revise;
mod sources;
mod uses;

use std::sync::Arc;

use async_trait::async_trait;
use resly_core::{
    error::StoreError,
    id::{OrganizationId, PassageId, RevisionId, SourceId},
    knowledge::{
        AddSourceError, KnowledgeStore, NewSource, Passage, PassageText, RevisionSize, Source, StoredVector, Synonyms,
    },
    meter::Meter,
    time::{Period, Timestamp},
};

#[cfg(test)]
pub(crate) use self::{delete::DELETE_STATEMENTS, uses::WINDOW};
pub(crate) use self::{
    delete::{PageKey, batch, delete_pages, hide_some},
    revise::revise,
    sources::hash,
};
pub use self::{
    documents::{EnqueueError, Enqueued, NewDocument, StoredDocument, WaitingLimits},
    fuel::BurntFuel,
    queue::{DueSource, FAILURES_MOST, ReadQueue, ReadResult},
    refresh::LanguageOf,
    revise::{ChangedBy, FinishedRead, SourceChange, SourceMove, SourceWrite},
    sources::{PageVersion, SourceQuery, StoredSource},
    uses::{CitingAnswer, CitingAnswers},
};
use self::{
    passages::{PassagePlace, from_bytes, insert_passage, passage_bytes},
    sources::SourceRow,
};
use crate::{
    Store,
    audit::{Author, Subject, view},
    billing::{self, Kind, Origin},
    columns::select,
    error::{OperationError, failed, unexpected},
    log_budget,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time},
    usage::{self, Refusal},
};

const SYNONYMS: &str = "SELECT synonyms FROM organizations WHERE id = $1";

async fn add(db: &mut Conn<'_>, source: &NewSource) -> Result<(), OperationError<AddSourceError>> {
    let (organization, now) = (source.organization, source.created_at);
    insert_source(db, source, source.passages.len() as u64, "ready").await?;
    let at = PassagePlace::of(source);
    for (position, passage) in (0_i64..).zip(&source.passages) {
        insert_passage(db, at, position, passage).await?;
    }
    let bytes = source.text.len() + source.passages.iter().map(passage_bytes).sum::<usize>();
    log_budget::add_source(db, organization, bytes, now).await?;
    bump(db, organization).await?;
    count_embeddings(db, organization, source.id, source.passages.len() as u64, now).await
}

async fn insert_source(
    db: &mut Conn<'_>,
    source: &NewSource,
    chunks: u64,
    status: &'static str,
) -> Result<(), OperationError<AddSourceError>> {
    let (organization, now) = (source.organization, source.created_at);
    let inserted = execute!(
        db,
        "INSERT INTO knowledge_sources
             (id, organization_id, title, url, content_type, text, embedder, chunks, created_at, kind, status, identity,
              given_title, revision, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'text', $11, $10, $3, $1, $9)
         ON CONFLICT (organization_id, identity) WHERE identity IS NOT NULL DO NOTHING",
        Id(source.id.0),
        Id(organization.0),
        Text(&source.title),
        source.url.as_deref().map(Text),
        Text(&source.content_type),
        Text(&source.text),
        source.embedder.as_str(),
        Count(chunks),
        Time(now),
        source.identity.as_deref().map(Text),
        status
    )?;
    if inserted == 0 { Err(OperationError::Refused(AddSourceError::Exists)) } else { Ok(()) }
}

/// Counts what was embedded, and bills it.
async fn count_embeddings(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    source: SourceId,
    quantity: u64,
    now: Timestamp,
) -> Result<(), OperationError<AddSourceError>> {
    count_ingest(db, organization, source, Meter::Embeddings, quantity, now).await.map_err(limit_only)
}

/// Counts what reading a source used of a meter, and bills it.
async fn count_ingest(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    source: SourceId,
    meter: Meter,
    quantity: u64,
    now: Timestamp,
) -> Result<(), OperationError<Refusal>> {
    if quantity == 0 {
        return Ok(());
    }
    usage::count(db, organization, meter, quantity, now).await?;
    let (subject, period) = (Some(source.0), Time(Period::containing(now).start));
    let quantity = i64::try_from(quantity).unwrap_or(i64::MAX);
    let of = Origin::default();
    Ok(billing::enter(db, organization, Kind::Ingest, meter, quantity, subject, of, period, now).await?)
}

/// Only messages depend on a subscription, so a source is refused by a limit or not at all.
fn limit_only(halt: OperationError<Refusal>) -> OperationError<AddSourceError> {
    match halt {
        OperationError::Refused(Refusal::Limit(limit)) => OperationError::Refused(AddSourceError::Limit(limit)),
        OperationError::Refused(Refusal::SubscriptionEnded) => {
            OperationError::Database(unexpected("a source was refused for its subscription"))
        }
        OperationError::Database(error) => OperationError::Database(error),
        OperationError::CommitFailure(detail) => OperationError::CommitFailure(detail),
    }
}

pub(crate) async fn bump(db: &mut Conn<'_>, organization: OrganizationId) -> Result<(), sqlx::Error> {
    execute!(db, "UPDATE organizations SET knowledge_version = knowledge_version + 1 WHERE id = $1", Id(organization.0))
        .map(drop)
}

#[derive(sqlx_macros::FromRow)]
struct PassageRow {
    id: Id,
    source_id: Id,
    title: String,
    section: String,
    url: Option<String>,
    text: String,
}

#[derive(sqlx_macros::FromRow)]
struct TextRow {
    id: Id,
    revision: Id,
    position: Count,
    title: String,
    section: String,
    text: String,
}

/// The passages of a list of revisions, in their order.
macro_rules! of_revisions {
    ($columns:literal, $list_and_more:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM knowledge_sources s JOIN passages p ON p.source_id = s.id
             WHERE s.organization_id = $1 AND s.chunks > 0 AND s.revision IN ",
            $list_and_more,
            " ORDER BY s.revision, p.position"
        )
    };
}

/// Passages with their source's address; what follows is a list of their ids.
macro_rules! passages {
    () => {
        "SELECT p.id, p.source_id, p.title, p.section, s.url, p.text
         FROM passages p JOIN knowledge_sources s ON s.id = p.source_id
         WHERE p.organization_id = $1 AND s.chunks > 0 AND p.id IN "
    };
}

pub(crate) const LOAD_PASSAGES: (&str, &str) = (
    concat!(passages!(), "(SELECT value FROM json_each($2))"),
    concat!(passages!(), "(SELECT value::uuid FROM jsonb_array_elements_text($2))"),
);

#[async_trait]
impl KnowledgeStore for Store {
    async fn add_sources(&self, sources: Vec<NewSource>) -> Result<(), AddSourceError> {
        if sources.iter().map(|source| source.passages.len()).sum::<usize>() > groups::GROUP {
            return self.add_in_groups(sources.into_iter().map(Arc::new).collect()).await;
        }
        let Some(first) = sources.first() else { return Ok(()) };
        let by = Author::current();
        self.write(first.organization, "add sources", move |mut db| {
            Box::pin(async move {
                for source in &sources {
                    add(&mut db, source).await?;
                    let NewSource { organization, id, title, url, .. } = source;
                    audited::source(&mut db, &by, *organization, "source.create", *id, title, url.as_deref()).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn list_sources(&self, organization: OrganizationId) -> Result<Vec<Source>, StoreError> {
        let doing = "list the sources";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            SourceRow,
            select!(
                source,
                "FROM knowledge_sources WHERE organization_id = $1 AND status <> 'deleting'
                 ORDER BY created_at DESC, id DESC"
            ),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(SourceRow::source).collect::<Result<_, _>>().map_err(failed(doing))
    }

    async fn delete_sources(&self, organization: OrganizationId, ids: &[SourceId]) -> Result<u64, StoreError> {
        self.hide_sources(organization, ids.to_vec(), Author::current()).await
    }

    async fn synonyms(&self, organization: OrganizationId) -> Result<Synonyms, StoreError> {
        let doing = "read the synonyms";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(db, (Option<Json<Synonyms>>,), SYNONYMS, Id(organization.0));
        Ok(found.map_err(failed(doing))?.and_then(|(synonyms,)| synonyms).map(|found| found.0).unwrap_or_default())
    }

    async fn set_synonyms(&self, organization: OrganizationId, synonyms: Synonyms) -> Result<(), StoreError> {
        let by = Author::current();
        self.write(organization, "change the synonyms", move |mut db| {
            Box::pin(async move {
                let before = row!(db, (Option<Json<Synonyms>>,), SYNONYMS, Id(organization.0))?;
                let before = view(&before.and_then(|(synonyms,)| synonyms).map(|found| found.0).unwrap_or_default())?;
                let subject = Subject::only();
                by.changed(&mut db, organization, "synonyms.change", subject, before, view(&synonyms)?).await?;
                execute!(
                    db,
                    "UPDATE organizations SET synonyms = $2 WHERE id = $1",
                    Id(organization.0),
                    Json(&synonyms)
                )?;
                Ok(bump(&mut db, organization).await?)
            })
        })
        .await
    }

    async fn knowledge_version(&self, organization: OrganizationId) -> Result<u64, StoreError> {
        let doing = "read the knowledge's version";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(db, (Count,), "SELECT knowledge_version FROM organizations WHERE id = $1", Id(organization.0));
        Ok(found.map_err(failed(doing))?.map_or(0, |(version,)| version.0))
    }

    async fn revisions(&self, organization: OrganizationId) -> Result<Vec<RevisionSize>, StoreError> {
        let doing = "count the sources' passages";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            (Id, Count),
            "SELECT revision, chunks FROM knowledge_sources WHERE organization_id = $1 AND status <> 'deleting'
             ORDER BY revision",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let size = |(id, chunks): (Id, Count)| RevisionSize {
            id: RevisionId(id.0),
            passages: u32::try_from(chunks.0).unwrap_or(u32::MAX),
        };
        Ok(found.into_iter().map(size).collect())
    }

    async fn load_texts(
        &self,
        organization: OrganizationId,
        revisions: &[RevisionId],
    ) -> Result<Vec<PassageText>, StoreError> {
        let doing = "load the passages of sources";
        let mut db = self.reader(organization, doing).await?;
        let sql = db.pick(
            of_revisions!(
                "p.id, s.revision, p.position, p.title, p.section, p.text",
                "(SELECT value FROM json_each($2))"
            ),
            of_revisions!(
                "p.id, s.revision, p.position, p.title, p.section, p.text",
                "(SELECT value::uuid FROM jsonb_array_elements_text($2))"
            ),
        );
        let found = rows!(db, TextRow, sql, Id(organization.0), Json(revisions)).map_err(failed(doing))?;
        let text = |row: TextRow| PassageText {
            id: PassageId(row.id.0),
            revision: RevisionId(row.revision.0),
            position: row.position.0,
            title: row.title,
            section: row.section,
            text: row.text,
        };
        Ok(found.into_iter().map(text).collect())
    }

    async fn load_vectors(
        &self,
        organization: OrganizationId,
        embedder: &str,
        revisions: &[RevisionId],
    ) -> Result<Vec<StoredVector>, StoreError> {
        let doing = "load the vectors";
        let mut db = self.reader(organization, doing).await?;
        let sql = db.pick(
            of_revisions!("s.revision, p.id, p.vector", "(SELECT value FROM json_each($2)) AND p.embedder = $3"),
            of_revisions!(
                "s.revision, p.id, p.vector",
                "(SELECT value::uuid FROM jsonb_array_elements_text($2)) AND p.embedder = $3"
            ),
        );
        let found =
            rows!(db, (Id, Id, Vec<u8>), sql, Id(organization.0), Json(revisions), embedder).map_err(failed(doing))?;
        let vector = |(revision, id, bytes): (Id, Id, Vec<u8>)| StoredVector {
            revision: RevisionId(revision.0),
            passage: PassageId(id.0),
            vector: from_bytes(&bytes),
        };
        Ok(found.into_iter().map(vector).collect())
    }

    async fn load_passages(&self, organization: OrganizationId, ids: &[PassageId]) -> Result<Vec<Passage>, StoreError> {
        let doing = "load passages";
        let mut db = self.reader(organization, doing).await?;
        let sql = db.pick(LOAD_PASSAGES.0, LOAD_PASSAGES.1);
        let found = rows!(db, PassageRow, sql, Id(organization.0), Json(ids)).map_err(failed(doing))?;
        let passage = |row: PassageRow| Passage {
            id: PassageId(row.id.0),
            source_id: SourceId(row.source_id.0),
            title: row.title,
            section: row.section,
            url: row.url,
            text: row.text,
            score: 0.0,
        };
        Ok(found.into_iter().map(passage).collect())
    }
}
