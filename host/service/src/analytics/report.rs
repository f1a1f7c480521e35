//! The report: the numbers of a span beside those of the span before, by day or week, language, key and tag.

use std::collections::BTreeMap;

use resly_analysis::Language;
use resly_core::{
    boxed,
    error::StoreError,
    id::{ConnectionId, KeyId, OrganizationId},
};
use resly_store::{CallSum, OutcomeFilter, OutcomeGrouping, OutcomeSum};

use super::{
    Numbers,
    span::{Span, week_of},
};
use crate::App;

/// What the playground's questions are called: members ask them, without a key.
const PLAYGROUND: &str = "Playground";

/// Which conversations are meant. Without a key, those of the playground are left out.
#[derive(Clone, Debug)]
pub struct ReportQuery {
    pub span: Span,
    /// The first key of a chain of rotations; the organization's own id is the playground's.
    pub key: Option<KeyId>,
    pub language: Option<String>,
    pub tag: Option<String>,
}

impl ReportQuery {
    pub(super) fn filter(&self, span: Span) -> OutcomeFilter {
        let Self { key, language, tag, .. } = self.clone();
        OutcomeFilter { from: span.first(), to: span.last(), key, language, tag }
    }
}

/// What a report's plots are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    Day,
    /// Named by their Mondays.
    Week,
}

impl Interval {
    pub const ALL: [Self; 2] = [Self::Day, Self::Week];

    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// The numbers of a language, a key or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// A language's BCP-47 code, a key's id, or a tag.
    pub id: String,
    /// A key's name.
    pub name: Option<String>,
    pub numbers: Numbers,
}

/// The numbers of a span.
#[derive(Clone, Debug)]
pub struct Report {
    pub total: Numbers,
    /// Of as many days right before.
    pub previous: Numbers,
    /// Every day or week of the span, in order.
    pub intervals: Vec<(String, Numbers)>,
    /// These have most conversations first. Each is without its own filter, so that there is something to choose.
    pub languages: Vec<Group>,
    pub keys: Vec<Group>,
    pub tags: Vec<Group>,
}

/// The report of a span.
#[boxed]
pub async fn report(
    app: &App,
    organization: OrganizationId,
    query: &ReportQuery,
    by: Interval,
) -> Result<Report, StoreError> {
    let span = query.span;
    let both = OutcomeFilter { from: span.previous().first(), ..query.filter(span) };
    let languages = OutcomeFilter { language: None, ..query.filter(span) };
    let keys = OutcomeFilter { key: None, ..query.filter(span) };
    let playground = OutcomeFilter { key: Some(KeyId(organization.0)), ..query.filter(span) };
    let tags = OutcomeFilter { tag: None, ..query.filter(span) };
    let sums = |filter: OutcomeFilter, by| async move { app.store.outcome_sums(organization, &filter, by).await };
    let (days, languages, keys, playground, tags, known) = futures::try_join!(
        sums(both, OutcomeGrouping::Day),
        sums(languages, OutcomeGrouping::Language),
        sums(keys, OutcomeGrouping::Key),
        sums(playground, OutcomeGrouping::Key),
        sums(tags, OutcomeGrouping::Tag),
        app.store.list_keys(organization),
    )?;
    let (mut total, mut previous) = (Numbers::default(), Numbers::default());
    let place = |day: &str| if by == Interval::Week { week_of(day) } else { day.to_owned() };
    let mut intervals: BTreeMap<String, Numbers> =
        span.each_day().map(|day| (place(&day), Numbers::default())).collect();
    for OutcomeSum { group, outcome, sums } in &days {
        if span.has(group) {
            total.add(*outcome, sums);
            intervals.entry(place(group)).or_default().add(*outcome, sums);
        } else {
            previous.add(*outcome, sums);
        }
    }
    let mut keys = grouped(keys);
    keys.extend(grouped(playground));
    for key in &mut keys {
        let named = known.iter().find(|known| known.lineage.to_string() == key.id).map(|known| known.name.clone());
        let playground = key.id == organization.to_string();
        key.name = if playground { Some(PLAYGROUND.to_owned()) } else { named };
    }
    Ok(Report {
        total,
        previous,
        intervals: intervals.into_iter().collect(),
        languages: grouped(languages),
        keys,
        tags: grouped(tags),
    })
}

/// The numbers of a span alone.
#[boxed]
pub async fn numbers(app: &App, organization: OrganizationId, query: &ReportQuery) -> Result<Numbers, StoreError> {
    let mut numbers = Numbers::default();
    for sum in app.store.outcome_sums(organization, &query.filter(query.span), OutcomeGrouping::Day).await? {
        numbers.add(sum.outcome, &sum.sums);
    }
    Ok(numbers)
}

/// The English name of a language, by its BCP-47 code. `None` where the language isn't known.
pub fn language_name(code: &str) -> Option<&'static str> {
    Language::from_tag(code).filter(|language| *language != Language::Unknown).map(Language::name)
}

/// The groups, those first that have most conversations.
fn grouped(sums: Vec<OutcomeSum>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for OutcomeSum { group, outcome, sums } in sums {
        match groups.last_mut().filter(|last| last.id == group) {
            Some(last) => last.numbers.add(outcome, &sums),
            None => {
                let mut numbers = Numbers::default();
                numbers.add(outcome, &sums);
                groups.push(Group { id: group, name: None, numbers });
            }
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.numbers.total().conversations));
    groups
}

/// How connectors did in a span, in production.
#[derive(Clone, Debug)]
pub struct Connectors {
    pub total: CallSum,
    /// Of as many days right before.
    pub previous: CallSum,
    /// Every day of the span, in order.
    pub days: Vec<(String, CallSum)>,
    /// Half of the calls took at most so long, and 95 of 100; in milliseconds, rounded up to a power of two.
    pub p50_ms: Option<u64>,
    pub p95_ms: Option<u64>,
    /// Those with most calls first. A connection that was deleted has no name.
    pub connections: Vec<(ConnectionId, Option<String>, CallSum)>,
}

/// Calls of connectors in a span.
#[boxed]
pub async fn connectors(app: &App, organization: OrganizationId, span: Span) -> Result<Connectors, StoreError> {
    let sums =
        |span: Span| async move { app.store.connector_call_sums(organization, &span.first(), &span.last()).await };
    let (now, then, known) =
        futures::try_join!(sums(span), sums(span.previous()), app.store.list_connections(organization),)?;
    let sum = |days: &BTreeMap<String, CallSum>| {
        days.values().fold(CallSum::default(), |sum, day| CallSum {
            calls: sum.calls + day.calls,
            failed: sum.failed + day.failed,
            duration_us: sum.duration_us + day.duration_us,
        })
    };
    let total = sum(&now.days);
    let name = |id: ConnectionId| known.iter().find(|one| one.id == id).map(|one| one.name.clone());
    let mut connections: Vec<_> = now.connections.iter().map(|(id, sum)| (*id, name(*id), *sum)).collect();
    connections.sort_by_key(|(id, _, sum)| (std::cmp::Reverse(sum.calls), *id));
    Ok(Connectors {
        total,
        previous: sum(&then.days),
        days: span.each_day().map(|day| (day.clone(), now.days.get(&day).copied().unwrap_or_default())).collect(),
        p50_ms: percentile(&now.buckets, total.calls, 50),
        p95_ms: percentile(&now.buckets, total.calls, 95),
        connections,
    })
}

/// The end of the bucket in which so many of 100 calls are.
fn percentile(buckets: &BTreeMap<u32, u64>, calls: u64, of_100: u64) -> Option<u64> {
    let wanted = calls.saturating_mul(of_100).div_ceil(100);
    let mut seen = 0;
    let bucket = buckets.iter().find(|(_, calls)| {
        seen += **calls;
        seen >= wanted
    })?;
    (calls > 0).then(|| 1_u64.checked_shl(*bucket.0).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_end_of_its_bucket() {
        let buckets = BTreeMap::from([(0, 50), (5, 45), (9, 5)]);
        assert_eq!([50, 95, 96].map(|of| percentile(&buckets, 100, of)), [Some(1), Some(32), Some(512)]);
        assert_eq!(percentile(&BTreeMap::new(), 0, 50), None);
    }
}
