//! The rules of outcomes, as the page tells them, and the button that has all computed again.

use std::time::Duration;

use maud::{Markup, html};
use resly_core::{
    member::Permission,
    outcome::{DURABLE_AFTER, PERSON_WITHIN, QUIET, RULES_VERSION},
};

use crate::{
    member::Member,
    parts::{form, rows},
};

pub const RECOMPUTE: &str = "/console/analytics/recompute";

pub fn draw(member: &Member) -> Markup {
    let hours = |time: Duration| time.as_secs() / 3600;
    let (quiet, person, days) = (hours(QUIET), hours(PERSON_WITHIN), hours(DURABLE_AFTER) / 24);
    html! {
        section class="panel" {
            h2 { "How outcomes are decided" }
            (rows(&[
                ("Resolved", html! { "No person was asked for or took part, and the visitor's last question was answered: wholly, by an answer that rests on a source or an action, and that wasn't rated down. It is resolved durably when the visitor doesn't come back within " (days) " days." }),
                ("Handed over", html! { "A person answered, or settled it. It is never counted as resolved by the assistant, whoever spoke last." }),
                ("Abandoned", html! { "The visitor left, or was left, without an answer: the last word is the visitor's, the answer failed, rests on nothing or was rated down, or a visitor waited " (person) " hours for a person." }),
                ("Open", html! { "Something was said within the last " @if quiet == 1 { "hour" } @else { (quiet) " hours" } ", or somebody may still come. Rates leave these out." }),
                ("Deflection", html! { "Conversations that needed nobody of your team. It says nothing about whether the visitor was helped, so read it beside the resolution rate." }),
            ]))
            p class="hint" { "Version " (RULES_VERSION) " of the rules. Outcomes are computed within some minutes, and again whenever a conversation goes on. " a href="/docs/analytics" { "What each number means" } }
            @if member.may(Permission::Manage) {
                (form(&member.form_token, RECOMPUTE, &html! { p class="form-end" { button class="button" { "Compute all again" } } }))
            }
        }
    }
}
