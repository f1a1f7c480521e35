//! Brings up to date what PostgreSQL derives from passages for those who query the database themselves: their words by
//! language, and their vectors as the type of `pgvector`.
//!
//! Triggers derive both when a passage is written. When more can be derived than before, such as after an extension came,
//! `passage_refresh` has a row that says at which passage to go on.

use std::collections::BTreeMap;

use resly_core::{boxed, error::StoreError};
use uuid::Uuid;

use crate::{
    RowScope, Store,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json},
};

/// Passages of one transaction.
const BATCH: usize = 100;

/// Names the language of a source by its title and the beginning of its text, as a BCP-47 code.
pub type LanguageOf = fn(&str, &str) -> &'static str;

impl Store {
    /// Brings the next passages up to date. Returns whether there are more. SQLite derives nothing.
    #[boxed]
    pub async fn refresh_passages(&self, language_of: LanguageOf) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return Ok(false);
        }
        self.write(RowScope::Host, "bring what is derived from passages up to date", move |mut db| {
            Box::pin(async move { Ok(refresh(&mut db, language_of).await?) })
        })
        .await
    }
}

async fn refresh(db: &mut Conn<'_>, language_of: LanguageOf) -> Result<bool, sqlx::Error> {
    // Of several hosts, one goes on.
    let begun = row!(db, (Id,), "SELECT next_id FROM passage_refresh FOR UPDATE SKIP LOCKED")?;
    let Some((first,)) = begun else { return Ok(false) };
    let mut batch = rows!(
        db,
        (Id, Id, bool),
        "SELECT id, source_id, language IS NULL FROM passages WHERE id >= $1 ORDER BY id LIMIT $2",
        first,
        Count(BATCH as u64 + 1)
    )?;
    let next = if batch.len() > BATCH { batch.pop().map(|(id, ..)| id) } else { None };
    let unknown = batch.iter().filter(|(.., unknown)| *unknown).map(|(_, source, _)| source.0);
    let languages = languages(db, unknown.collect(), language_of).await?;
    if let Some((last, ..)) = batch.last() {
        // A trigger runs when a column is named, whether or not its value changes.
        execute!(
            db,
            "UPDATE passages p SET vector = p.vector, language = coalesce(p.language, $3 ->> p.source_id::text)
             WHERE p.id BETWEEN $1 AND $2",
            first,
            *last,
            Json(&languages)
        )?;
    }
    match next {
        Some(next) => execute!(db, "UPDATE passage_refresh SET next_id = $1", next)?,
        None => execute!(db, "DELETE FROM passage_refresh")?,
    };
    Ok(next.is_some())
}

/// The languages of these sources.
async fn languages(
    db: &mut Conn<'_>,
    sources: Vec<Uuid>,
    language_of: LanguageOf,
) -> Result<BTreeMap<String, &'static str>, sqlx::Error> {
    if sources.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = rows!(
        db,
        (Id, String, String),
        "SELECT id, title, left(text, 4000) FROM knowledge_sources
         WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1))",
        Json(&sources)
    )?;
    Ok(found.into_iter().map(|(id, title, text)| (id.0.to_string(), language_of(&title, &text))).collect())
}
