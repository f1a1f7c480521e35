//! What was used in a span of time, by day, key, connection or conversation: sums of the journal for bills, and its
//! entries one by one.
//!
//! An entry is written once, so its `updated_at` is when it was made. The journal's index by that time finds the span, and
//! there is no further index: each chat would have to write it.

use std::collections::BTreeMap;

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
};

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

    /// The expression that tells an entry's group; empty for an entry that has none.
    fn expression(self, db: &Conn<'_>) -> &'static str {
        match self {
            Self::Day => db.pick(
                "substr(created_at, 1, 10)",
                "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') COLLATE \"C\"",
            ),
            Self::Key => db.pick("COALESCE(key_id, '')", "COALESCE(key_id::text, '') COLLATE \"C\""),
            Self::Connection => {
                db.pick("COALESCE(connection_id, '')", "COALESCE(connection_id::text, '') COLLATE \"C\"")
            }
            Self::Conversation => {
                db.pick("COALESCE(conversation_id, '')", "COALESCE(conversation_id::text, '') COLLATE \"C\"")
            }
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

/// The usage of one key to sum.
#[derive(Clone, Copy, Debug)]
pub struct KeyUsageQuery {
    /// The first key of a chain of rotations, which are one.
    pub lineage: KeyId,
    /// Inclusive.
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

async fn sums(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    query: &UsageHistoryQuery,
) -> Result<Vec<(String, String, i64)>, sqlx::Error> {
    let expression = query.by.expression(db);
    let mut list = Query::new(db, "WITH entries AS (SELECT ");
    list.push(expression)
        .push(" AS part, meter, quantity FROM billing_events WHERE organization_id = ")
        .bind(Id(organization.0))
        .push(" AND updated_at >= ")
        .bind(Time(query.from))
        .push(" AND updated_at < ")
        .bind(Time(query.to))
        .push(" AND quantity <> 0), page AS (SELECT DISTINCT part FROM entries WHERE TRUE")
        .filter(" AND part < ", query.before.as_deref())
        .push(" ORDER BY part DESC LIMIT ")
        .bind(i64::from(query.limit))
        .push(
            ") SELECT e.part, e.meter, CAST(SUM(e.quantity) AS BIGINT) FROM entries e JOIN page p ON p.part = e.part
             GROUP BY e.part, e.meter ORDER BY e.part DESC, e.meter",
        );
    list.fetch_all(db).await
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
        let found = sums(&mut db, organization, &query).await.map_err(failed(doing))?;
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

    /// What one key used in production since a time.
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
            "SELECT meter, CAST(SUM(quantity) AS BIGINT) FROM billing_events
             WHERE organization_id = $1 AND updated_at >= $2 AND key_id = $3 AND quantity <> 0 GROUP BY meter",
            Id(organization.0),
            Time(query.from),
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
