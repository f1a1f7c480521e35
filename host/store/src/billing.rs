//! The journal for bills. While nothing is running, the sum of its quantities equals what `usage` counts for production.

use resly_core::{id::OrganizationId, meter::Meter, time::Timestamp};
use uuid::Uuid;

use crate::{
    sql::{Conn, execute},
    types::{Id, Time},
    usage::row_id,
};

/// What an entry is for.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Chat,
    Search,
    Ingest,
    ConnectorCall,
    /// Takes back the entry of a chat that gave no answer.
    Refund,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Search => "search",
            Self::Ingest => "ingest",
            Self::ConnectorCall => "connector_call",
            Self::Refund => "refund",
        }
    }
}

/// Writes one entry for the month that starts at `period`. `subject` is the message, source or call that it is for.
#[expect(clippy::too_many_arguments, reason = "these are an entry's columns")]
pub(crate) async fn enter(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    kind: Kind,
    meter: Meter,
    quantity: i64,
    subject: Option<Uuid>,
    period: Time,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, subject_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        row_id(now),
        Id(organization.0),
        kind.name(),
        meter.name(),
        quantity,
        period,
        subject.map(Id),
        Time(now)
    )
    .map(drop)
}
