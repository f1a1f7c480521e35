//! The audit log of an organization, as pages and as CSV.

use std::{ops::RangeInclusive, time::Duration};

use resly_core::{boxed, error::StoreError, id::OrganizationId, time::Timestamp};
pub use resly_store::AuditEntry;
use resly_store::{AUDIT_DAYS, AuditQuery, Cursor};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    App, FieldError,
    csv::{Cell, Csv},
};

/// Which entries are wanted. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// A person's or a key's id.
    pub actor: Option<Uuid>,
    /// An action such as `key.create`, or all of a subject such as `key`.
    pub action: Option<String>,
    /// The id of what was changed.
    pub subject: Option<String>,
    pub from: Option<Timestamp>,
    /// Entries of this moment don't belong.
    pub to: Option<Timestamp>,
}

/// The entries, newest first, at most `limit` after `before`.
#[boxed]
pub async fn list(
    app: &App,
    organization: OrganizationId,
    filter: AuditFilter,
    before: Option<Cursor>,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    let AuditFilter { actor, action, subject, from, to } = filter;
    app.store.audit_log(organization, AuditQuery { actor, action, subject, from, to, before, limit }).await
}

/// The fewest and the most days that an organization may keep its entries.
pub const DAYS: RangeInclusive<u32> = 30..=3650;
/// Between two transactions, so that chats come first.
const PAUSE: Duration = Duration::from_millis(50);

/// How many days the organization keeps an entry.
#[boxed]
pub async fn days(app: &App, organization: OrganizationId) -> Result<u32, StoreError> {
    Ok(app.store.audit_days(organization).await?.unwrap_or(AUDIT_DAYS))
}

/// Sets how many days the organization keeps an entry. `None`: as the host does.
#[boxed]
pub async fn set_days(app: &App, organization: OrganizationId, days: Option<u32>) -> Result<(), RetentionError> {
    if days.is_some_and(|days| !DAYS.contains(&days)) {
        let message = format!("{} to {} days are expected", DAYS.start(), DAYS.end());
        return Err(RetentionError::Invalid(vec![FieldError::new("days", message)]));
    }
    Ok(app.store.set_audit_days(organization, days).await?)
}

/// Why the time that entries are kept isn't set.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Deletes what is older than it is kept, in short transactions. Any number of hosts may do it at once.
#[boxed]
pub async fn expire(app: &App) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let some = app.store.expire_audit_log(app.clock.now()).await?;
        deleted += some;
        if some == 0 {
            return Ok(deleted);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const COLUMNS: [&str; 10] = [
    "created_at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "subject_kind",
    "subject_id",
    "subject_name",
    "before",
    "after",
];

/// Entries as CSV with a line of names.
pub fn to_csv(entries: &[AuditEntry]) -> String {
    let mut csv = Csv::new(&COLUMNS);
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    for entry in entries {
        let cells = [
            entry.created_at.to_string(),
            entry.actor_kind.name().to_owned(),
            entry.actor_id.map(|id| id.to_string()).unwrap_or_default(),
            entry.actor_name.clone(),
            entry.action.clone(),
            entry.subject_kind.clone(),
            entry.subject_id.clone().unwrap_or_default(),
            entry.subject_name.clone().unwrap_or_default(),
            json(&entry.before),
            json(&entry.after),
        ];
        csv.row(cells.map(Cell::Text));
    }
    csv.finish()
}

#[cfg(test)]
mod tests {
    use resly_core::{actor::ActorKind, id::RowId};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_a_line() {
        let entry = AuditEntry {
            id: RowId(Uuid::nil()),
            created_at: Timestamp::from_micros(0),
            actor_kind: ActorKind::Key,
            actor_id: Some(Uuid::nil()),
            actor_name: "-1".to_owned(),
            action: "key.create".to_owned(),
            subject_kind: "key".to_owned(),
            subject_id: None,
            subject_name: None,
            before: None,
            after: Some(json!({"name": "a"})),
        };
        assert_eq!(
            to_csv(&[entry]).lines().nth(1).unwrap(),
            "1970-01-01T00:00:00.000000Z,key,00000000-0000-0000-0000-000000000000,\"'-1\",key.create,key,,,,\"{\"\"name\"\":\"\"a\"\"}\""
        );
    }
}
