//! A connection's own mappings: jq filters by action.

use std::collections::BTreeMap;

use resly_core::id::OrganizationId;
use resly_manifest::Manifest;

use super::ConnectionError;
use crate::{App, FieldError};

/// Bytes of a filter.
const FILTER: usize = 16 << 10;

/// What is wrong with a filter's size.
pub fn filter_size(filter: &str) -> Option<&'static str> {
    let fits = !filter.trim().is_empty() && filter.len() <= FILTER;
    (!fits).then_some("a jq filter of 1 to 16,384 bytes is expected")
}

/// Every mistake that can be told without running anything.
pub(super) fn check(manifest: &Manifest, mappings: &BTreeMap<String, String>) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    for (action, filter) in mappings {
        if manifest.action(action).is_none() {
            mistakes.push(FieldError::new(path(action), "the connector has no such action"));
        }
        if let Some(message) = filter_size(filter) {
            mistakes.push(FieldError::new(path(action), message));
        }
    }
    mistakes
}

/// Every filter that can't be read. Filters are parsed where they will run, and nowhere else.
pub(super) async fn examine(
    app: &App,
    organization: OrganizationId,
    mappings: &BTreeMap<String, String>,
) -> Result<Vec<FieldError>, ConnectionError> {
    let mut mistakes = Vec::new();
    for (action, filter) in mappings.iter().filter(|(_, filter)| filter_size(filter).is_none()) {
        let message = app.connectors.bad_filter(organization, filter).await.map_err(ConnectionError::Unexamined)?;
        mistakes.extend(message.map(|message| FieldError::new(path(action), message)));
    }
    Ok(mistakes)
}

fn path(action: &str) -> String {
    format!("mappings.{action}")
}
