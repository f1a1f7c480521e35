//! Where a page of a list begins. Lists are newest first, and rows of one moment are told apart by their ids.

use resly_core::time::Timestamp;
use uuid::Uuid;

use crate::types::{Id, Time};

/// The last row of the page before: a page holds what is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// Begins with what is older than this moment.
    pub fn before(at: Timestamp) -> Self {
        Self { at, id: Uuid::nil() }
    }
}

/// The two values of a cursor, as a query has them.
pub(crate) fn bounds(cursor: Option<Cursor>) -> (Option<Time>, Option<Id>) {
    (cursor.map(|cursor| Time(cursor.at)), cursor.map(|cursor| Id(cursor.id)))
}
