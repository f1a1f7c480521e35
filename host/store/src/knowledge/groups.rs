//! Writes the passages of large sources in groups of their own, because SQLite has one writer and everybody waits for a long
//! transaction.
//!
//! A source without its number of passages isn't searched. So its passages are written first, and what makes the source
//! `ready` is one short transaction. What a dead host left is deleted by [`Store::forget_unfinished_sources`].

use std::sync::Arc;

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, SourceId},
    knowledge::{AddSourceError, NewSource},
    time::Timestamp,
};

use super::{
    audited, bump, count_embeddings, insert_source,
    passages::{PassagePlace, insert_passage, passage_bytes},
};
use crate::{
    RowScope, Store,
    audit::Author,
    error::OperationError,
    log_budget,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Time},
};

/// Passages of one transaction. A source of no more is written at once.
pub(super) const GROUP: usize = 64;
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

impl Store {
    /// Adds sources of one organization, all of them or none. Their passages are written in groups.
    pub(super) async fn add_in_groups(&self, sources: Vec<Arc<NewSource>>) -> Result<(), AddSourceError> {
        let Some(organization) = sources.first().map(|source| source.organization) else { return Ok(()) };
        let (new, by) = (sources.clone(), Author::current());
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
            let (sources, by) = (sources.clone(), by.clone());
            self.write(organization, "add sources", move |mut db| {
                Box::pin(async move {
                    for source in &sources {
                        publish(&mut db, source).await?;
                        let NewSource { organization, id, title, url, .. } = &**source;
                        audited::source(&mut db, &by, *organization, "source.create", *id, title, url.as_deref())
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
        };
        let added = added.await;
        if added.is_err() {
            let ids = sources.iter().map(|source| source.id).collect();
            self.hide_sources(organization, ids, Author::nobody()).await?;
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
                        "SELECT id FROM knowledge_sources
                         WHERE id = $1 AND organization_id = $2 AND chunks = 0 AND status <> 'deleting'",
                        Id(id.0),
                        Id(organization.0)
                    )?;
                    if there.is_none() {
                        return Err(OperationError::Refused(AddSourceError::Changed));
                    }
                    let at = PassagePlace::of(&source);
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

    /// Deletes the sources that a request was adding when its host died, and those of crawls that are gone. Returns how many.
    #[boxed]
    pub async fn forget_unfinished_sources(&self, now: Timestamp) -> Result<u64, StoreError> {
        let doing = "look for unfinished sources";
        let lost = {
            let mut db = self.reader(RowScope::Host, doing).await?;
            rows!(
                db,
                (Id, Id),
                "SELECT organization_id, id FROM knowledge_sources
                 WHERE (kind = 'text' AND status = 'reading' AND chunks = 0 AND lease IS NULL AND due_at IS NULL
                        AND created_at < $1)
                   OR (crawl_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM crawls c WHERE c.id = crawl_id))",
                Time(Timestamp::from_micros(now.micros() - LOST_US))
            )
            .map_err(crate::error::failed(doing))?
        };
        let mut forgotten = 0;
        for (organization, source) in lost {
            forgotten +=
                self.hide_sources(OrganizationId(organization.0), vec![SourceId(source.0)], Author::nobody()).await?;
        }
        Ok(forgotten)
    }
}
