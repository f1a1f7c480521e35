//! What a host takes to work on, under a lease: files and pages to read, and crawls. Organizations take turns: the one that
//! was served longest ago comes first. When a host dies, its lease ends and another host takes what it had.

use resly_core::{id::OrganizationId, time::Timestamp};

use crate::{
    sql::{Conn, execute, row},
    types::{Id, Json, Time},
};

/// Rows that wait for a host by `due_at`, `lease` and `lease_until`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DueRows {
    Files,
    Pages,
    Crawls,
}

/// What a host takes nothing of for now.
#[derive(Clone, Debug, Default)]
pub struct Exclusions {
    pub organizations: Vec<OrganizationId>,
    /// Sites of which the host asks for a page of the organization already.
    pub sites: Vec<(OrganizationId, String)>,
}

/// The row whose turn it is, of rows `d` of organizations `o`; then the list of organizations that are excluded, and the lock.
macro_rules! next {
    ($rows:literal, $organizations:literal, $lock:literal) => {
        concat!(
            "SELECT d.id, d.organization_id FROM ",
            $rows,
            " AND d.due_at <= $1 AND (d.lease_until IS NULL OR d.lease_until <= $1) AND o.id NOT IN ",
            $organizations,
            " ORDER BY o.sources_read_at NULLS FIRST, d.due_at, d.id LIMIT 1",
            $lock
        )
    };
}

macro_rules! sqlite {
    ($rows:literal) => {
        next!($rows, "(SELECT value FROM json_each($2))", "")
    };
}

macro_rules! postgres {
    ($rows:literal) => {
        next!($rows, "(SELECT value::uuid FROM jsonb_array_elements_text($2))", " FOR UPDATE OF d SKIP LOCKED")
    };
}

const FILES: (&str, &str) = (
    sqlite!("knowledge_sources d JOIN organizations o ON o.id = d.organization_id WHERE d.kind = 'file'"),
    postgres!("knowledge_sources d JOIN organizations o ON o.id = d.organization_id WHERE d.kind = 'file'"),
);
/// `$3` is the list of the sites that are excluded.
const PAGES: (&str, &str) = (
    sqlite!(
        "knowledge_sources d JOIN organizations o ON o.id = d.organization_id
         WHERE d.kind <> 'file' AND NOT EXISTS (
             SELECT 1 FROM json_each($3) e WHERE e.value->>0 = d.organization_id AND e.value->>1 = d.site)"
    ),
    postgres!(
        "knowledge_sources d JOIN organizations o ON o.id = d.organization_id
         WHERE d.kind <> 'file' AND NOT EXISTS (
             SELECT 1 FROM jsonb_array_elements($3) AS e(value)
             WHERE e.value->>0 = d.organization_id::text AND e.value->>1 = d.site)"
    ),
);
const CRAWLS: (&str, &str) = (
    sqlite!("crawls d JOIN organizations o ON o.id = d.organization_id WHERE TRUE"),
    postgres!("crawls d JOIN organizations o ON o.id = d.organization_id WHERE TRUE"),
);

/// Chooses the row whose turn it is, of nothing that is excluded, and ends its organization's turn. The caller's
/// transaction writes the lease.
pub(crate) async fn next_due(
    db: &mut Conn<'_>,
    rows: DueRows,
    excluded: &Exclusions,
    now: Timestamp,
) -> Result<Option<Id>, sqlx::Error> {
    let Exclusions { organizations, sites } = excluded;
    let (now_at, organizations) = (Time(now), Json(organizations));
    let found = match rows {
        DueRows::Files => row!(db, (Id, Id), db.pick(FILES.0, FILES.1), now_at, organizations)?,
        DueRows::Pages => row!(db, (Id, Id), db.pick(PAGES.0, PAGES.1), now_at, organizations, Json(sites))?,
        DueRows::Crawls => row!(db, (Id, Id), db.pick(CRAWLS.0, CRAWLS.1), now_at, organizations)?,
    };
    let Some((id, organization)) = found else { return Ok(None) };
    execute!(db, "UPDATE organizations SET sources_read_at = $2 WHERE id = $1", organization, Time(now))?;
    Ok(Some(id))
}
