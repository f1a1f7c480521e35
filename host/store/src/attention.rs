//! What of an organization waits for a person, and what of its setting up is done.

use std::time::Duration;

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

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
/// Versions and connections that are named.
const NAMED: i64 = 20;

/// What waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingWork {
    /// Open ones among the [`TICKETS_READ`] newest.
    pub open_tickets: u64,
    /// Questions of the latest seven days that the knowledge didn't answer, [`QUESTIONS_READ`] at most.
    pub unanswered: u64,
    /// Uploaded versions that wait for approval: connector and version.
    pub versions: Vec<(String, String)>,
    /// Connections whose credential is missing or refused, the newest first: id and name.
    pub unauthorized: Vec<(ConnectionId, String)>,
}

/// What an organization has of what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx_macros::FromRow)]
pub struct SetupState {
    /// A key may chat. The operator's first key doesn't count: it runs the host, and an app has one of its own.
    pub chat_key: bool,
    /// A publishable key may.
    pub page_key: bool,
    pub ready_source: bool,
    pub enabled_connection: bool,
    pub conversation: bool,
}

macro_rules! setup {
    ($chats:literal) => {
        concat!(
            "SELECT EXISTS (SELECT 1 FROM api_keys WHERE organization_id = $1 AND deleted_at IS NULL AND ",
            $chats,
            ") AS chat_key,
                EXISTS (SELECT 1 FROM api_keys WHERE organization_id = $1 AND deleted_at IS NULL AND kind = 'publishable' AND ",
            $chats,
            ") AS page_key,
                EXISTS (SELECT 1 FROM knowledge_sources WHERE organization_id = $1 AND status = 'ready') AS ready_source,
                EXISTS (SELECT 1 FROM connections WHERE organization_id = $1 AND status = 'enabled') AS enabled_connection,
                EXISTS (SELECT 1 FROM conversations WHERE organization_id = $1) AS conversation"
        )
    };
}

const SETUP: (&str, &str) = (
    setup!(
        "'chat' IN (SELECT value FROM json_each(scopes)) AND 'operator' NOT IN (SELECT value FROM json_each(scopes))"
    ),
    setup!("scopes @> '[\"chat\"]'::jsonb AND NOT scopes @> '[\"operator\"]'::jsonb"),
);

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
            NAMED
        )
        .map_err(failed(doing))?;
        let count = |found: Option<(Count,)>| found.map_or(0, |(count,)| count.0);
        let unauthorized = rows!(
            db,
            (Id, String),
            "SELECT id, name FROM connections WHERE organization_id = $1 AND status = 'needs_auth'
             ORDER BY created_at DESC, id DESC LIMIT $2",
            Id(organization.0),
            NAMED
        )
        .map_err(failed(doing))?;
        let unauthorized = unauthorized.into_iter().map(|(id, name)| (ConnectionId(id.0), name)).collect();
        Ok(WaitingWork { open_tickets: count(open), unanswered: count(unanswered), versions, unauthorized })
    }

    /// What of the organization's setting up is done.
    #[boxed]
    pub async fn setup_state(&self, organization: OrganizationId) -> Result<SetupState, StoreError> {
        let doing = "see what is set up";
        let mut db = self.reader(organization, doing).await?;
        let sql = db.conn().pick(SETUP.0, SETUP.1);
        let state = row!(db, SetupState, sql, Id(organization.0)).map_err(failed(doing))?;
        state.ok_or_else(|| failed(doing)(sqlx::Error::RowNotFound))
    }
}
