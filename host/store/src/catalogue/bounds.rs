//! How many versions an organization may keep, and how large.

use resly_core::connector::connection::Origin;
use resly_manifest::Manifest;

use super::{NewConnectorVersion, SavedVersion, VersionState};
use crate::{
    sql::{Conn, row},
    types::{Count, Id},
};

/// The most that an organization keeps: uploads, each with up to 32 MiB of code; versions of any origin; and bytes of all
/// their manifests, which listing the catalogue reads. Deleted versions don't count.
pub const UPLOADS_MOST: u64 = 100;
pub const VERSIONS_MOST: u64 = 2_000;
pub const MANIFESTS_MOST: u64 = 16 << 20;
/// The most versions of one organization that are compiled or wait to be.
pub const COMPILING_MOST: u64 = 32;

/// Whether a bound of the organization leaves no room for a version whose manifest has so many bytes.
pub(super) async fn is_full(
    db: &mut Conn<'_>,
    new: &NewConnectorVersion,
    manifest: usize,
) -> Result<Option<SavedVersion>, sqlx::Error> {
    // The lock makes two uploads of one organization count one after the other.
    let lock = db.pick(
        "SELECT id FROM organizations WHERE id = $1",
        "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
    );
    row!(db, (Id,), lock, Id(new.organization.0))?;
    let Manifest { id, version, .. } = &new.asking.manifest;
    let others = row!(
        db,
        (Count, Count, Count, Count),
        "SELECT count(*), count(CASE WHEN origin = 'uploaded' THEN 1 END),
                count(CASE WHEN state = 'compiling' THEN 1 END),
                CAST(COALESCE(sum(length(CAST(manifest AS TEXT))), 0) AS BIGINT)
         FROM connector_versions
         WHERE organization_id = $1 AND state <> 'deleted' AND NOT (connector = $2 AND version = $3)",
        Id(new.organization.0),
        id.as_str(),
        version.as_str()
    )?;
    let Some((Count(versions), Count(uploads), Count(compiling), Count(bytes))) = others else { return Ok(None) };
    let too_many = |what, most| Ok(Some(SavedVersion::TooMany { what, most }));
    if versions >= VERSIONS_MOST {
        return too_many("versions of connectors", VERSIONS_MOST);
    }
    if new.origin == Origin::Uploaded && uploads >= UPLOADS_MOST {
        return too_many("uploaded versions", UPLOADS_MOST);
    }
    if bytes + manifest as u64 > MANIFESTS_MOST {
        return too_many("bytes of definitions and manifests", MANIFESTS_MOST);
    }
    let is_full = new.state == VersionState::Compiling && compiling >= COMPILING_MOST;
    Ok(is_full.then_some(SavedVersion::QueueFull))
}
