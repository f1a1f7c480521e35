//! `/api/chat`: ask, follow, cancel, confirm, ask for a person.

pub mod approvals;
mod citations;
pub mod follow;
mod format;
pub mod hand_over;
mod json;
pub mod parse;
pub mod post;
mod text;
mod ui;

pub use json::Answer;

use resly_core::{approval::ChatClient, principal::Principal};

use crate::problem::Problem;

/// The caller of a route that has no chat body: the key's holder, for the visitor that `?visitorId=` names.
fn person(principal: &Principal, query: Option<&str>) -> Result<ChatClient, Problem> {
    let named = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "visitorId").then_some(value));
    let visitor = named.map(|visitor| parse::name("visitorId", &visitor).map(str::to_owned)).transpose()?;
    Ok(ChatClient::new(principal, visitor.filter(|visitor| !visitor.is_empty()).as_deref()))
}
