//! What of an organization waits for a person.

use std::time::Duration;

use resly_core::{boxed, error::StoreError, id::OrganizationId, time::Timestamp};

use crate::{
    Store,
    error::failed,
    sql::{row, rows},
    types::{Count, Id, Time},
};

/// The newest tickets among which open ones are counted.
pub const TICKETS_READ: u32 = 1000;
/// The most questions that are counted, and how old they may be.
pub const QUESTIONS_READ: u32 = 1000;
const QUESTIONS_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Versions that are named.
const VERSIONS: i64 = 20;

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingWork {
    /// Open ones among the [`TICKETS_READ`] newest.
    pub open_tickets: u64,
    /// Questions of the latest seven days that the knowledge didn't answer, [`QUESTIONS_READ`] at most.
    pub unanswered: u64,
    /// Uploaded versions that wait for approval: connector and version.
    pub versions: Vec<(String, String)>,
}

const OPEN_TICKETS: &str = "SELECT COUNT(*) FROM (
     SELECT status FROM tickets WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
 ) AS newest WHERE status = 'open'";

const UNANSWERED: &str = "SELECT COUNT(*) FROM (
     SELECT id FROM unanswered_questions WHERE organization_id = $1 AND asked_at >= $2 LIMIT $3
 ) AS newest";

impl Store {
    /// What waits for a person of the organization.
    #[boxed]
    pub async fn waiting_work(&self, organization: OrganizationId, now: Timestamp) -> Result<WaitingWork, StoreError> {
        let doing = "look for what waits for a person";
        let mut reader = self.reader(organization, doing).await?;
        let mut db = reader.conn();
        let open = row!(db, (Count,), OPEN_TICKETS, Id(organization.0), i64::from(TICKETS_READ));
        let open = open.map_err(failed(doing))?;
        let since = Time(now.minus(QUESTIONS_FOR));
        let unanswered = row!(db, (Count,), UNANSWERED, Id(organization.0), since, i64::from(QUESTIONS_READ));
        let unanswered = unanswered.map_err(failed(doing))?;
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
        let count = |found: Option<(Count,)>| found.map_or(0, |(count,)| count.0);
        Ok(WaitingWork { open_tickets: count(open), unanswered: count(unanswered), versions })
    }
}
