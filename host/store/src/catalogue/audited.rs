//! What the audit log tells of versions of connectors. Decisions about them are told in [`crate::uploads`].

use resly_core::{
    connector::{approval::Approval, connection::Origin},
    id::OrganizationId,
};
use serde::Serialize;

use super::{NewConnectorVersion, SavedVersion, VersionRemoval};
use crate::{
    audit::{Author, Subject, view},
    sql::{Conn, row},
    types::Id,
};

#[derive(Serialize)]
struct VersionView<'v> {
    connector: &'v str,
    version: &'v str,
    origin: Origin,
    approval: Approval,
}

#[derive(Serialize)]
struct DeletedView<'v> {
    connector: &'v str,
    version: &'v str,
}

/// Whether a version is stored already. Without an author, nobody asks.
pub(super) async fn is_known(db: &mut Conn<'_>, by: &Author, new: &NewConnectorVersion) -> Result<bool, sqlx::Error> {
    let manifest = &new.asking.manifest;
    let sql = "SELECT 1 FROM connector_versions
        WHERE organization_id = $1 AND connector = $2 AND version = $3 AND state <> 'deleted'";
    Ok(by.is_known()
        && row!(db, (i32,), sql, Id(new.organization.0), manifest.id.as_str(), manifest.version.as_str())?.is_some())
}

/// Tells of a version that is stored for the first time.
pub(super) async fn stored(
    db: &mut Conn<'_>,
    by: &Author,
    new: &NewConnectorVersion,
    saved: SavedVersion,
) -> Result<(), sqlx::Error> {
    let SavedVersion::As { approval, .. } = saved else { return Ok(()) };
    let (connector, version) = (new.asking.manifest.id.as_str(), new.asking.manifest.version.as_str());
    let after = view(&VersionView { connector, version, origin: new.origin, approval })?;
    let subject = Subject::by_id(format!("{connector} {version}"));
    by.created(db, new.organization, "connector.create", subject, after).await
}

/// Tells of a version that was deleted.
pub(super) async fn deleted(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    (connector, version): (&str, &str),
    removal: &VersionRemoval,
) -> Result<(), sqlx::Error> {
    if *removal != VersionRemoval::Gone {
        return Ok(());
    }
    let subject = Subject::by_id(format!("{connector} {version}"));
    by.deleted(db, organization, "connector.delete", subject, view(&DeletedView { connector, version })?).await
}
