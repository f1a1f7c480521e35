//! Ids for rows that nothing refers to.

use rand::Rng;
use resly_core::time::{Random, Timestamp};

use crate::types::Id;

struct RowIds;

impl Random for RowIds {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// An id for a row that nothing refers to: a count, an event, a visitor.
pub(crate) fn row_id(now: Timestamp) -> Id {
    Id(RowIds.uuid(now))
}
