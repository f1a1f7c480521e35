//! `/console/analytics`: what became of conversations, what was asked without an answer, and how connectors did.

mod cards;
pub mod connectors;
pub mod conversations;
mod filters;
pub mod overview;
pub mod questions;
mod rules;
mod words;

use maud::Markup;

use crate::parts::tabs;

pub const PATH: &str = "/console/analytics";
const CONVERSATIONS: &str = "/console/analytics/conversations";
const QUESTIONS: &str = "/console/analytics/questions";
const CONNECTORS: &str = "/console/analytics/connectors";

fn analytics_tabs(current: &str) -> Markup {
    let pages = [(PATH, "Conversations"), (QUESTIONS, "Unanswered questions"), (CONNECTORS, "Connectors")];
    tabs("Analytics", current, &pages.map(|(path, title)| (path.to_owned(), title)))
}
