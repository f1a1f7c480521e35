//! The first page of analytics: cards, plots, and the same numbers by language, key and tag.

use axum::{
    extract::{Query, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::outcome::Outcome;
use resly_http::Api;
use resly_service::{
    analytics::{self, Card, Group, Interval, Numbers, Report},
    csv::{Cell, Csv},
};

use super::{
    PATH, analytics_tabs, cards,
    filters::{Choices, Parameters},
    rules, words,
};
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    numbers::{count, rough, thousands},
    parts::{Marks, Plot, Series, Table, button, empty},
    reply,
};

const CSV: &str = "/console/analytics/days.csv";
/// The series of the plot, in the order of the style sheet's colours.
const SERIES: [Outcome; 5] =
    [Outcome::Durable, Outcome::Autonomous, Outcome::Open, Outcome::HandedOver, Outcome::Abandoned];
/// Rows of a table.
const ROWS: usize = 20;

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let choices = Choices::read(parameters, api.app.clock.now());
    let report = analytics::report(&api.app, member.session.organization, &choices.query, choices.by).await?;
    let body = html! {
        (choices.form(PATH, &report.keys, &report.languages))
        @if report.total.total().conversations == 0 { (nothing()) }
        @else {
            (cards::draw(&report, &choices))
            (plots(&report, &choices))
            div class="columns" {
                (groups("By language", "Language", &report.languages, &|group| words::language(&group.id)))
                (groups("By key", "Key", &report.keys, &|group| group.name.clone().unwrap_or_else(|| "Deleted key".to_owned())))
                @if !report.tags.is_empty() { (groups("By tag", "Tag", &report.tags, &|group| group.id.clone())) }
            }
        }
        (rules::draw(&member))
    };
    let lead = html! { "What became of the conversations that began from " (choices.days()) "." };
    Ok(Page::new(member, "Analytics", body).lead(lead).tabs(analytics_tabs(PATH)))
}

fn nothing() -> Markup {
    empty(
        "No conversations in these days",
        "What became of each conversation will be here some minutes after it began: resolved, handed over or abandoned.",
        &html! { (button(PATH, "Show the last 30 days")) },
    )
}

fn plots(report: &Report, choices: &Choices) -> Markup {
    let axis = if choices.by == Interval::Week { "Week from" } else { "Day" };
    let labels: Vec<String> = report.intervals.iter().map(|(label, _)| label.clone()).collect();
    let csv = choices.address(CSV, None);
    let values = SERIES.map(|outcome| {
        report.intervals.iter().map(|(_, numbers)| numbers.of(outcome).conversations as f64).collect::<Vec<f64>>()
    });
    let series: Vec<Series<'_>> = SERIES
        .iter()
        .zip(&values)
        .map(|(outcome, values)| Series { name: words::outcome(*outcome).1, values })
        .collect();
    let ratio = |of: fn(&Numbers) -> analytics::Share| -> Vec<f64> {
        let percent = |(_, numbers): &(String, Numbers)| of(numbers).ratio().map_or(0.0, |ratio| ratio * 100.0);
        report.intervals.iter().map(percent).collect()
    };
    let (resolved, handed_over, abandoned) =
        (ratio(Numbers::resolved), ratio(Numbers::handed_over), ratio(Numbers::abandoned));
    let rates = [
        Series { name: "Resolution rate", values: &resolved },
        Series { name: "Handed over", values: &handed_over },
        Series { name: "Abandoned", values: &abandoned },
    ];
    let (exact, short) = (|value: f64| count(whole(value)), |value: f64| rough(whole(value).unsigned_abs()));
    let percent = |value: f64| format!("{} %", whole(value));
    let plot = |id, title, marks, series, exact, short| {
        Plot { id, title, marks, axis, labels: &labels, series, exact, short, csv: Some(&csv) }.draw()
    };
    html! {
        section class="panel" { (plot("outcomes", "Conversations by outcome", Marks::Bars, &series, &exact as &dyn Fn(f64) -> String, &short as &dyn Fn(f64) -> String)) }
        section class="panel" { (plot("rates", "Shares of what is settled", Marks::Lines, &rates, &percent, &percent)) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it was a whole number, or is a line of the plot's grid")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn groups(title: &str, column: &str, groups: &[Group], name: &dyn Fn(&Group) -> String) -> Markup {
    let columns = [column, "#Conversations", "#Resolved", "#Handed over"];
    let mut table = Table::new(title, &columns);
    for group in groups.iter().take(ROWS) {
        table.row(vec![
            html! { (name(group)) },
            html! { (thousands(group.numbers.total().conversations)) },
            html! { (words::percent(group.numbers.resolved())) },
            html! { (words::percent(group.numbers.handed_over())) },
        ]);
    }
    html! {
        section class="panel" {
            h2 { (title) }
            @if table.is_empty() { p class="quiet" { "None." } } @else { (table.draw()) }
        }
    }
}

/// The numbers of each day or week as a file.
pub async fn csv(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, PageError> {
    let choices = Choices::read(parameters, api.app.clock.now());
    let report = analytics::report(&api.app, member.session.organization, &choices.query, choices.by).await?;
    let mut columns = vec![choices.by.name()];
    columns.extend(Card::ALL.map(Card::name));
    columns.extend(["messages", "answers", "unanswered_questions", "rated_up", "rated_down", "first_answer_ms"]);
    let number = |value: u64| Cell::Number(i64::try_from(value).unwrap_or(i64::MAX));
    let mut table = Csv::new(&columns);
    for (label, numbers) in report.intervals {
        let total = numbers.total();
        let mut row = vec![Cell::Text(label)];
        row.extend(Card::ALL.map(|card| number(card.count(&numbers))));
        row.extend([total.messages, total.answers, total.unanswered, total.rated_up, total.rated_down].map(number));
        row.push(numbers.first_answer_ms().map_or(Cell::Text(String::new()), number));
        table.row(row);
    }
    let span = choices.query.span;
    let name = format!("conversations-by-{}-{}-{}.csv", choices.by.name(), span.first(), span.last());
    Ok(reply::download(table.finish(), &name))
}

/// Has all outcomes computed again.
pub async fn recompute(Admin(member): Admin, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    analytics::recompute(&api.app, member.session.organization).await?;
    Ok(reply::done(PATH, "All outcomes are being computed again. Numbers change within some minutes."))
}
