//! How connectors did: calls, failures and durations, by day and connection.

use axum::{
    extract::{Query, State},
    response::Response,
};
use maud::{Markup, html};
use resly_http::Api;
use resly_service::{
    analytics::{self, Connectors, Share},
    csv::{Cell, Csv},
};
use resly_store::CallSum;

use super::{
    CONNECTORS, analytics_tabs,
    filters::{Choices, Parameters},
    words,
};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::{count, duration, rough, thousands},
    parts::{Marks, Plot, Series, Table, button, empty},
    reply,
};

const CSV: &str = "/console/analytics/connectors.csv";

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let choices = Choices::read(parameters, api.app.clock.now());
    let found = analytics::connectors(&api.app, member.session.organization, choices.query.span).await?;
    let body = html! {
        (choices.days_form(CONNECTORS))
        @if found.total.calls == 0 {
            (empty("No calls in these days", "Calls of connectors in production will be here, with how many failed and how long they took.", &button("/console/connectors", "Look at the connectors")))
        } @else {
            (cards(&found))
            section class="panel" { (plot(&found, &choices.address(CSV, None))) }
            section class="panel" { h2 { "By connection" } (table(&found)) }
        }
        p class="hint" { "Calls in production, as the log has them, some minutes late. What the log left out on a day beyond its budget isn't counted." }
    };
    let lead = html! { "How your connectors did, from " (choices.days()) "." };
    Ok(Page::new(member, "Analytics", body).lead(lead).tabs(analytics_tabs(CONNECTORS)))
}

fn failed(sum: CallSum) -> Share {
    Share { part: sum.failed, whole: sum.calls }
}

fn cards(found: &Connectors) -> Markup {
    let Connectors { total, previous, p50_ms, p95_ms, .. } = found;
    let change = |text: Option<String>| text.unwrap_or_else(|| "nothing to compare with before".to_owned());
    let time =
        |millis: &Option<u64>| millis.map_or_else(|| "–".to_owned(), |millis| duration(millis.saturating_mul(1000)));
    html! {
        ul class="cards" {
            li class="card" {
                h2 { "Calls" } p class="figure" { (thousands(total.calls)) }
                p class="hint foot" { (change(words::change_since(total.calls, previous.calls))) }
            }
            li class="card" {
                h2 { "Failed" } p class="figure" { (words::percent(failed(*total))) }
                p class="hint" { (thousands(total.failed)) " of " (thousands(total.calls)) }
                p class="hint foot" { (change(words::points_since(failed(*total), failed(*previous)))) }
            }
            li class="card" {
                h2 { "Duration" } p class="figure" { (duration(total.duration_us.checked_div(total.calls).unwrap_or(0))) }
                p class="hint foot" { "on average; half took at most " (time(p50_ms)) ", 95 of 100 at most " (time(p95_ms)) }
            }
        }
    }
}

fn plot(found: &Connectors, csv: &str) -> Markup {
    let labels: Vec<String> = found.days.iter().map(|(day, _)| day.clone()).collect();
    let values = |of: fn(&CallSum) -> u64| -> Vec<f64> { found.days.iter().map(|(_, sum)| of(sum) as f64).collect() };
    let (well, failed) = (values(|sum| sum.calls - sum.failed), values(|sum| sum.failed));
    let series = [Series { name: "Went well", values: &well }, Series { name: "Failed", values: &failed }];
    let (exact, short) = (|value: f64| count(whole(value)), |value: f64| rough(whole(value).unsigned_abs()));
    Plot {
        id: "calls",
        title: "Calls by day",
        marks: Marks::Bars,
        axis: "Day",
        labels: &labels,
        series: &series,
        exact: &exact,
        short: &short,
        csv: Some(csv),
    }
    .draw()
}

#[expect(clippy::cast_possible_truncation, reason = "it was a whole number, or is a line of the plot's grid")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn table(found: &Connectors) -> Markup {
    let columns = ["Connection", "#Calls", "#Failed", "#Average duration"];
    let mut table = Table::new("Calls by connection", &columns);
    for (id, name, sum) in &found.connections {
        table.row(vec![
            html! { @match name { Some(name) => a href={ "/console/connections/" (id) } { (name) }, None => span class="quiet" { "Deleted connection" } } },
            html! { (thousands(sum.calls)) },
            html! { (thousands(sum.failed)) },
            html! { (duration(sum.duration_us.checked_div(sum.calls).unwrap_or(0))) },
        ]);
    }
    table.draw()
}

/// The calls of each day as a file.
pub async fn csv(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, PageError> {
    let choices = Choices::read(parameters, api.app.clock.now());
    let span = choices.query.span;
    let found = analytics::connectors(&api.app, member.session.organization, span).await?;
    let number = |value: u64| Cell::Number(i64::try_from(value).unwrap_or(i64::MAX));
    let mut table = Csv::new(&["day", "calls", "failed", "duration_us"]);
    for (day, sum) in found.days {
        table.row([Cell::Text(day), number(sum.calls), number(sum.failed), number(sum.duration_us)]);
    }
    Ok(reply::download(table.finish(), &format!("connector-calls-{}-{}.csv", span.first(), span.last())))
}
