//! Cursors of lists. Lists are newest first. Rows of the same moment are ordered by their ids.

use resly_core::time::Timestamp;
use uuid::Uuid;

use crate::types::{Id, Time};

/// The last row of the previous page. The next page has older rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// A page of rows that are older than this moment.
    pub fn before(at: Timestamp) -> Self {
        Self { at, id: Uuid::nil() }
    }
}

/// A cursor's two values, for a query's parameters.
pub(crate) fn bounds(cursor: Option<Cursor>) -> (Option<Time>, Option<Id>) {
    (cursor.map(|cursor| Time(cursor.at)), cursor.map(|cursor| Id(cursor.id)))
}
