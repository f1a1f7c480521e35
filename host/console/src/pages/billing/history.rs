//! Account → Billing → History: a month's use by day as a plot, by key, connection or conversation as a table, and all of
//! it as a file.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    meter::Meter,
    time::{Period, Timestamp},
};
use resly_http::{Api, pagination::cut};
use resly_service::csv::{Cell, Csv};
use resly_store::{UsageGrouping, UsageHistoryQuery, UsageSum};
use serde::Deserialize;

use super::{HISTORY, billing_tabs, month, words};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::{count, rough},
    parts::{Choice, Field, Marks, Plot, Series, Table, empty, pager, select},
    reply,
};

const CSV: &str = "/console/account/billing/usage.csv";
const ROWS: u32 = 50;
/// The longest file, in rows.
const LONGEST: u32 = 100_000;
/// What a table has room for.
const SHOWN: [Meter; 5] =
    [Meter::Messages, Meter::ConnectorCalls, Meter::Embeddings, Meter::ModelInputTokens, Meter::ModelOutputTokens];

#[derive(Deserialize)]
pub struct Parameters {
    by: Option<String>,
    month: Option<String>,
    meter: Option<String>,
    before: Option<String>,
}

/// What the reader chose. What can't be read is the default.
struct Choices {
    by: UsageGrouping,
    period: Period,
    meter: Meter,
    before: Option<String>,
}

impl Choices {
    fn read(parameters: Parameters, now: Timestamp) -> Self {
        let Parameters { by, month, meter, before } = parameters;
        let by = by.and_then(|name| UsageGrouping::ALL.into_iter().find(|by| by.name() == name));
        let meter = meter.and_then(|name| Meter::ALL.into_iter().find(|meter| meter.name() == name));
        Self {
            by: by.unwrap_or(UsageGrouping::Day),
            period: month.as_deref().and_then(month::parse).unwrap_or_else(|| Period::containing(now)),
            meter: meter.unwrap_or(Meter::Messages),
            before: before.filter(|before| before.len() <= 36),
        }
    }

    fn query(&self, limit: u32) -> UsageHistoryQuery {
        let Period { start, end } = self.period;
        UsageHistoryQuery { by: self.by, from: start, to: end, before: self.before.clone(), limit }
    }

    fn address(&self, path: &str) -> String {
        format!("{path}?by={}&month={}&meter={}", self.by.name(), month::id(self.period), self.meter.name())
    }
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let now = api.app.clock.now();
    let choices = Choices::read(parameters, now);
    let mut sums = api.app.store.usage_history(member.session.organization, choices.query(ROWS + 1)).await?;
    let more = cut(&mut sums, ROWS);
    let next = sums.last().filter(|_| more).map(|last| last.group.clone());
    let csv = choices.address(CSV);
    let body = html! {
        (filters(&choices, now))
        @if sums.is_empty() {
            (empty("Nothing was used in this month", "What chats, searches and connectors use will be here, by day, key, connection and conversation.", &html! {}))
        } @else if choices.by == UsageGrouping::Day {
            (plots(&choices, &sums, now, &csv))
        } @else {
            (table(choices.by, &sums))
            (pager(&choices.address(HISTORY), next.as_deref()))
            p { a href=(csv) download { "Download as CSV" } }
        }
        p class="hint" { "Days are UTC. A refund counts on the day that it was made, so a number may be below zero." }
    };
    let lead = html! { "Who used what, and when. The sandbox isn't counted." };
    Ok(Page::new(member, "Billing", body).lead(lead).tabs(billing_tabs(HISTORY)))
}

fn filters(choices: &Choices, now: Timestamp) -> Markup {
    let months: Vec<(String, String)> =
        month::latest(now).into_iter().map(|period| (month::id(period), month::title(period))).collect();
    let field = |name, label, value| Field { name, label, value, required: true, ..Field::default() };
    let groups = [("day", "Day"), ("key", "API key"), ("connection", "Connection"), ("conversation", "Conversation")];
    let groups = groups.map(|(value, label)| Choice { value, label, hint: None });
    let meters = Meter::ALL.map(|meter| Choice { value: meter.name(), label: words::meter(meter), hint: None });
    let chosen = month::id(choices.period);
    let listed: Vec<Choice<'_>> = months.iter().map(|(value, label)| Choice { value, label, hint: None }).collect();
    html! {
        form method="get" action=(HISTORY) class="filters" {
            (select(&field("by", "By", choices.by.name()), &groups))
            (select(&field("month", "Month", &chosen), &listed))
            (select(&field("meter", "What, by day", choices.meter.name()), &meters))
            button class="button" { "Show" }
        }
    }
}

/// The month by day, and how much it came to.
fn plots(choices: &Choices, sums: &[UsageSum], now: Timestamp, csv: &str) -> Markup {
    let of_day: BTreeMap<&str, i64> =
        sums.iter().map(|sum| (sum.group.as_str(), sum.meters.get(&choices.meter).copied().unwrap_or(0))).collect();
    let days = month::days(choices.period, now);
    #[expect(clippy::cast_precision_loss, reason = "a plot's pixels are coarser")]
    let values: Vec<f64> = days.iter().map(|day| of_day.get(day.as_str()).copied().unwrap_or(0) as f64).collect();
    let add = |sum: &mut f64, value: &f64| {
        *sum += value;
        Some(*sum)
    };
    let sums: Vec<f64> = values.iter().scan(0.0, add).collect();
    let labels: Vec<String> =
        days.iter().map(|day| day.get(8..).unwrap_or_default().trim_start_matches('0').to_owned()).collect();
    let name = words::meter(choices.meter);
    let month = month::title(choices.period);
    let exact = |value: f64| count(whole(value));
    let short = |value: f64| {
        let words = [(" million", "M"), (" billion", "B"), (" trillion", "T")];
        let sign = if value < 0.0 { "-" } else { "" };
        words.iter().fold(format!("{sign}{}", rough(whole(value).unsigned_abs())), |text, (word, letter)| {
            text.replace(word, letter)
        })
    };
    let draw = |id: &str, title: String, marks: Marks, values: &[f64], csv: Option<&str>| {
        let (axis, series) = ("Day", [Series { name, values }]);
        Plot { id, title: &title, marks, axis, labels: &labels, series: &series, exact: &exact, short: &short, csv }
            .draw()
    };
    html! {
        section class="panel" { (draw("by-day", format!("{name} by day, {month}"), Marks::Bars, &values, Some(csv))) }
        section class="panel" { (draw("so-far", format!("{name} since the month's start"), Marks::Lines, &sums, None)) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it was a whole number, or is a line of the plot's grid")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn table(by: UsageGrouping, sums: &[UsageSum]) -> Markup {
    let columns: Vec<String> = SHOWN.iter().map(|meter| format!("#{}", words::meter(*meter))).collect();
    let mut all = vec![title(by)];
    all.extend(columns.iter().map(String::as_str));
    let mut table = Table::new("What was used", &all);
    for sum in sums {
        let mut cells = vec![name(by, sum)];
        cells.extend(SHOWN.iter().map(|meter| html! { (count(sum.meters.get(meter).copied().unwrap_or(0))) }));
        table.row(cells);
    }
    table.draw()
}

fn title(by: UsageGrouping) -> &'static str {
    match by {
        UsageGrouping::Day => "Day",
        UsageGrouping::Key => "API key",
        UsageGrouping::Connection => "Connection",
        UsageGrouping::Conversation => "Conversation",
    }
}

fn name(by: UsageGrouping, sum: &UsageSum) -> Markup {
    html! {
        @if let Some(name) = &sum.name { (name) }
        @else if !sum.group.is_empty() { code { (sum.group) } }
        @else { span class="quiet" { (none(by)) } }
    }
}

/// What belongs to no group.
fn none(by: UsageGrouping) -> &'static str {
    match by {
        UsageGrouping::Day | UsageGrouping::Key => "without a key, such as content that was read in",
        UsageGrouping::Connection => "without a connection",
        UsageGrouping::Conversation => "outside conversations, such as searches",
    }
}

/// The whole month as a file, with every meter.
pub async fn csv(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, PageError> {
    let choices = Choices { before: None, ..Choices::read(parameters, api.app.clock.now()) };
    let mut sums = api.app.store.usage_history(member.session.organization, choices.query(LONGEST + 1)).await?;
    if cut(&mut sums, LONGEST) {
        let text = format!(
            "The month has more than {} rows by {}, which is more than a file gets. Ask for shorter spans with GET \
             /api/admin/usage/history.",
            count(LONGEST.into()),
            choices.by.name()
        );
        return Err(PageError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let mut columns = vec![choices.by.name(), "name"];
    columns.extend(Meter::ALL.map(Meter::name));
    let mut table = Csv::new(&columns);
    for UsageSum { group, name, meters } in sums {
        let numbers = Meter::ALL.map(|meter| Cell::Number(meters.get(&meter).copied().unwrap_or(0)));
        table.row([Cell::Text(group), Cell::Text(name.unwrap_or_default())].into_iter().chain(numbers));
    }
    let name = format!("usage-by-{}-{}.csv", choices.by.name(), month::id(choices.period));
    Ok(reply::download(table.finish(), &name))
}
