//! What was used in a span of time, by day, key, connection or conversation: sums of the journal for bills, and its
//! entries one by one.
//!
//! Whole days are read from their sums (`usage_days.rs`), and only the ends of a span from the journal. By conversation, the
//! journal is read by its index of conversations, and no further than the page needs. An entry is written once, so its
//! `updated_at` is when it was made.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use resly_core::{
    boxed,
    error::StoreError,
    id::{KeyId, OrganizationId},
    meter::Meter,
    time::Timestamp,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Store,
    error::failed,
    page::Cursor,
    query::Query,
    sql::{Conn, rows},
    types::{Id, Json, Time, named},
    usage_days::{Days, Dimension, day_of},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What usage without a key is called: a member asked for it in the console.
const CONSOLE: &str = "Console";

/// What usage is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageGrouping {
    /// Days in UTC.
    Day,
    /// API keys; the keys of a chain of rotations are one.
    Key,
    Connection,
    Conversation,
}

impl UsageGrouping {
    pub const ALL: [Self; 4] = [Self::Day, Self::Key, Self::Connection, Self::Conversation];

    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Key => "key",
            Self::Connection => "connection",
            Self::Conversation => "conversation",
        }
    }
}

/// Which usage to sum. Groups come last one first: the newest day, the newest conversation.
#[derive(Clone, Debug)]
pub struct UsageHistoryQuery {
    pub by: UsageGrouping,
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    /// The last group of the page before.
    pub before: Option<String>,
    /// Groups of a page.
    pub limit: u32,
}

impl UsageHistoryQuery {
    /// The same usage, to the end of a day where it ends now: nothing was counted later, and a whole day is read faster.
    #[must_use]
    pub fn with_all_of_today(self, now: Timestamp) -> Self {
        let today_ends = day_of(now).plus(DAY);
        if self.to > now && self.to < today_ends { Self { to: today_ends, ..self } } else { self }
    }
}

/// The usage of one key to sum.
#[derive(Clone, Copy, Debug)]
pub struct KeyUsageQuery {
    /// The first key of a chain of rotations, which are one.
    pub lineage: KeyId,
    /// The first day (UTC): all of it counts.
    pub from: Timestamp,
}

/// What one group used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSum {
    /// A day such as `2026-11-29`, or an id. Empty for what belongs to none: a source that was read, and what was counted
    /// before this was written down.
    pub group: String,
    /// Of a key or a connection that there is.
    pub name: Option<String>,
    /// A refund counts on the day that it was made, so a sum may be below zero.
    pub meters: BTreeMap<Meter, i64>,
}

/// An entry of the journal, as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingEvent {
    pub id: Uuid,
    /// `chat`, `search`, `ingest`, `connector_call`, `refund`, `plan_changed`, `subscription_changed` or
    /// `usage_threshold`.
    pub kind: String,
    /// `None` for an entry that is about no meter.
    pub meter: Option<Meter>,
    pub quantity: i64,
    /// What a change was, or which threshold was reached.
    pub detail: Option<Value>,
    pub created_at: Timestamp,
}

#[derive(sqlx_macros::FromRow)]
struct EventRow {
    id: Id,
    kind: String,
    meter: String,
    quantity: i64,
    detail: Option<Json<Value>>,
    created_at: Time,
}

impl From<EventRow> for BillingEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind,
            meter: Meter::ALL.into_iter().find(|meter| meter.name() == row.meter),
            quantity: row.quantity,
            detail: row.detail.map(|detail| detail.0),
            created_at: row.created_at.0,
        }
    }
}

/// Rows `part, meter, quantity` of the day's sums, of the journal's entries, and of what is summed without a part: in SQLite
/// and in PostgreSQL. Each ends with the organization's column to compare.
macro_rules! parts {
    ($sums:literal, $entries:literal, $none:literal) => {
        (
            concat!("SELECT ", $sums, " AS part, meter, quantity FROM usage_days WHERE organization_id = "),
            concat!(" UNION ALL SELECT ", $entries, ", meter, quantity FROM billing_events WHERE organization_id = "),
            concat!(" UNION ALL SELECT ", $none, ", meter, quantity FROM usage_days WHERE organization_id = "),
            concat!(" UNION ALL SELECT ", $none, ", meter, -quantity FROM usage_days WHERE organization_id = "),
        )
    };
}

type Parts = (&'static str, &'static str, &'static str, &'static str);

impl UsageGrouping {
    fn parts(self, db: &Conn<'_>) -> Parts {
        let is_sqlite = matches!(db, Conn::Sqlite(_));
        match (self, is_sqlite) {
            (Self::Day, true) => parts!("substr(day, 1, 10)", "substr(created_at, 1, 10)", "''"),
            (Self::Day, false) => parts!(
                "to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD') COLLATE \"C\"",
                "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') COLLATE \"C\"",
                "'' COLLATE \"C\""
            ),
            (Self::Key, true) => parts!(
                "CASE part WHEN '00000000-0000-0000-0000-000000000000' THEN '' ELSE part END",
                "COALESCE(key_id, '')",
                "''"
            ),
            (Self::Key, false) => parts!(
                "CASE part WHEN '00000000-0000-0000-0000-000000000000' THEN '' ELSE part::text END COLLATE \"C\"",
                "COALESCE(key_id::text, '') COLLATE \"C\"",
                "'' COLLATE \"C\""
            ),
            (Self::Connection | Self::Conversation, true) => parts!("part", "COALESCE(connection_id, '')", "''"),
            (Self::Connection | Self::Conversation, false) => parts!(
                "part::text COLLATE \"C\"",
                "COALESCE(connection_id::text, '') COLLATE \"C\"",
                "'' COLLATE \"C\""
            ),
        }
    }
}

/// The query for a page of sums by day, key or connection: part, meter, quantity.
pub(crate) fn sums(db: &Conn<'_>, organization: OrganizationId, query: &UsageHistoryQuery) -> Query {
    let (sums, entries, none, less) = query.by.parts(db);
    let (own, days) = (Id(organization.0), Days::of(query.from, query.to));
    let mut list = Query::new(db, "WITH entries AS (");
    list.push(sums);
    if query.by == UsageGrouping::Connection {
        days.push_sums(&mut list, own, Dimension::Connection);
        // What was used without a connection: all that was used, less what is summed by connection.
        days.push_sums(list.push(none), own, Dimension::Key);
        days.push_sums(list.push(less), own, Dimension::Connection);
    } else {
        days.push_sums(&mut list, own, Dimension::Key);
    }
    days.push_ends(&mut list, own, entries);
    list.push(
        "), summed AS MATERIALIZED (
             SELECT part, meter, CAST(SUM(quantity) AS BIGINT) AS quantity FROM entries GROUP BY part, meter
         ), page AS (SELECT DISTINCT part FROM summed WHERE (part <> '' OR quantity <> 0)",
    )
    .filter(" AND part < ", query.before.clone())
    .push(" ORDER BY part DESC LIMIT ")
    .bind(i64::from(query.limit))
    .push(
        ") SELECT s.part, s.meter, s.quantity FROM summed s JOIN page p ON p.part = s.part
         WHERE s.part <> '' OR s.quantity <> 0 ORDER BY s.part DESC, s.meter",
    );
    list
}

/// The query for a page of sums by conversation: conversation, meter, quantity. It reads the journal in the order of
/// conversations, so in SQLite no other index may seem better.
pub(crate) fn conversation_sums(
    db: &Conn<'_>,
    organization: OrganizationId,
    query: &UsageHistoryQuery,
    before: Option<Uuid>,
) -> Query {
    let (own, from, to) = (Id(organization.0), Time(query.from), Time(query.to));
    let mut list = Query::new(
        db,
        "WITH page AS (SELECT DISTINCT conversation_id FROM billing_events
         WHERE conversation_id IS NOT NULL AND organization_id = ",
    );
    list.bind(own)
        .push(db.pick(" AND +updated_at >= ", " AND updated_at >= "))
        .bind(from)
        .push(db.pick(" AND +updated_at < ", " AND updated_at < "))
        .bind(to)
        .filter(" AND conversation_id < ", before.map(Id))
        .push(" ORDER BY conversation_id DESC LIMIT ")
        .bind(i64::from(query.limit))
        .push(
            ") SELECT e.conversation_id, e.meter, CAST(SUM(e.quantity) AS BIGINT)
             FROM page p CROSS JOIN billing_events e WHERE e.conversation_id = p.conversation_id AND e.organization_id = ",
        )
        .bind(own)
        .push(" AND e.updated_at >= ")
        .bind(from)
        .push(" AND e.updated_at < ")
        .bind(to)
        .push(" GROUP BY e.conversation_id, e.meter ORDER BY e.conversation_id DESC, e.meter");
    list
}

/// What was used outside conversations.
fn outside(db: &Conn<'_>, organization: OrganizationId, query: &UsageHistoryQuery) -> Query {
    let (own, days) = (Id(organization.0), Days::of(query.from, query.to));
    let mut list = Query::new(db, "SELECT meter, CAST(SUM(quantity) AS BIGINT) FROM (");
    list.push("SELECT meter, quantity FROM usage_days WHERE organization_id = ");
    days.push_sums(&mut list, own, Dimension::Outside);
    let entries =
        " UNION ALL SELECT meter, quantity FROM billing_events WHERE conversation_id IS NULL AND organization_id = ";
    days.push_ends(&mut list, own, entries);
    list.push(") AS outside GROUP BY meter ORDER BY meter");
    list
}

/// A page of sums by conversation, and last what was used outside conversations, under no name.
async fn by_conversation(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    query: &UsageHistoryQuery,
) -> Result<Vec<(String, String, i64)>, sqlx::Error> {
    let before = match query.before.as_deref() {
        // That is the last group.
        Some("") => return Ok(Vec::new()),
        Some(before) => Uuid::try_parse(before).ok(),
        None => None,
    };
    let found: Vec<(Id, String, i64)> = conversation_sums(db, organization, query, before).fetch_all(db).await?;
    let groups: BTreeSet<Uuid> = found.iter().map(|(id, ..)| id.0).collect();
    let mut sums: Vec<_> = found.into_iter().map(|(id, meter, sum)| (id.0.to_string(), meter, sum)).collect();
    if groups.len() < query.limit as usize {
        let rest: Vec<(String, i64)> = outside(db, organization, query).fetch_all(db).await?;
        sums.extend(rest.into_iter().map(|(meter, sum)| (String::new(), meter, sum)));
    }
    Ok(sums)
}

/// The names of what usage is summed by.
async fn names(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    by: UsageGrouping,
) -> Result<BTreeMap<Uuid, String>, sqlx::Error> {
    let sql = match by {
        UsageGrouping::Key => "SELECT lineage, name FROM api_keys WHERE organization_id = $1 ORDER BY created_at, id",
        UsageGrouping::Connection => "SELECT id, name FROM connections WHERE organization_id = $1",
        UsageGrouping::Day | UsageGrouping::Conversation => return Ok(BTreeMap::new()),
    };
    let found = rows!(db, (Id, String), sql, Id(organization.0))?;
    let mut names: BTreeMap<Uuid, String> = found.into_iter().map(|(id, name)| (id.0, name)).collect();
    if by == UsageGrouping::Key {
        // What members ask in the console counts under the organization's own id.
        names.insert(organization.0, CONSOLE.to_owned());
    }
    Ok(names)
}

impl Store {
    /// What was used in production, group by group.
    #[boxed]
    pub async fn usage_history(
        &self,
        organization: OrganizationId,
        query: UsageHistoryQuery,
    ) -> Result<Vec<UsageSum>, StoreError> {
        let doing = "sum the usage";
        let mut reader = self.reader(organization, doing).await?;
        let mut db = reader.conn();
        let found = match query.by {
            UsageGrouping::Conversation => by_conversation(&mut db, organization, &query).await,
            _ => sums(&db, organization, &query).fetch_all(&mut db).await,
        };
        let found: Vec<(String, String, i64)> = found.map_err(failed(doing))?;
        let names = names(&mut db, organization, query.by).await.map_err(failed(doing))?;
        let mut sums: Vec<UsageSum> = Vec::new();
        for (group, meter, quantity) in found {
            let meter = named(meter).map_err(failed(doing))?;
            match sums.last_mut() {
                Some(last) if last.group == group => drop(last.meters.insert(meter, quantity)),
                _ => {
                    let name = Uuid::try_parse(&group).ok().and_then(|id| names.get(&id).cloned());
                    sums.push(UsageSum { group, name, meters: [(meter, quantity)].into() });
                }
            }
        }
        Ok(sums)
    }

    /// What one key used in production since a day.
    #[boxed]
    pub async fn key_usage(
        &self,
        organization: OrganizationId,
        query: KeyUsageQuery,
    ) -> Result<BTreeMap<Meter, i64>, StoreError> {
        let doing = "sum a key's usage";
        let mut reader = self.reader(organization, doing).await?;
        let found = rows!(
            reader,
            (String, i64),
            "SELECT meter, CAST(SUM(quantity) AS BIGINT) FROM usage_days
             WHERE organization_id = $1 AND dimension = 'key' AND day >= $2 AND part = $3 GROUP BY meter",
            Id(organization.0),
            Time(day_of(query.from)),
            Id(query.lineage.0)
        )
        .map_err(failed(doing))?;
        let sums = found.into_iter().map(|(meter, quantity)| Ok((named(meter)?, quantity)));
        sums.collect::<Result<_, sqlx::Error>>().map_err(failed(doing))
    }

    /// The journal's entries, newest first.
    #[boxed]
    pub async fn billing_events(
        &self,
        organization: OrganizationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<BillingEvent>, StoreError> {
        let doing = "list the billing events";
        let mut reader = self.reader(organization, doing).await?;
        let mut db = reader.conn();
        let start = "SELECT id, kind, meter, quantity, detail, created_at FROM billing_events WHERE organization_id = ";
        let mut list = Query::new(&db, start);
        list.bind(Id(organization.0))
            .older(" AND (updated_at, id)", before)
            .push(" ORDER BY updated_at DESC, id DESC LIMIT ")
            .bind(i64::from(limit));
        let found: Vec<EventRow> = list.fetch_all(&mut db).await.map_err(failed(doing))?;
        Ok(found.into_iter().map(BillingEvent::from).collect())
    }
}
