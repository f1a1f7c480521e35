//! Deletes conversations with everything that belongs to them. One call is one short part of it, so that no chat waits
//! long for the transaction: a large conversation takes several.

use resly_core::id::{ConversationId, OrganizationId};

use crate::{
    outcomes,
    sql::{Conn, execute, rows},
    types::{Id, Json},
};

/// The most rows of a table that one transaction deletes. SQLite's writer is held for some milliseconds by as many.
const ROWS: i64 = 200;
/// The most conversations that one transaction deletes.
pub(crate) const CONVERSATIONS: i64 = 50;

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletedRows {
    pub conversations: u64,
    pub messages: u64,
    pub tickets: u64,
    /// Calls that a person was asked to confirm.
    pub approvals: u64,
    /// Rows of the log of connector calls.
    pub connector_calls: u64,
    /// What answers left for requests that repeat an idempotency key.
    pub idempotency_results: u64,
}

impl DeletedRows {
    pub fn add(&mut self, more: Self) {
        self.conversations += more.conversations;
        self.messages += more.messages;
        self.tickets += more.tickets;
        self.approvals += more.approvals;
        self.connector_calls += more.connector_calls;
        self.idempotency_results += more.idempotency_results;
    }
}

/// A statement with a condition that a column is in the JSON list `$1` of ids, in SQLite and in PostgreSQL.
macro_rules! in_list {
    ($before:literal, $column:literal, $after:literal) => {
        (
            concat!($before, $column, " IN (SELECT value FROM json_each($1))", $after),
            concat!($before, $column, " = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($1)))", $after),
        )
    };
}

const SOME_MESSAGES: (&str, &str) =
    in_list!("SELECT id FROM messages WHERE organization_id = $2 AND ", "conversation_id", " LIMIT $3");
const MESSAGES: (&str, &str) = in_list!("DELETE FROM messages WHERE organization_id = $2 AND ", "id", "");
/// A turn has the id of the answer that it writes.
const TURNS: (&str, &str) = in_list!("DELETE FROM turns WHERE organization_id = $2 AND ", "id", "");
const CALLS: (&str, &str) = in_list!(
    "DELETE FROM connector_logs WHERE id IN (SELECT id FROM connector_logs WHERE organization_id = $2 AND ",
    "conversation_id",
    " LIMIT $3)"
);
const APPROVALS: (&str, &str) = in_list!(
    "DELETE FROM approvals WHERE id IN (SELECT id FROM approvals WHERE organization_id = $2 AND ",
    "conversation_id",
    " LIMIT $3)"
);
const TICKETS: (&str, &str) = in_list!(
    "DELETE FROM tickets WHERE id IN (SELECT id FROM tickets WHERE organization_id = $2 AND ",
    "conversation_id",
    " LIMIT $3)"
);
/// Few: they go within a week by themselves.
const MAILS: (&str, &str) = in_list!("DELETE FROM mails WHERE organization_id = $2 AND ", "conversation_id", "");
const CONVERSATION_ROWS: (&str, &str) = in_list!("DELETE FROM conversations WHERE organization_id = $2 AND ", "id", "");
/// What the service said to a call of these conversations stands in its connection's alerts and health, too.
const ALERTS: (&str, &str) = in_list!(
    "UPDATE alerts SET message = NULL WHERE organization_id = $2
     AND message IN (SELECT message FROM connector_logs WHERE organization_id = $2 AND message IS NOT NULL AND ",
    "conversation_id",
    ")"
);
const HEALTH: (&str, &str) = in_list!(
    "UPDATE connection_health SET message = NULL WHERE organization_id = $2
     AND message IN (SELECT message FROM connector_logs WHERE organization_id = $2 AND message IS NOT NULL AND ",
    "conversation_id",
    ")"
);

/// Deletes a part of the conversations, whose rows the caller has locked. Returns what was deleted: a conversation is
/// deleted with the last row that belongs to it.
pub(crate) async fn purge(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversations: &[ConversationId],
) -> Result<DeletedRows, sqlx::Error> {
    let organization = Id(organization.0);
    let mut deleted = DeletedRows::default();
    let of = Json(conversations);
    let sql = db.pick(SOME_MESSAGES.0, SOME_MESSAGES.1);
    let messages = rows!(db, (Id,), sql, of, organization, ROWS)?;
    let messages: Vec<uuid::Uuid> = messages.into_iter().map(|(id,)| id.0).collect();
    if !messages.is_empty() {
        deleted.idempotency_results = execute!(db, db.pick(TURNS.0, TURNS.1), Json(&messages), organization)?;
        deleted.messages = execute!(db, db.pick(MESSAGES.0, MESSAGES.1), Json(&messages), organization)?;
    }
    execute!(db, db.pick(ALERTS.0, ALERTS.1), of, organization)?;
    execute!(db, db.pick(HEALTH.0, HEALTH.1), of, organization)?;
    deleted.connector_calls = execute!(db, db.pick(CALLS.0, CALLS.1), of, organization, ROWS)?;
    deleted.approvals = execute!(db, db.pick(APPROVALS.0, APPROVALS.1), of, organization, ROWS)?;
    execute!(db, db.pick(MAILS.0, MAILS.1), of, organization)?;
    deleted.tickets = execute!(db, db.pick(TICKETS.0, TICKETS.1), of, organization, ROWS)?;
    let most = [deleted.messages, deleted.connector_calls, deleted.approvals, deleted.tickets].into_iter().max();
    if most < Some(ROWS.unsigned_abs()) {
        outcomes::forget(db, OrganizationId(organization.0), conversations).await?;
        let sql = db.pick(CONVERSATION_ROWS.0, CONVERSATION_ROWS.1);
        deleted.conversations = execute!(db, sql, of, organization)?;
    }
    Ok(deleted)
}

/// The first of the conversations, with about as many messages as one transaction deletes. `next_position` is at least
/// the number of a conversation's messages.
pub(crate) fn batch(found: Vec<(Id, i64)>) -> Vec<ConversationId> {
    let mut messages = 0;
    let fits = |(at, (_, next_position)): &(usize, (Id, i64))| {
        messages += next_position;
        *at == 0 || messages < ROWS
    };
    found.into_iter().enumerate().take_while(fits).map(|(_, (id, _))| ConversationId(id.0)).collect()
}

/// Every statement of [`purge`], as SQLite runs it.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 9] =
    [SOME_MESSAGES.0, MESSAGES.0, TURNS.0, ALERTS.0, CALLS.0, APPROVALS.0, MAILS.0, TICKETS.0, CONVERSATION_ROWS.0];

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_batch_has_one_conversation_at_least_and_few_messages() {
        let found = |sizes: &[i64]| {
            let ids = sizes.iter().zip(1..).map(|(size, n)| (Id(Uuid::from_u128(n)), *size));
            batch(ids.collect()).len()
        };
        assert_eq!(found(&[]), 0);
        assert_eq!(found(&[5000, 2]), 1);
        assert_eq!(found(&[4; 50]), 49);
        assert_eq!(found(&[2; 50]), 50);
    }
}
