//! Finds and lists sources.

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, OrganizationId, RevisionId, SourceId},
    knowledge::{ReadProgress, Source, SourceFailure, SourceStatus},
};

use crate::{
    Store,
    columns::{columns, select},
    error::{failed, unexpected},
    page::Cursor,
    query::Query,
    sql::{Conn, row},
    types::{Count, Id, Text, Time, named},
};

/// A source with its text.
#[derive(Clone, Debug)]
pub struct StoredSource {
    pub source: Source,
    /// As it was sent, or as it was read of the document.
    pub text: String,
}

/// Which sources are listed.
#[derive(Clone, Debug, Default)]
pub struct SourceQuery {
    pub status: Option<SourceStatus>,
    pub crawl: Option<CrawlId>,
    /// The beginning of the identity.
    pub identity_prefix: Option<String>,
    /// The page begins after this source.
    pub before: Option<Cursor>,
    pub limit: u32,
}

/// The validators of a page (RFC 9110, section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageVersion {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

#[derive(sqlx_macros::FromRow)]
pub(super) struct SourceRow {
    id: Id,
    kind: String,
    crawl_id: Option<Id>,
    status: String,
    failure_kind: Option<String>,
    failure_message: Option<String>,
    note: Option<String>,
    embedded: Count,
    to_embed: Count,
    title: String,
    url: Option<String>,
    identity: Option<String>,
    content_type: String,
    content_hash: Option<Vec<u8>>,
    embedder: String,
    revision: Id,
    chunks: Count,
    refresh_every_s: Option<Count>,
    created_at: Time,
    updated_at: Time,
    checked_at: Option<Time>,
    due_at: Option<Time>,
}

#[derive(sqlx_macros::FromRow)]
struct TextRow {
    #[sqlx(flatten)]
    source: SourceRow,
    text: String,
}

impl SourceRow {
    pub fn source(self) -> Result<Source, sqlx::Error> {
        let failure = match (self.failure_kind, self.failure_message) {
            (Some(kind), Some(message)) => Some(SourceFailure { kind: named(kind)?, message }),
            _ => None,
        };
        let number = |count: Count| u32::try_from(count.0).unwrap_or(u32::MAX);
        Ok(Source {
            id: SourceId(self.id.0),
            kind: named(self.kind)?,
            crawl: self.crawl_id.map(|id| CrawlId(id.0)),
            status: named(self.status)?,
            failure,
            note: self.note,
            progress: ReadProgress { embedded: number(self.embedded), passages: number(self.to_embed) },
            title: self.title,
            url: self.url,
            identity: self.identity,
            content_type: self.content_type,
            content_hash: self.content_hash.map(hash).transpose()?,
            embedder: self.embedder,
            revision: RevisionId(self.revision.0),
            chunks: number(self.chunks),
            refresh_every_s: self.refresh_every_s.map(number),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
            checked_at: self.checked_at.map(|at| at.0),
            due_at: self.due_at.map(|at| at.0),
        })
    }
}

pub(crate) fn hash(bytes: Vec<u8>) -> Result<[u8; 32], sqlx::Error> {
    bytes.try_into().map_err(|_| unexpected("a hash that isn't 32 bytes long"))
}

/// The query for a page of the organization's sources.
pub(crate) fn list(db: &Conn<'_>, organization: OrganizationId, wanted: &SourceQuery) -> Query {
    let SourceQuery { status, crawl, identity_prefix, before, limit } = wanted;
    let mut list = Query::new(db, select!(source, "FROM knowledge_sources WHERE organization_id = "));
    list.bind(Id(organization.0)).push(" AND status <> 'deleting'");
    match status {
        // As their index has it.
        Some(SourceStatus::Failed) => drop(list.push(" AND status = 'failed'")),
        status => drop(list.filter(" AND status = ", status.map(SourceStatus::name))),
    }
    list.filter(" AND crawl_id = ", crawl.map(|id| Id(id.0)));
    if let Some(prefix) = identity_prefix {
        list.push(" AND substr(identity, 1, length(").bind(Text(prefix)).push(")) = ").bind(Text(prefix));
    }
    list.older(" AND (created_at, id)", *before)
        .push(" ORDER BY created_at DESC, id DESC LIMIT ")
        .bind(i64::from(*limit));
    list
}

impl Store {
    /// A source with its text; `None` when the organization has no such source.
    #[boxed]
    pub async fn find_source(
        &self,
        organization: OrganizationId,
        id: SourceId,
    ) -> Result<Option<StoredSource>, StoreError> {
        let doing = "read a source";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            TextRow,
            concat!(
                "SELECT ",
                columns!(source),
                ", text FROM knowledge_sources WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'"
            ),
            Id(id.0),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        let source = |row: TextRow| Ok(StoredSource { source: row.source.source()?, text: row.text });
        found.map(source).transpose().map_err(failed(doing))
    }

    /// The source that has this identity; else the oldest one without an identity that has this URL.
    #[boxed]
    pub async fn identify_source(
        &self,
        organization: OrganizationId,
        identity: &str,
        url: &str,
    ) -> Result<Option<SourceId>, StoreError> {
        let doing = "look for a source";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (Id,),
            "SELECT id FROM knowledge_sources
             WHERE organization_id = $1 AND (identity = $2 OR (identity IS NULL AND url = $3)) AND status <> 'deleting'
             ORDER BY (identity IS NULL), created_at, id LIMIT 1",
            Id(organization.0),
            Text(identity),
            Text(url)
        );
        Ok(found.map_err(failed(doing))?.map(|(id,)| SourceId(id.0)))
    }

    /// A page of the organization's sources, newest first.
    #[boxed]
    pub async fn sources(&self, organization: OrganizationId, query: SourceQuery) -> Result<Vec<Source>, StoreError> {
        let doing = "list a page of the sources";
        let mut db = self.reader(organization, doing).await?;
        let page = list(&db.conn(), organization, &query);
        let found: Vec<SourceRow> = page.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(SourceRow::source).collect::<Result<_, _>>().map_err(failed(doing))
    }
}
