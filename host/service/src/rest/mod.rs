//! REST over the tables: reads and writes of an organization's own rows, in PostgREST's dialect.
//!
//! `resly_rest` reads what was asked for, the store runs it. Here is what else a request means: which tables may be
//! written, that a change needs a condition, and that a written source of knowledge is read in and metered like any other.

mod sources;
mod write;

use resly_core::{boxed, error::StoreError, id::OrganizationId};
use resly_rest::{
    RestError,
    error::RestError as Refusal,
    prefer::Preferences,
    query::Query,
    registry::{self, Table, Verb},
    resolve, window,
};
use resly_store::{RestRead, RestRows, RestStoreError};

pub use self::write::{Deletion, RowChange, delete, insert, update};
use crate::{App, sources::SourceError};

/// Why a request on the tables isn't answered.
#[derive(Debug, thiserror::Error)]
pub enum RestFailure {
    #[error("{}", .0.message)]
    Refused(RestError),
    /// Of a row of `knowledge_sources`.
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RestError> for RestFailure {
    fn from(error: RestError) -> Self {
        Self::Refused(error)
    }
}

impl From<RestStoreError> for RestFailure {
    fn from(error: RestStoreError) -> Self {
        match error {
            RestStoreError::Refused(error) => Self::Refused(error),
            RestStoreError::Store(error) => Self::Store(error),
        }
    }
}

/// A read of a table.
pub struct Reading {
    pub table: String,
    pub query: Query,
    pub preferences: Preferences,
    /// The `Range` header.
    pub range: Option<String>,
    /// Whether exactly one row is expected.
    pub single: bool,
}

/// Rows of an answer, and where they are among all.
pub struct ReadRows {
    pub rows: RestRows,
    /// 200, or 206 for a part of a known whole.
    pub status: u16,
    /// The value of `Content-Range`.
    pub content_range: String,
}

/// Rows that were written: what is selected of them, and how many they are.
pub struct Written {
    pub rows: RestRows,
    pub affected: u64,
}

/// Reads rows.
#[boxed]
pub async fn read(app: &App, organization: OrganizationId, reading: Reading) -> Result<ReadRows, RestFailure> {
    let Reading { table, query, preferences, range, single } = reading;
    let table = find_table(&table)?;
    if query.columns.is_some() || query.on_conflict.is_some() {
        return Err(RestError::unsupported("columns and on_conflict in a read").into());
    }
    let mut node = resolve::plan(table, &query)?;
    window::narrow(&mut node, range.as_deref())?;
    let (offset, count) = (node.offset, preferences.count.is_some());
    let rows = app.store.read_rest(RestRead { organization, node, count, rows: true }).await?;
    if single && rows.rows.len() != 1 {
        return Err(Refusal::not_single(rows.rows.len()).into());
    }
    let (status, content_range) = window::content_range(offset, rows.rows.len(), rows.total)?;
    Ok(ReadRows { rows, status, content_range })
}

/// How a table may be written.
pub fn verbs(table: &str) -> Result<&'static [Verb], RestError> {
    Ok(find_table(table)?.verbs)
}

fn find_table(name: &str) -> Result<&'static Table, RestError> {
    registry::table(name).ok_or_else(|| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let message = format!("Could not find the table 'public.{name}' in the schema cache");
        RestError::new(404, "PGRST205", message).hint("The root, /rest/v1/, lists the tables.")
    })
}
