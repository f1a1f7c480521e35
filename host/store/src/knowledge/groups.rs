//! Writes and deletes the passages of large sources in groups of their own, because SQLite has one writer and everybody
//! waits for a long transaction.
//!
//! A source without its number of passages isn't searched. So its passages are written first, and what makes the source
//! `ready` is one short transaction. A source that is being deleted has the status `deleting`, which no read shows. What a
//! dead host left is deleted by [`Store::forget_unfinished_sources`].

use std::sync::Arc;

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, SourceId},
    knowledge::{AddSourceError, NewSource},
    time::Timestamp,
};

use super::{PassagePlace, bump, count_embeddings, insert_passage, insert_source, passage_bytes};
use crate::{
    RowScope, Store,
    error::OperationError,
    log_budget,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Time},
};

/// Passages of one transaction. A source of no more is written at once.
pub(super) const GROUP: usize = 64;
/// Passages that are deleted in one transaction. The statement has the same number.
const DELETED_AT_ONCE: u64 = 256;
/// After so many microseconds, a source that is being added has lost its host.
const LOST_US: i64 = 3_600_000_000;

/// Makes a source whose passages are written one that is searched, and counts them.
async fn publish(db: &mut Conn<'_>, source: &NewSource) -> Result<(), OperationError<AddSourceError>> {
    let (organization, now) = (source.organization, source.created_at);
    let count = source.passages.len() as u64;
    let ready = execute!(
        db,
        "UPDATE knowledge_sources SET status = 'ready', chunks = $3
         WHERE id = $1 AND organization_id = $2 AND status = 'reading' AND chunks = 0",
        Id(source.id.0),
        Id(organization.0),
        Count(count)
    )?;
    if ready == 0 {
        return Err(OperationError::Refused(AddSourceError::Changed));
    }
    let bytes = source.text.len() + source.passages.iter().map(passage_bytes).sum::<usize>();
    log_budget::add_source(db, organization, bytes, now).await?;
    bump(db, organization).await?;
    count_embeddings(db, organization, source.id, count, now).await
}

/// Hides a source from every read and search. False when the organization has no such source.
async fn hide(db: &mut Conn<'_>, organization: OrganizationId, source: SourceId) -> Result<bool, sqlx::Error> {
    let hidden = execute!(
        db,
        "UPDATE knowledge_sources
         SET status = 'deleting', chunks = 0, due_at = NULL, lease = NULL, lease_until = NULL,
             identity = NULL, crawl_id = NULL
         WHERE id = $1 AND organization_id = $2 AND status <> 'deleting'",
        Id(source.0),
        Id(organization.0)
    )?;
    Ok(hidden > 0)
}

impl Store {
    /// Adds sources of one organization, all of them or none. Their passages are written in groups.
    pub(super) async fn add_in_groups(&self, sources: Vec<Arc<NewSource>>) -> Result<(), AddSourceError> {
        let Some(organization) = sources.first().map(|source| source.organization) else { return Ok(()) };
        let new = sources.clone();
        self.write(organization, "add sources", move |mut db| {
            Box::pin(async move {
                for source in &new {
                    insert_source(&mut db, source, 0, "reading").await?;
                }
                Ok(())
            })
        })
        .await?;
        let added = async {
            for source in &sources {
                self.write_passages(Arc::clone(source)).await?;
            }
            let sources = sources.clone();
            self.write(organization, "add sources", move |mut db| {
                Box::pin(async move {
                    for source in &sources {
                        publish(&mut db, source).await?;
                    }
                    Ok(())
                })
            })
            .await
        };
        let added = added.await;
        if added.is_err() {
            let ids = sources.iter().map(|source| source.id).collect();
            self.delete_in_groups(organization, ids).await?;
        }
        added
    }

    /// Writes the passages of a source in groups. It isn't searched, since it has no number of passages yet.
    pub(super) async fn write_passages(&self, source: Arc<NewSource>) -> Result<(), AddSourceError> {
        for from in (0..source.passages.len()).step_by(GROUP) {
            let source = Arc::clone(&source);
            self.write(source.organization, "add passages", move |mut db| {
                Box::pin(async move {
                    let (organization, id) = (source.organization, source.id);
                    let there = row!(
                        db,
                        (Id,),
                        "SELECT id FROM knowledge_sources WHERE id = $1 AND organization_id = $2 AND chunks = 0",
                        Id(id.0),
                        Id(organization.0)
                    )?;
                    if there.is_none() {
                        return Err(OperationError::Refused(AddSourceError::Changed));
                    }
                    let at =
                        PassagePlace { organization, source: id, title: &source.title, embedder: &source.embedder };
                    for (n, passage) in source.passages.iter().enumerate().skip(from).take(GROUP) {
                        insert_passage(&mut db, at, i64::try_from(n).unwrap_or(i64::MAX), passage).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        }
        Ok(())
    }

    /// Deletes sources and their passages, in groups. Returns how many of them the organization had. From the first group on
    /// none of them is there any more, even when the host dies before the last.
    pub(super) async fn delete_in_groups(
        &self,
        organization: OrganizationId,
        sources: Vec<SourceId>,
    ) -> Result<u64, StoreError> {
        let hidden = self
            .write(organization, "delete sources", move |mut db| {
                Box::pin(async move {
                    let mut hidden = Vec::with_capacity(sources.len());
                    for source in sources {
                        if hide(&mut db, organization, source).await? {
                            hidden.push(source);
                        }
                    }
                    if !hidden.is_empty() {
                        bump(&mut db, organization).await?;
                    }
                    Ok(hidden)
                })
            })
            .await?;
        for source in &hidden {
            self.finish_deleting(organization, *source).await?;
        }
        Ok(hidden.len() as u64)
    }

    /// Deletes what is left of a source that is being deleted. Any number of hosts may do it at the same time.
    async fn finish_deleting(&self, organization: OrganizationId, source: SourceId) -> Result<(), StoreError> {
        let mut gone = false;
        while !gone {
            gone = self
                .write(organization, "delete a source", move |mut db| {
                    Box::pin(async move {
                        let sql = "DELETE FROM passages
                                   WHERE id IN (SELECT id FROM passages WHERE source_id = $1 LIMIT 256)";
                        let last = execute!(db, sql, Id(source.0))? < DELETED_AT_ONCE;
                        if last {
                            let sql = "DELETE FROM knowledge_sources WHERE id = $1 AND organization_id = $2";
                            execute!(db, sql, Id(source.0), Id(organization.0))?;
                        }
                        Ok(last)
                    })
                })
                .await?;
        }
        Ok(())
    }

    /// Deletes the sources that a request was adding or deleting when its host died, and those of crawls that were deleted.
    /// Returns how many.
    #[boxed]
    pub async fn forget_unfinished_sources(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "look for unfinished sources";
        let lost = {
            let mut db = self.reader(RowScope::Host, doing).await?;
            rows!(
                db,
                (Id, Id, String),
                "SELECT organization_id, id, status FROM knowledge_sources
                 WHERE status = 'deleting' OR (kind = 'text' AND status = 'reading' AND chunks = 0 AND lease IS NULL
                     AND due_at IS NULL AND created_at < $1)
                   OR (crawl_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM crawls c WHERE c.id = crawl_id))",
                Time(Timestamp::from_micros(now.micros() - LOST_US))
            )
            .map_err(crate::error::failed(doing))?
        };
        let forgotten = lost.len() as u64;
        for (organization, source, status) in lost {
            let (organization, source) = (OrganizationId(organization.0), SourceId(source.0));
            if status == "deleting" {
                self.finish_deleting(organization, source).await?;
            } else {
                self.delete_in_groups(organization, vec![source]).await?;
            }
        }
        Ok(forgotten)
    }
}
