//! What of an organization waits for a person.

use resly_core::{boxed, error::StoreError, id::OrganizationId};

use crate::{
    Store,
    error::failed,
    sql::{row, rows},
    types::{Count, Id},
};

/// The newest tickets among which open ones are counted.
pub const TICKETS_READ: u32 = 1000;
/// Versions that are named.
const VERSIONS: i64 = 20;

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingWork {
    /// Open ones among the [`TICKETS_READ`] newest.
    pub open_tickets: u64,
    /// Uploaded versions that wait for approval: connector and version.
    pub versions: Vec<(String, String)>,
}

const OPEN_TICKETS: &str = "SELECT COUNT(*) FROM (
     SELECT status FROM tickets WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
 ) AS newest WHERE status = 'open'";

impl Store {
    /// What waits for a person of the organization.
    #[boxed]
    pub async fn waiting_work(&self, organization: OrganizationId) -> Result<WaitingWork, StoreError> {
        let doing = "look for what waits for a person";
        let mut reader = self.reader(organization, doing).await?;
        let mut db = reader.conn();
        let open = row!(db, (Count,), OPEN_TICKETS, Id(organization.0), i64::from(TICKETS_READ));
        let open = open.map_err(failed(doing))?;
        let versions = rows!(
            db,
            (String, String),
            "SELECT connector, version FROM connector_versions
             WHERE organization_id = $1 AND approval = 'pending' AND state = 'ready'
             ORDER BY created_at DESC LIMIT $2",
            Id(organization.0),
            VERSIONS
        )
        .map_err(failed(doing))?;
        Ok(WaitingWork { open_tickets: open.map_or(0, |(count,)| count.0), versions })
    }
}
