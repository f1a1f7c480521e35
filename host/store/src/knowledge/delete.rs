//! Deletes sources and crawls. What a request waits for is that they are hidden: a source of the status `deleting` is shown by
//! no read and found by no search. What is left of it is deleted afterwards, by any host, in transactions so short that no
//! chat feels them, because SQLite has one writer.
//!
//! A source loses its text when it is hidden, since SQLite writes a row anew whatever changes of it.

use resly_core::{
    boxed,
    error::StoreError,
    id::{CrawlId, OrganizationId, SourceId},
};
use serde::Serialize;

use super::{audited, bump};
use crate::{
    RowScope, Store,
    audit::Author,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Id, Json},
};

/// Sources that one transaction hides or deletes, and pages of a crawl.
const ROWS: i64 = 64;
/// Bytes that one transaction frees, beside those of passages. A single row may have more.
const BYTES: i64 = 1 << 20;
/// Passages that one transaction deletes. Each has an entry in the full-text index, and a vector.
const PASSAGES: i64 = 32;

/// A statement with a condition that a column is in the JSON list `$1` of ids, in SQLite and in PostgreSQL.
macro_rules! in_list {
    ($before:literal, $column:literal, $after:literal) => {
        (
            concat!($before, $column, " IN (SELECT value FROM json_each($1))", $after),
            concat!($before, $column, " = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($1)))", $after),
        )
    };
}

const SIZES: (&str, &str) = in_list!(
    "SELECT id, CAST(octet_length(text) AS BIGINT) FROM knowledge_sources
     WHERE organization_id = $2 AND status <> 'deleting' AND ",
    "id",
    ""
);
const HIDE: (&str, &str) = in_list!(
    "UPDATE knowledge_sources
     SET status = 'deleting', text = '', chunks = 0, due_at = NULL, lease = NULL, lease_until = NULL, identity = NULL,
         crawl_id = NULL
     WHERE organization_id = $2 AND ($3 IS NULL OR crawl_id = $3) AND status <> 'deleting' AND ",
    "id",
    ""
);
const HIDDEN: (&str, &str) = (
    "SELECT s.id, octet_length(s.text) + COALESCE(d.size, 0)
     FROM knowledge_sources s LEFT JOIN source_documents d ON d.source_id = s.id
     WHERE s.status = 'deleting' ORDER BY s.id LIMIT $1",
    "SELECT s.id, octet_length(s.text) + COALESCE(d.size, 0)
     FROM knowledge_sources s LEFT JOIN source_documents d ON d.source_id = s.id
     WHERE s.status = 'deleting' ORDER BY s.id LIMIT $1 FOR UPDATE OF s SKIP LOCKED",
);
const DELETE_PASSAGES: (&str, &str) =
    in_list!("DELETE FROM passages WHERE id IN (SELECT id FROM passages WHERE ", "source_id", " LIMIT $2)");
const DELETE_SOURCES: (&str, &str) = in_list!("DELETE FROM knowledge_sources WHERE ", "id", "");

/// The first of some rows, with about as many bytes as one transaction frees, and one row at least.
pub(crate) fn batch<T>(found: Vec<(T, i64)>) -> Vec<T> {
    let mut bytes = 0_i64;
    let fits = |(at, (_, size)): &(usize, (T, i64))| {
        bytes = bytes.saturating_add(*size);
        *at == 0 || bytes <= BYTES
    };
    found.into_iter().enumerate().take_while(fits).map(|(_, (row, _))| row).collect()
}

/// Hides some of the sources of a crawl, whose texts have these sizes: as many as one transaction may. Returns how many.
pub(crate) async fn hide_some(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    crawl: CrawlId,
    found: Vec<(Id, i64)>,
) -> Result<u64, sqlx::Error> {
    hide(db, organization, Some(crawl), &batch(found)).await
}

/// Hides sources; with a crawl, those that are still its own.
async fn hide(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    crawl: Option<CrawlId>,
    ids: &[Id],
) -> Result<u64, sqlx::Error> {
    let ids: Vec<SourceId> = ids.iter().map(|id| SourceId(id.0)).collect();
    let crawl = crawl.map(|id| Id(id.0));
    let hidden = execute!(db, db.pick(HIDE.0, HIDE.1), Json(&ids), Id(organization.0), crawl)?;
    if hidden > 0 {
        bump(db, organization).await?;
    }
    Ok(hidden)
}

/// Hides a crawl, whose URL may be that of another one from then on. False when there is no such crawl.
async fn hide_crawl(db: &mut Conn<'_>, organization: OrganizationId, crawl: CrawlId) -> Result<bool, sqlx::Error> {
    let hidden = execute!(
        db,
        "UPDATE crawls SET status = 'deleting', url = $3, due_at = NULL, lease = NULL, lease_until = NULL
         WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'",
        Id(crawl.0),
        Id(organization.0),
        format!("deleting:{crawl}")
    )?;
    Ok(hidden > 0)
}

/// Hides some sources of a crawl that is hidden. Returns how many.
async fn hide_some_of_crawl(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    crawl: CrawlId,
) -> Result<u64, sqlx::Error> {
    // The job and the request may be at the same sources.
    let lock = db.pick("SELECT id FROM crawls WHERE id = $1", "SELECT id FROM crawls WHERE id = $1 FOR UPDATE");
    row!(db, (Id,), lock, Id(crawl.0))?;
    let found = rows!(
        db,
        (Id, i64),
        "SELECT id, CAST(octet_length(text) AS BIGINT) FROM knowledge_sources
         WHERE crawl_id = $1 AND organization_id = $2 LIMIT $3",
        Id(crawl.0),
        Id(organization.0),
        ROWS
    )?;
    hide_some(db, organization, crawl, found).await
}

/// Deletes some of what is left of sources. False when nothing is.
async fn delete_some_sources(db: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
    let found = rows!(db, (Id, i64), db.pick(HIDDEN.0, HIDDEN.1), ROWS)?;
    let ids: Vec<SourceId> = batch(found).into_iter().map(|id| SourceId(id.0)).collect();
    if ids.is_empty() {
        return Ok(false);
    }
    let passages = execute!(db, db.pick(DELETE_PASSAGES.0, DELETE_PASSAGES.1), Json(&ids), PASSAGES)?;
    if passages < PASSAGES.unsigned_abs() {
        execute!(db, db.pick(DELETE_SOURCES.0, DELETE_SOURCES.1), Json(&ids))?;
    }
    Ok(true)
}

/// A page of a crawl, beside the crawl.
#[derive(Serialize)]
pub(crate) struct PageKey(pub String, pub String);

/// Deletes these pages of a crawl. Returns how many there were.
pub(crate) async fn delete_pages(db: &mut Conn<'_>, crawl: CrawlId, pages: &[PageKey]) -> Result<u64, sqlx::Error> {
    let sql = db.pick(
        "DELETE FROM crawl_pages WHERE crawl_id = $1
             AND (kind, url) IN (SELECT value->>0, value->>1 FROM json_each($2))",
        "DELETE FROM crawl_pages WHERE crawl_id = $1
             AND (kind, url) IN (SELECT value->>0, value->>1 FROM jsonb_array_elements($2))",
    );
    execute!(db, sql, Id(crawl.0), Json(pages))
}

/// Deletes some of what is left of crawls: hides their sources, then deletes their pages. False when nothing is.
async fn delete_some_crawls(db: &mut Conn<'_>) -> Result<bool, sqlx::Error> {
    let sql = db.pick(
        "SELECT id, organization_id FROM crawls WHERE status = 'deleting' ORDER BY id LIMIT 1",
        "SELECT id, organization_id FROM crawls WHERE status = 'deleting' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    );
    let Some((id, organization)) = row!(db, (Id, Id), sql)? else { return Ok(false) };
    let (crawl, organization) = (CrawlId(id.0), OrganizationId(organization.0));
    if hide_some_of_crawl(db, organization, crawl).await? > 0 {
        return Ok(true);
    }
    let sql = db.pick(
        "SELECT kind, url, COALESCE(octet_length(links), 0) + COALESCE(octet_length(content), 0)
         FROM crawl_pages WHERE crawl_id = $1 LIMIT $2",
        "SELECT kind, url, CAST(COALESCE(pg_column_size(links), 0) + COALESCE(pg_column_size(content), 0) AS BIGINT)
         FROM crawl_pages WHERE crawl_id = $1 LIMIT $2",
    );
    let found = rows!(db, (String, String, i64), sql, id, ROWS)?;
    let pages = batch(found.into_iter().map(|(kind, url, size)| (PageKey(kind, url), size)).collect());
    if pages.is_empty() {
        execute!(db, "DELETE FROM crawls WHERE id = $1", id)?;
    } else {
        delete_pages(db, crawl, &pages).await?;
    }
    Ok(true)
}

impl Store {
    /// Hides sources. Returns how many of them the organization had.
    pub(super) async fn hide_sources(
        &self,
        organization: OrganizationId,
        sources: Vec<SourceId>,
        by: Author,
    ) -> Result<u64, StoreError> {
        let doing = "delete sources";
        let mut found = {
            let mut db = self.reader(organization, doing).await?;
            let sql = db.pick(SIZES.0, SIZES.1);
            rows!(db, (Id, i64), sql, Json(&sources), Id(organization.0)).map_err(failed(doing))?
        };
        let mut hidden = 0;
        while !found.is_empty() {
            let ids = batch(found.clone());
            found.drain(..ids.len());
            let by = by.clone();
            let some: u64 = self
                .write(organization, doing, move |mut db| {
                    Box::pin(async move {
                        audited::deleted(&mut db, &by, organization, &ids).await?;
                        Ok(hide(&mut db, organization, None, &ids).await?)
                    })
                })
                .await?;
            hidden += some;
        }
        Ok(hidden)
    }

    /// Hides a crawl and its sources. No host goes on with it, and its URL may be added again at once. False when the
    /// organization has no such crawl.
    #[boxed]
    pub async fn delete_crawl(&self, organization: OrganizationId, id: CrawlId) -> Result<bool, StoreError> {
        let by = Author::current();
        let there: bool = self
            .write(organization, "delete a crawl", move |mut db| {
                Box::pin(async move {
                    audited::crawl_deleted(&mut db, &by, organization, id).await?;
                    Ok(hide_crawl(&mut db, organization, id).await?)
                })
            })
            .await?;
        let mut hidden = u64::from(there);
        while hidden > 0 {
            hidden = self
                .write(organization, "delete the sources of a crawl", move |mut db| {
                    Box::pin(async move { Ok(hide_some_of_crawl(&mut db, organization, id).await?) })
                })
                .await?;
        }
        Ok(there)
    }

    /// Deletes some of what is left of sources and crawls that were deleted, in one short transaction. False when nothing is
    /// left. Any number of hosts may do it at once.
    #[boxed]
    pub async fn delete_hidden(&self) -> Result<bool, StoreError> {
        self.write(RowScope::Host, "delete what is left of sources", move |mut db| {
            Box::pin(async move { Ok(delete_some_crawls(&mut db).await? || delete_some_sources(&mut db).await?) })
        })
        .await
    }
}

/// Every statement that deletes sources, as SQLite runs it.
#[cfg(test)]
pub(crate) const DELETE_STATEMENTS: [&str; 4] = [HIDE.0, HIDDEN.0, DELETE_PASSAGES.0, DELETE_SOURCES.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_row_at_least_and_few_bytes() {
        let of = |sizes: &[i64]| batch(sizes.iter().map(|size| ((), *size)).collect()).len();
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[BYTES * 16, 1]), 1);
        assert_eq!(of(&[BYTES / 2, BYTES / 2, 1]), 2);
        assert_eq!(of(&[0; 64]), 64);
    }
}
