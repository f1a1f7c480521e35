//! Finds calls: the query for a page, and how far it looks.

use resly_core::{
    connector::{
        call::CallStatus,
        connection::{CallerKind, Environment},
        failure_reason::FailureReason,
    },
    id::OrganizationId,
};

use super::LogQuery;
use crate::{
    page::Cursor,
    query::Query,
    sql::Conn,
    types::{Count, Id, Text, Time},
};

/// Bytes of lines and requests on one page. The row that exceeds them is the page's last.
const PAGE_BYTES: u64 = 2 << 20;
/// The page's rows. The page is bounded by rows and then by bytes before the large columns are read.
const PAGE: &str = "WITH page AS (SELECT l.id, l.created_at, l.bytes FROM connector_logs l WHERE ";
macro_rules! sized {
    ($order:literal) => {
        concat!(
            "), sized AS (
         SELECT id, SUM(bytes) OVER (ORDER BY created_at ",
            $order,
            ", id ",
            $order,
            ") - bytes AS bytes_before,
                COUNT(*) OVER () AS found
         FROM page
     )
     SELECT l.id, l.connection_id, l.connector, l.version, l.action, l.environment, l.caller, l.key_id,
            k.name AS key_name, l.conversation_id, l.status, l.reason, l.cached, l.message, l.fuel,
            l.http_calls, l.response_bytes, l.duration_us, l.log, l.requests, l.created_at, s.found
     FROM sized s JOIN connector_logs l ON l.id = s.id
     LEFT JOIN api_keys k ON k.id = l.key_id AND k.organization_id = l.organization_id
     WHERE s.bytes_before < "
        )
    };
}

/// One row, as a page has it.
pub(super) const ONE: &str = concat!(
    "WITH page AS (SELECT l.id, l.created_at, l.bytes FROM connector_logs l WHERE l.id = $1 AND l.organization_id = $2",
    sized!("DESC"),
    "1"
);

/// Where a text is looked for, each followed by the pattern. The databases store the two lists differently.
const TEXTS_SQLITE: [&str; 3] = [
    " AND (LOWER(l.message) LIKE ",
    " ESCAPE '\\' OR EXISTS (SELECT 1 FROM json_each(l.log) e WHERE LOWER(json_extract(e.value, '$.message')) LIKE ",
    " ESCAPE '\\') OR EXISTS (SELECT 1 FROM json_each(l.requests) e
       WHERE LOWER(json_extract(e.value, '$.host') || json_extract(e.value, '$.path')) LIKE ",
];
const TEXTS_POSTGRES: [&str; 3] = [
    " AND (LOWER(l.message) LIKE ",
    " ESCAPE '\\' OR EXISTS (SELECT 1 FROM jsonb_array_elements(l.log) e WHERE LOWER(e->>'message') LIKE ",
    " ESCAPE '\\') OR EXISTS (SELECT 1 FROM jsonb_array_elements(l.requests) e
       WHERE LOWER((e->>'host') || (e->>'path')) LIKE ",
];

/// The calls that one page looks at, where each has to be looked at: those of some hours in a busy organization.
const WINDOW: i64 = 10_000;
/// The same where their texts are read, too.
const WINDOW_OF_TEXTS: i64 = 4000;

/// Whether an index finds the calls that fit, in their order. Otherwise they are looked at one by one.
fn is_indexed(asked: &LogQuery) -> bool {
    let LogQuery { connector, action, status, reason, environment, caller, key, text, .. } = asked;
    let looked_at = [connector.is_some(), action.is_some(), status.is_some(), reason.is_some(), environment.is_some()];
    !looked_at.contains(&true) && caller.is_none() && key.is_none() && text.is_none()
}

/// Adds the conditions that have an index. SQLite would read all calls of the organization where it should read those of a
/// connection or a conversation.
fn push_indexed(query: &mut Query, organization: OrganizationId, asked: &LogQuery) {
    let is_narrow = asked.connection.is_some() || asked.conversation.is_some();
    let own =
        if is_narrow && matches!(query, Query::Sqlite(_)) { "+l.organization_id = " } else { "l.organization_id = " };
    query
        .push(own)
        .bind(Id(organization.0))
        .filter(" AND l.connection_id = ", asked.connection.map(|connection| Id(connection.0)))
        .filter(" AND l.conversation_id = ", asked.conversation.map(|conversation| Id(conversation.0)));
    let failed = asked.failed || asked.reason.is_some() || asked.status.is_some_and(|status| status != CallStatus::Ok);
    if failed {
        // As the index of failed calls has it.
        query.push(" AND l.status <> 'ok'");
    }
    query
        .filter(" AND l.created_at >= ", asked.from.map(Time))
        .filter(" AND l.created_at < ", asked.to.map(Time))
        .older(" AND (l.created_at, l.id)", asked.before)
        .newer(" AND (l.created_at, l.id)", asked.after);
}

/// The query for the last call that a page looks at: the index is read, and no call. `None` where a page has no such end.
/// Calls that are newer than a cursor are few.
pub(crate) fn end_of_window(db: &Conn<'_>, organization: OrganizationId, asked: &LogQuery) -> Option<Query> {
    if is_indexed(asked) || asked.after.is_some() {
        return None;
    }
    let mut query = Query::new(db, "SELECT l.created_at, l.id FROM connector_logs l WHERE ");
    push_indexed(&mut query, organization, asked);
    let window = if asked.text.is_some() { WINDOW_OF_TEXTS } else { WINDOW };
    query.push(" ORDER BY l.created_at DESC, l.id DESC LIMIT 1 OFFSET ").bind(window - 1);
    Some(query)
}

/// The query for a page, and for one row more, which shows whether there is another page. It looks at no call beyond `end`.
pub(crate) fn search(db: &Conn<'_>, organization: OrganizationId, asked: &LogQuery, end: Option<Cursor>) -> Query {
    let mut query = Query::new(db, PAGE);
    push_indexed(&mut query, organization, asked);
    if let Some(end) = end {
        query.push(" AND (l.created_at, l.id) >= (").bind(Time(end.at)).push(", ").bind(Id(end.id)).push(")");
    }
    query
        .filter(" AND l.connector = ", asked.connector.as_deref().map(Text))
        .filter(" AND l.action = ", asked.action.as_deref().map(Text))
        .filter(" AND l.status = ", asked.status.map(CallStatus::name))
        .filter(" AND l.reason = ", asked.reason.map(FailureReason::name))
        .filter(" AND l.environment = ", asked.environment.map(Environment::name))
        .filter(" AND l.caller = ", asked.caller.map(CallerKind::name))
        .filter(" AND l.key_id = ", asked.key.map(|key| Id(key.0)));
    if let Some(text) = &asked.text {
        let pattern = anywhere(text);
        for place in if matches!(query, Query::Sqlite(_)) { TEXTS_SQLITE } else { TEXTS_POSTGRES } {
            query.push(place).bind(Text(&pattern));
        }
        query.push(" ESCAPE '\\'))");
    }
    let (newest, oldest) = (" ORDER BY l.created_at DESC, l.id DESC", " ORDER BY l.created_at, l.id");
    let (order, sized) = if asked.after.is_none() { (newest, sized!("DESC")) } else { (oldest, sized!("ASC")) };
    query.push(order).push(" LIMIT ").bind(i64::from(asked.limit) + 1);
    query.push(sized).bind(Count(PAGE_BYTES)).push(order);
    query
}

/// A pattern for `LIKE` that finds the text anywhere. Wildcards in the text are escaped.
fn anywhere(text: &str) -> String {
    let text = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{text}%")
}
