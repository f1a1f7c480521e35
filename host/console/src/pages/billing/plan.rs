//! Account → Billing → Plan: what the plan includes, and who changes it.

use axum::extract::State;
use maud::{Markup, html};
use resly_core::{
    member::Permission,
    meter::{Limits, Meter},
    plan::Feature,
};
use resly_http::Api;
use resly_service::plan::{self, PlanOverview};

use super::{PLAN, billing_tabs, words};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::{bytes, thousands},
    parts::{Table, Tone, badge, date, facts, when},
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    let PlanOverview { plan, title, .. } = plan::overview(&api.app, member.session.organization).await?;
    let now = api.app.clock.now();
    let subscription = plan.subscription;
    let mut subscribed = vec![("State", html! { (words::status(subscription.status_at(now))) })];
    if let Some(trial) = subscription.trial_ends_at {
        subscribed.push(("The trial ends", when(trial)));
    }
    if let Some(paid) = subscription.current_period_ends_at {
        subscribed.push(("Paid until", when(paid)));
    }
    subscribed.push(("Answers until", date(subscription.ends_at(), "no end is set")));
    let terms = &plan.terms;
    let body = html! {
        section class="panel" { h2 { "Subscription" } (facts(&subscribed)) }
        section class="section" {
            h2 { "Limits" }
            (limits(&terms.limits, &terms.per_minute))
        }
        section class="panel" {
            h2 { "Features" }
            ul class="plain" {
                @for feature in Feature::ALL {
                    li {
                        @if terms.features.has(feature) { (badge(Tone::Good, "included")) } @else { (badge(Tone::Quiet, "not included")) }
                        " " (words::feature(feature))
                    }
                }
            }
        }
        section class="panel" {
            h2 { "Kept for" }
            (facts(&[
                ("Conversations", html! { @match terms.conversation_days { Some(days) => { (days) " days after the last message" }, None => "ever" } }),
                ("Log of connector calls", html! { (terms.log_days) " days, " (bytes(terms.log_bytes_per_day)) " a day" }),
            ]))
        }
        section class="panel" {
            h2 { "Change the plan" }
            p {
                @if member.may(Permission::Own) { "You own this organization. " } @else { "An owner of this organization asks for it. " }
                "The operator of this host changes the plan and its limits; no change is made from here. What they change holds from the next request on, and is listed under Events."
            }
            p class="hint" { "You run this host yourself? " a href="/docs/plans" { "Plans and subscriptions" } " tells how." }
        }
    };
    let lead = html! { "You have the plan " strong { (title) } "." };
    Ok(Page::new(member, "Billing", body).lead(lead).tabs(billing_tabs(PLAN)))
}

fn limits(month: &Limits, minute: &Limits) -> Markup {
    let mut table = Table::new("Limits of the plan", &["What", "#In a month", "#In a minute"]);
    let limit = |limits: &Limits, meter: Meter| {
        html! { @match limits.get(&meter) { Some(limit) => (thousands(*limit)), None => span class="quiet" { "no limit" } } }
    };
    for meter in Meter::ALL {
        table.row(vec![html! { (words::meter(meter)) }, limit(month, meter), limit(minute, meter)]);
    }
    table.draw()
}
