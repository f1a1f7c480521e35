//! Account → Billing: what was used and what is left, its history, the events, and the plan.

mod events;
mod forecast;
mod history;
mod month;
mod plan;
mod usage;
pub mod words;

use maud::Markup;

pub use self::{
    events::page as events,
    history::{csv, page as history},
    plan::page as plan,
    usage::page as usage,
};
use crate::parts::tabs;

pub const PATH: &str = "/console/account/billing";
const HISTORY: &str = "/console/account/billing/history";
const EVENTS: &str = "/console/account/billing/events";
const PLAN: &str = "/console/account/billing/plan";

fn billing_tabs(current: &str) -> Markup {
    let pages = [(PATH, "Usage"), (HISTORY, "History"), (EVENTS, "Events"), (PLAN, "Plan")];
    tabs("Billing", current, &pages.map(|(path, title)| (path.to_owned(), title)))
}
