//! Knowledge: sources, passages and their vectors.
//!
//! The host's own search, in `search`, reads them from here. The full-text columns beside them are for those who
//! query the database themselves.

use async_trait::async_trait;
use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, PassageId, SourceId},
    knowledge::{
        AddSourceError, KnowledgeStore, NewPassage, NewSource, Passage, PassageText, Source, SourceSize, StoredVector,
        Synonyms,
    },
    meter::Meter,
    time::{Period, Timestamp},
};

use crate::{
    Store,
    billing::{self, Kind},
    error::{OperationError, failed, unexpected},
    log_budget,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time},
    usage::{self, Refusal},
};

/// Little-endian, whatever machine wrote it.
fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

async fn add(db: &mut Conn<'_>, source: &NewSource) -> Result<(), OperationError<AddSourceError>> {
    let (organization, now) = (source.organization, source.created_at);
    execute!(
        db,
        "INSERT INTO knowledge_sources
             (id, organization_id, title, url, content_type, text, embedder, chunks, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        Id(source.id.0),
        Id(organization.0),
        Text(&source.title),
        source.url.as_deref().map(Text),
        Text(&source.content_type),
        Text(&source.text),
        source.embedder.as_str(),
        Count(source.passages.len() as u64),
        Time(now)
    )?;
    for (position, passage) in (0_i64..).zip(&source.passages) {
        execute!(
            db,
            "INSERT INTO passages
                 (id, organization_id, source_id, position, title, section, text, embedder, vector)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            Id(passage.id.0),
            Id(organization.0),
            Id(source.id.0),
            position,
            Text(&source.title),
            Text(&passage.section),
            Text(&passage.text),
            source.embedder.as_str(),
            to_bytes(&passage.vector)
        )?;
    }
    let passage = |passage: &NewPassage| passage.text.len() + passage.section.len() + 4 * passage.vector.len();
    let bytes = source.text.len() + source.passages.iter().map(passage).sum::<usize>();
    log_budget::add_source(db, organization, bytes, now).await?;
    bump(db, organization).await?;
    let quantity = source.passages.len() as u64;
    if quantity == 0 {
        return Ok(());
    }
    usage::count(db, organization, Meter::Embeddings, quantity, now).await.map_err(limit_only)?;
    let (subject, period) = (Some(source.id.0), Time(Period::containing(now).start));
    let quantity = i64::try_from(quantity).unwrap_or(i64::MAX);
    billing::enter(db, organization, Kind::Ingest, Meter::Embeddings, quantity, subject, period, now).await?;
    Ok(())
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

async fn bump(db: &mut Conn<'_>, organization: OrganizationId) -> Result<(), sqlx::Error> {
    execute!(db, "UPDATE organizations SET knowledge_version = knowledge_version + 1 WHERE id = $1", Id(organization.0))
        .map(drop)
}

#[derive(sqlx_macros::FromRow)]
struct SourceRow {
    id: Id,
    title: String,
    url: Option<String>,
    content_type: String,
    chunks: Count,
    created_at: Time,
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
    source_id: Id,
    position: Count,
    title: String,
    section: String,
    text: String,
}

/// The passages of a list of sources, in their order.
macro_rules! of_sources {
    ($list_and_more:literal) => {
        concat!("WHERE organization_id = $1 AND source_id IN ", $list_and_more, " ORDER BY source_id, position")
    };
}

/// Passages with their source's address; what follows is a list of their ids.
macro_rules! passages {
    () => {
        "SELECT p.id, p.source_id, p.title, p.section, s.url, p.text
         FROM passages p JOIN knowledge_sources s ON s.id = p.source_id
         WHERE p.organization_id = $1 AND p.id IN "
    };
}

#[async_trait]
impl KnowledgeStore for Store {
    async fn add_source(&self, source: NewSource) -> Result<(), AddSourceError> {
        self.write("add a source", move |mut db| Box::pin(async move { add(&mut db, &source).await })).await
    }

    async fn list_sources(&self, organization: OrganizationId) -> Result<Vec<Source>, StoreError> {
        let doing = "list the sources";
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            SourceRow,
            "SELECT id, title, url, content_type, chunks, created_at FROM knowledge_sources
             WHERE organization_id = $1 ORDER BY created_at DESC, id DESC",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let source = |row: SourceRow| Source {
            id: SourceId(row.id.0),
            title: row.title,
            url: row.url,
            content_type: row.content_type,
            chunks: u32::try_from(row.chunks.0).unwrap_or(u32::MAX),
            created_at: row.created_at.0,
        };
        Ok(found.into_iter().map(source).collect())
    }

    async fn delete_source(
        &self,
        organization: OrganizationId,
        id: SourceId,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("delete a source", move |mut db| {
            Box::pin(async move {
                let deleted = execute!(
                    db,
                    "DELETE FROM knowledge_sources WHERE id = $1 AND organization_id = $2",
                    Id(id.0),
                    Id(organization.0)
                )?;
                if deleted > 0 {
                    bump(&mut db, organization).await?;
                }
                Ok(deleted > 0)
            })
        })
        .await
    }

    async fn synonyms(&self, organization: OrganizationId) -> Result<Synonyms, StoreError> {
        let doing = "read the synonyms";
        let mut db = self.reader(doing).await?;
        let found =
            row!(db, (Option<Json<Synonyms>>,), "SELECT synonyms FROM organizations WHERE id = $1", Id(organization.0));
        Ok(found.map_err(failed(doing))?.and_then(|(synonyms,)| synonyms).map(|found| found.0).unwrap_or_default())
    }

    async fn set_synonyms(&self, organization: OrganizationId, synonyms: Synonyms) -> Result<(), StoreError> {
        self.write("change the synonyms", move |mut db| {
            Box::pin(async move {
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
        let mut db = self.reader(doing).await?;
        let found = row!(db, (Count,), "SELECT knowledge_version FROM organizations WHERE id = $1", Id(organization.0));
        Ok(found.map_err(failed(doing))?.map_or(0, |(version,)| version.0))
    }

    async fn source_sizes(&self, organization: OrganizationId) -> Result<Vec<SourceSize>, StoreError> {
        let doing = "count the sources' passages";
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            (Id, Count),
            "SELECT id, chunks FROM knowledge_sources WHERE organization_id = $1 ORDER BY id",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let size = |(id, chunks): (Id, Count)| SourceSize {
            id: SourceId(id.0),
            passages: u32::try_from(chunks.0).unwrap_or(u32::MAX),
        };
        Ok(found.into_iter().map(size).collect())
    }

    async fn load_texts(
        &self,
        organization: OrganizationId,
        sources: &[SourceId],
    ) -> Result<Vec<PassageText>, StoreError> {
        let doing = "load the passages of sources";
        let mut db = self.reader(doing).await?;
        let sql = db.pick(
            concat!(
                "SELECT id, source_id, position, title, section, text FROM passages ",
                of_sources!("(SELECT value FROM json_each($2))")
            ),
            concat!(
                "SELECT id, source_id, position, title, section, text FROM passages ",
                of_sources!("(SELECT value::uuid FROM jsonb_array_elements_text($2))")
            ),
        );
        let found = rows!(db, TextRow, sql, Id(organization.0), Json(sources)).map_err(failed(doing))?;
        let text = |row: TextRow| PassageText {
            id: PassageId(row.id.0),
            source_id: SourceId(row.source_id.0),
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
        sources: &[SourceId],
    ) -> Result<Vec<StoredVector>, StoreError> {
        let doing = "load the vectors";
        let mut db = self.reader(doing).await?;
        let sql = db.pick(
            concat!(
                "SELECT source_id, id, vector FROM passages ",
                of_sources!("(SELECT value FROM json_each($2)) AND embedder = $3")
            ),
            concat!(
                "SELECT source_id, id, vector FROM passages ",
                of_sources!("(SELECT value::uuid FROM jsonb_array_elements_text($2)) AND embedder = $3")
            ),
        );
        let found =
            rows!(db, (Id, Id, Vec<u8>), sql, Id(organization.0), Json(sources), embedder).map_err(failed(doing))?;
        let vector = |(source, id, bytes): (Id, Id, Vec<u8>)| StoredVector {
            source_id: SourceId(source.0),
            passage: PassageId(id.0),
            vector: from_bytes(&bytes),
        };
        Ok(found.into_iter().map(vector).collect())
    }

    async fn load_passages(&self, organization: OrganizationId, ids: &[PassageId]) -> Result<Vec<Passage>, StoreError> {
        let doing = "load passages";
        let mut db = self.reader(doing).await?;
        let sql = db.pick(
            concat!(passages!(), "(SELECT value FROM json_each($2))"),
            concat!(passages!(), "(SELECT value::uuid FROM jsonb_array_elements_text($2))"),
        );
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

impl Store {
    /// A source's text, as it was added; `None` when the organization has no such source.
    #[boxed]
    pub async fn source_text(&self, organization: OrganizationId, id: SourceId) -> Result<Option<String>, StoreError> {
        let doing = "read a source";
        let mut db = self.reader(doing).await?;
        let found = row!(
            db,
            (String,),
            "SELECT text FROM knowledge_sources WHERE id = $1 AND organization_id = $2",
            Id(id.0),
            Id(organization.0)
        );
        Ok(found.map_err(failed(doing))?.map(|(text,)| text))
    }
}
