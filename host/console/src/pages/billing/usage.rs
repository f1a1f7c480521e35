//! Account → Billing: this month's use against each limit, and where it leads.

use axum::extract::State;
use maud::{Markup, html};
use resly_core::{
    meter::{Meter, MeterReading},
    plan::SubscriptionStatus,
    time::{Period, Timestamp},
};
use resly_http::Api;
use resly_service::plan::{self, PlanOverview};

use super::{PATH, PLAN, billing_tabs, forecast::forecast, month::day, words};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::{bytes, rough, thousands},
    parts::{Tone, badge, facts, icon, meter, when},
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    let overview = plan::overview(&api.app, member.session.organization).await?;
    let PlanOverview { title, usage, .. } = &overview;
    let now = api.app.clock.now();
    let period = usage.period;
    let limited = |limited: bool| usage.meters.iter().filter(move |(_, reading)| reading.limit.is_some() == limited);
    let body = html! {
        (subscription(&overview, now))
        section class="panel" {
            div class="panel-head" {
                h2 { "This month" }
                p class="quiet" { "Starts again on " (day(period.end)) }
            }
            ul class="gauges" {
                @for (of, reading) in limited(true) { (gauge(*of, reading, period, now)) }
                @for (of, reading) in limited(false) { (gauge(*of, reading, period, now)) }
            }
            p class="hint" {
                "A forecast is what was used so far this month, by day, extended in a straight line to the month's end."
            }
        }
        section class="panel" { h2 { "At a limit" } (what_to_do(title)) }
        section class="panel" {
            h2 { "Not counted" }
            (facts(&[
                ("Connector calls in the sandbox", html! { (thousands(sandbox(&overview, Meter::ConnectorCalls))) }),
                ("Fuel in the sandbox", html! { (rough(sandbox(&overview, Meter::Fuel))) }),
                ("Stored this month", html! { (bytes(usage.stored_bytes.production)) }),
                ("Of it by the sandbox", html! { (bytes(usage.stored_bytes.sandbox)) }),
            ]))
        }
    };
    let lead = html! { "You have the plan " strong { (title) } ". " a href=(PLAN) { "What it includes" } };
    Ok(Page::new(member, "Billing", body).lead(lead).tabs(billing_tabs(PATH)))
}

fn sandbox(overview: &PlanOverview, of: Meter) -> u64 {
    overview.usage.sandbox.get(&of).copied().unwrap_or(0)
}

/// What a subscription that isn't simply active means for the reader.
fn subscription(overview: &PlanOverview, now: Timestamp) -> Markup {
    let subscription = &overview.plan.subscription;
    let ends = subscription.ends_at();
    html! {
        @match (subscription.status_at(now), ends) {
            (SubscriptionStatus::Expired, _) => p class="notice bad" role="alert" {
                (icon("warn")) "The subscription has ended: chats and searches are refused. Your data is kept."
            },
            (SubscriptionStatus::PastDue, Some(ends)) => p class="notice warn" {
                (icon("warn")) span { "A payment is due. Chats and searches are answered until " (when(ends)) "." }
            },
            (SubscriptionStatus::Trial, Some(ends)) => p class="notice" { span { "The trial ends " (when(ends)) "." } },
            _ => {}
        }
    }
}

/// One meter: how much of it is used, the bar, and where it leads.
fn gauge(of: Meter, reading: &MeterReading, period: Period, now: Timestamp) -> Markup {
    let used = reading.used;
    html! {
        li {
            div class="gauge-head" {
                h3 { (words::meter(of)) }
                @if let Some(limit) = reading.limit { (state(used, limit)) }
                p class="number" title=(thousands(used)) {
                    strong { (rough(used)) }
                    @match reading.limit { Some(limit) => { " of " (rough(limit)) }, None => span class="quiet" { ", no limit" } }
                }
            }
            @if let Some(limit) = reading.limit { (meter(words::meter(of), used, limit)) }
            p class="hint" { (sentence(of, reading, period, now)) }
        }
    }
}

/// The state of a meter by its percentage, which turns where the bar turns.
fn state(used: u64, limit: u64) -> Markup {
    let percent = if limit == 0 { 100 } else { u128::from(used) * 100 / u128::from(limit) };
    match percent {
        0..70 => html! {},
        70..90 => badge(Tone::Warn, &format!("{percent} % used")),
        90..100 => badge(Tone::Bad, &format!("{percent} % used")),
        _ => badge(Tone::Bad, "used up"),
    }
}

fn sentence(of: Meter, reading: &MeterReading, period: Period, now: Timestamp) -> Markup {
    let MeterReading { used, limit, reserved, estimated } = *reading;
    let hint = words::meter_hint(of);
    let full = limit.is_some_and(|limit| used >= limit);
    html! {
        (crate::error::sentence(hint)) " "
        @if full {
            strong { (words::at_limit(of)) " until " (day(period.end)) "." }
        } @else if let Some(forecast) = forecast(used, limit, period, now) {
            @if let Some(reached) = forecast.reached_at {
                strong { "At this pace the limit is reached on " (day(reached)) "." }
            } @else if used > 0 {
                "At this pace: about " (rough(forecast.used)) " by the end of the month."
            }
        } @else if used > 0 {
            "A forecast comes after the first day of the month."
        }
        @if let Some(reserved) = reserved.filter(|reserved| *reserved > 0) { " " (rough(reserved)) " more are set aside for calls that are running." }
        @if let Some(estimated) = estimated.filter(|estimated| *estimated > 0) { " " (rough(estimated)) " of them are estimates." }
    }
}

fn what_to_do(plan: &str) -> Markup {
    html! {
        ul class="plain" {
            li { "At 70 % and at 90 % a bar turns, a " a href="/console/account/billing/events" { "billing event" } " is written, and the " a href="/console/account/webhook" { "webhook" } " is told." }
            li { "At the limit requests are answered 429 with when it starts again. Nothing of them runs, and nothing is counted." }
            li { "See " a href="/console/account/billing/history" { "who uses it" } ": one key may need a cap of its own, or an app sends the same question again and again." }
            li { "Have the limit raised: the operator of this host changes the plan “" (plan) "” or gives you limits of your own. They hold from the next request on." }
        }
        p class="hint" { a href="/docs/usage-and-limits" { "How usage is counted" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_and_its_word_turn_at_70_and_at_90_percent() {
        for (used, bar, word) in [
            (0, r#"class="bar""#, ""),
            (69, r#"class="bar""#, ""),
            (70, r#"class="bar warn""#, "badge warn"),
            (89, r#"class="bar warn""#, "badge warn"),
            (90, r#"class="bar bad""#, "badge bad"),
            (100, r#"class="bar bad""#, "used up"),
            (130, r#"class="bar bad""#, "used up"),
        ] {
            assert!(meter("Messages", used, 100).into_string().contains(bar), "{used}");
            let drawn = state(used, 100).into_string();
            assert!(drawn.contains(word) && drawn.is_empty() == word.is_empty(), "{used}: {drawn}");
        }
        assert!(state(0, 0).into_string().contains("used up"), "a limit of nothing is used up");
        assert!(!state(699, 1000).into_string().contains("warn"), "69.9 % is not 70 %");
    }
}
