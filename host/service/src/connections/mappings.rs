//! A connection's own mappings: jq filters by action.

use std::collections::BTreeMap;

use resly_core::id::OrganizationId;
use resly_manifest::Manifest;

use super::ConnectionError;
use crate::{App, FieldError};

/// The longest filter, in bytes.
const FILTER: usize = 16 << 10;

/// Checks a filter's size.
pub fn filter_size(filter: &str) -> Option<&'static str> {
    let fits = !filter.trim().is_empty() && filter.len() <= FILTER;
    (!fits).then_some("a jq filter of 1 to 16,384 bytes is expected")
}

/// The mistakes that can be found without running anything.
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

/// The filters that can't be parsed. Only the sandbox parses filters, because they run there.
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
