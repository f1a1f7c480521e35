//! `GET /api/admin/usage/history`: what was used, by day, key, connection or conversation.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{Json, extract::State};
use resly_core::{
    meter::Meter,
    time::{Period, Timestamp},
};
use resly_service::App;
use resly_store::{UsageGrouping, UsageHistoryQuery, UsageSum};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, page_limit},
    problem::Problem,
    query::{FromQuery, Parameters, Query},
};

/// The longest span, in days: the journal's entries in it are all read.
const LONGEST_DAYS: u64 = 92;
/// The longest cursor: a UUID.
const CURSOR: usize = 36;

/// What one day, key, connection or conversation used.
#[derive(Serialize, ToSchema)]
pub struct UsageRow {
    /// The day (UTC), or the id of the key (the first of a chain of rotations), the connection or the conversation. `null`
    /// is what belongs to none, such as sources that were read.
    #[schema(required)]
    group: Option<String>,
    /// Of a key or a connection.
    #[schema(required)]
    name: Option<String>,
    /// In production. A refund counts on the day that it was made, so a number may be below zero.
    #[schema(value_type = BTreeMap<openapi_enums::Meter, i64>)]
    meters: BTreeMap<Meter, i64>,
}

impl From<UsageSum> for UsageRow {
    fn from(UsageSum { group, name, meters }: UsageSum) -> Self {
        let all = Meter::ALL.into_iter().map(|meter| (meter, meters.get(&meter).copied().unwrap_or(0)));
        Self { group: Some(group).filter(|group| !group.is_empty()), name, meters: all.collect() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct UsageHistory {
    #[schema(value_type = openapi_enums::UsageGrouping)]
    by: UsageGrouping,
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// The newest day or id first.
    rows: Vec<UsageRow>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

pub struct HistoryQuery {
    by: UsageGrouping,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    before: Option<String>,
    limit: u32,
}

impl FromQuery for HistoryQuery {
    fn from_query(parameters: &mut Parameters) -> Self {
        let by = parameters.choice("by", &UsageGrouping::ALL, UsageGrouping::name).unwrap_or(UsageGrouping::Day);
        let cursor = |text: &str| (1..=CURSOR).contains(&text.len()).then(|| text.to_owned());
        Self {
            by,
            from: parameters.time("from"),
            to: parameters.time("to"),
            before: parameters.parsed("before", cursor, "`next` of the page before"),
            limit: page_limit(parameters),
        }
    }
}

/// What was used in a span of time, summed by day, key, connection or conversation.
#[utoipa::path(get, path = "/api/admin/usage/history", tag = "admin", operation_id = "getUsageHistory",
    params(
        ("by" = Option<String>, Query, description = "`day` (the default), `key`, `connection` or `conversation`"),
        ("from" = Option<String>, Query, description = "RFC 3339, inclusive; the start of the month of `to` by default"),
        ("to" = Option<String>, Query, description = "RFC 3339, exclusive; now by default. At most 92 days after `from`"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default")),
    responses((status = 200, description = "The usage", body = UsageHistory)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<UsageHistory>, Problem> {
    let HistoryQuery { by, from, to, before, limit } = query;
    // What is counted at this moment belongs to it, too.
    let to = to.unwrap_or_else(|| app.clock.now().plus(Duration::from_micros(1)));
    let from = from.unwrap_or_else(|| Period::containing(to).start);
    if to.since(from) > Duration::from_secs(LONGEST_DAYS * 24 * 3600) {
        let expected = format!("at most {LONGEST_DAYS} days before `to`; ask for the rest in further requests");
        return Err(Problem::invalid_at("from", expected));
    }
    let query = UsageHistoryQuery { by, from, to, before, limit: limit + 1 }.with_all_of_today(app.clock.now());
    let mut found = app.store.usage_history(principal.organization, query).await?;
    let more = pagination::cut(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| last.group.clone());
    Ok(Json(UsageHistory { by, from, to, rows: found.into_iter().map(UsageRow::from).collect(), next }))
}
