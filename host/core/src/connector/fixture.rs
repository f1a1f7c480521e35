//! The `sandbox` environment's outside: answers come from a manifest's fixtures, and nothing is dialled.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::manifest::{Fixture, FixtureMatch, Manifest};
use crate::outbound::{Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse};

/// Answers from the fixtures of one manifest.
pub struct Fixtures(pub Arc<Manifest>);

#[async_trait]
impl Outbound for Fixtures {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        self.answer(&request.method, &request.url, request.body.as_deref().unwrap_or_default())
    }

    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl Fixtures {
    /// The first fixture that matches.
    pub fn answer(&self, method: &str, url: &str, body: &[u8]) -> Result<OutboundResponse, OutboundFailure> {
        let failure = |reason, message: String| OutboundFailure { reason, message, retry_after: None, sent: false };
        let url = Url::parse(url)
            .map_err(|error| failure(OutboundReason::Invalid, format!("`{url}` is not a URL: {error}")))?;
        let found = self.0.fixtures.iter().find(|fixture| fixture.matcher.matches(method, &url, body));
        let Some(Fixture { response, .. }) = found else {
            return Err(failure(
                OutboundReason::Denied,
                format!(
                    "the sandbox has no fixture for {} {}{}: add one to the connector's manifest, or use the production environment",
                    method,
                    url.host_str().unwrap_or_default(),
                    url.path()
                ),
            ));
        };
        let (text, default_type) = match (&response.json, &response.text) {
            (Some(json), _) => (Bytes::from(json.to_string()), "application/json"),
            (None, Some(text)) => (Bytes::from(text.clone()), "text/plain; charset=utf-8"),
            (None, None) => (Bytes::new(), ""),
        };
        let mut headers: Vec<(String, String)> =
            response.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        if !default_type.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), default_type.to_owned()));
        }
        Ok(OutboundResponse { status: response.status, headers, body: text, truncated: false })
    }
}

impl FixtureMatch {
    fn matches(&self, method: &str, url: &Url, body: &[u8]) -> bool {
        self.method.as_ref().is_none_or(|want| want.eq_ignore_ascii_case(method))
            && self.host.as_ref().is_none_or(|host| url.host_str() == Some(host))
            && self.path.as_ref().is_none_or(|path| url.path() == path)
            && self.query.iter().all(|(name, value)| url.query_pairs().any(|(n, v)| n == *name && v == *value))
            && self
                .json
                .as_ref()
                .is_none_or(|want| serde_json::from_slice::<Value>(body).is_ok_and(|have| contains(&have, want)))
            && self.body_contains.as_ref().is_none_or(|want| String::from_utf8_lossy(body).contains(want))
    }
}

/// Objects by the members that `want` names, everything else whole.
fn contains(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            want.iter().all(|(name, want)| have.get(name).is_some_and(|have| contains(have, want)))
        }
        _ => have == want,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::contains;

    #[test]
    fn a_body_may_hold_more_than_the_fixture_names() {
        let have = json!({"query": "q", "variables": {"name": "#1001", "first": 1}});
        assert!(contains(&have, &json!({"variables": {"name": "#1001"}})));
        assert!(!contains(&have, &json!({"variables": {"name": "#1002"}})));
        assert!(!contains(&json!([1, 2]), &json!([1])));
    }
}
