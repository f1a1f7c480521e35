//! What a host takes to work on, under a lease: sources to read, and crawls. Organizations take turns: the one that was
//! served longest ago comes first. When a host dies, its lease ends and another host takes what it had.

use resly_core::{id::OrganizationId, time::Timestamp};

use crate::{
    sql::{Conn, execute, row},
    types::{Id, Json, Time},
};

/// A table whose rows wait for a host by `due_at`, `lease` and `lease_until`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DueTable {
    Sources,
    Crawls,
}

/// The row that is due, of a table; what follows is the list of organizations that wait, and the lock.
macro_rules! next {
    ($table:literal, $others:literal) => {
        concat!(
            "SELECT d.id, d.organization_id FROM ",
            $table,
            " d JOIN organizations o ON o.id = d.organization_id
             WHERE d.due_at <= $1 AND (d.lease_until IS NULL OR d.lease_until <= $1) AND o.id NOT IN ",
            $others
        )
    };
}

macro_rules! sqlite {
    ($table:literal) => {
        next!(
            $table,
            "(SELECT value FROM json_each($2)) ORDER BY o.sources_read_at NULLS FIRST, d.due_at, d.id LIMIT 1"
        )
    };
}

macro_rules! postgres {
    ($table:literal) => {
        next!(
            $table,
            "(SELECT value::uuid FROM jsonb_array_elements_text($2))
             ORDER BY o.sources_read_at NULLS FIRST, d.due_at, d.id LIMIT 1 FOR UPDATE OF d SKIP LOCKED"
        )
    };
}

/// Chooses the row whose turn it is, of no organization in `besides`, and ends its organization's turn. The caller's
/// transaction writes the lease.
pub(crate) async fn next_due(
    db: &mut Conn<'_>,
    table: DueTable,
    besides: &[OrganizationId],
    now: Timestamp,
) -> Result<Option<Id>, sqlx::Error> {
    let sql = match table {
        DueTable::Sources => db.pick(sqlite!("knowledge_sources"), postgres!("knowledge_sources")),
        DueTable::Crawls => db.pick(sqlite!("crawls"), postgres!("crawls")),
    };
    let Some((id, organization)) = row!(db, (Id, Id), sql, Time(now), Json(besides))? else { return Ok(None) };
    execute!(db, "UPDATE organizations SET sources_read_at = $2 WHERE id = $1", organization, Time(now))?;
    Ok(Some(id))
}
