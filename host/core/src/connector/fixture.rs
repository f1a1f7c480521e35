//! The outbound side of the `sandbox` environment: answers come from a manifest's fixtures, and nothing is dialled.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use resly_manifest::{Fixture, FixtureMatch, Manifest};
use serde_json::{Value, json};
use url::Url;

use crate::{
    connector::{
        fault::{Fault, FaultKind},
        outbound::{
            DryRunPolicy, LOGGED_PATH, Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse,
        },
    },
    json::{same, without_bom},
};

/// Answers the requests of one call from a manifest's fixtures.
pub struct Fixtures {
    manifest: Arc<Manifest>,
    /// Refuses what production would refuse.
    policy: Option<Arc<dyn DryRunPolicy>>,
    asked: Mutex<Asked>,
}

/// The requests of a call so far.
#[derive(Default)]
struct Asked {
    requests: Vec<Value>,
    /// The message about the first request that no fixture matches.
    missing: Option<String>,
}

#[async_trait]
impl Outbound for Fixtures {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        if let Some(Err(refused)) = self.policy.as_ref().map(|policy| policy.dry_run(&request)) {
            self.lock_requests().requests.push(json!({"method": request.method, "error": "refused"}));
            return Err(refused);
        }
        self.answer(&request.method, &request.url, request.body.as_deref().unwrap_or_default())
    }

    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }

    fn requests(&self) -> Vec<Value> {
        self.lock_requests().requests.clone()
    }

    /// A request without a fixture is the reason of the call's failure. The guest only sees a refusal and can't report
    /// it well.
    fn cause(&self) -> Option<Fault> {
        let message = self.lock_requests().missing.clone()?;
        Some(Fault::new(FaultKind::NoFixture, message))
    }
}

impl Fixtures {
    pub fn new(manifest: Arc<Manifest>) -> Self {
        Self { manifest, policy: None, asked: Mutex::default() }
    }

    /// Fixtures that only answer requests that `policy` allows.
    pub fn with_policy(manifest: Arc<Manifest>, policy: Arc<dyn DryRunPolicy>) -> Self {
        Self { policy: Some(policy), ..Self::new(manifest) }
    }

    fn lock_requests(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of the first fixture that matches.
    pub fn answer(&self, method: &str, url: &str, body: &[u8]) -> Result<OutboundResponse, OutboundFailure> {
        let failure = |reason, message: String| OutboundFailure::refused(reason, message);
        let url = Url::parse(url)
            .map_err(|error| failure(OutboundReason::Invalid, format!("`{url}` is not a URL: {error}")))?;
        let host = url.host_str().unwrap_or_default();
        let path = &url.path()[..url.path().floor_char_boundary(LOGGED_PATH)];
        let mut entry = json!({"method": method, "host": host, "path": path});
        let request = Request::new(method, &url, body);
        let found = self.manifest.fixtures.iter().find(|fixture| matches(&fixture.matcher, &request));
        let Some(Fixture { response, .. }) = found else {
            let origin = url.origin().ascii_serialization();
            let message = format!(
                "the sandbox has no fixture for {method} {origin}{path}: add one to the connector's manifest, call with an \
                 input that it has one for, or use the production environment"
            );
            entry["error"] = "no fixture".into();
            let mut asked = self.lock_requests();
            asked.requests.push(entry);
            asked.missing.get_or_insert_with(|| message.clone());
            return Err(failure(OutboundReason::Denied, message));
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
        entry["status"] = response.status.into();
        entry["bytes"] = text.len().into();
        self.lock_requests().requests.push(entry);
        Ok(OutboundResponse { status: response.status, headers, body: text, truncated: false })
    }
}

/// The most bytes of a body that fixtures read. Each fixture reads them, and no fuel is charged for that.
const LOOKED_INTO: usize = 64 << 10;

/// A request in the form that fixtures compare. It is parsed once for all fixtures.
struct Request<'a> {
    method: &'a str,
    url: &'a Url,
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    body: Cow<'a, str>,
    json: Option<Value>,
}

impl<'a> Request<'a> {
    fn new(method: &'a str, url: &'a Url, body: &'a [u8]) -> Self {
        let body = body.get(..LOOKED_INTO).unwrap_or(body);
        let (query, json) = (url.query_pairs().collect(), serde_json::from_slice(without_bom(body)).ok());
        Self { method, url, query, body: String::from_utf8_lossy(body), json }
    }
}

fn matches(matcher: &FixtureMatch, request: &Request<'_>) -> bool {
    let Request { method, url, query, body, json } = request;
    matcher.method.as_ref().is_none_or(|want| want.eq_ignore_ascii_case(method))
        && matcher.host.as_ref().is_none_or(|host| url.host_str() == Some(host))
        && matcher.path.as_ref().is_none_or(|path| path_fits(path, url.path()))
        && matcher.query.iter().all(|(name, value)| query.iter().any(|(n, v)| n == name && v == value))
        && matcher.json.as_ref().is_none_or(|want| json.as_ref().is_some_and(|have| contains(have, want)))
        && matcher.body_contains.as_ref().is_none_or(|want| body.contains(want))
}

/// Whether a path fits a pattern, in which a segment `*` stands for any one segment.
fn path_fits(want: &str, have: &str) -> bool {
    let (mut want, mut have) = (want.split('/'), have.split('/'));
    loop {
        match (want.next(), have.next()) {
            (None, None) => return true,
            (Some(want), Some(have)) if want == have || (want == "*" && !have.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Whether `have` contains `want`. Objects are compared by the members of `want`, other values as a whole.
fn contains(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => {
            want.iter().all(|(name, want)| have.get(name).is_some_and(|have| contains(have, want)))
        }
        _ => same(have, want),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{contains, path_fits};

    #[test]
    fn a_star_is_any_one_segment_of_a_path() {
        assert!(path_fits("/pets/*", "/pets/7") && path_fits("/pets/*/toys", "/pets/7/toys") && path_fits("/*", "/*"));
        for other in ["/pets", "/pets/", "/pets/7/toys", "/cats/7"] {
            assert!(!path_fits("/pets/*", other), "{other}");
        }
        assert!(!path_fits("/pets/7", "/pets/8") && !path_fits("/pets/7*", "/pets/77"));
    }

    #[test]
    fn numbers_are_compared_by_what_they_count() {
        let have = json!({"amount": 1.0, "id": 7});
        let want: serde_json::Value = serde_json::from_str("{\"amount\": 1, \"id\": 7.00}").unwrap();
        assert!(contains(&have, &want) && !contains(&have, &json!({"id": 8})));
    }

    #[test]
    fn a_body_may_hold_more_than_the_fixture_names() {
        let have = json!({"query": "q", "variables": {"name": "#1001", "first": 1}});
        assert!(contains(&have, &json!({"variables": {"name": "#1001"}})));
        assert!(!contains(&have, &json!({"variables": {"name": "#1002"}})));
        assert!(!contains(&json!([1, 2]), &json!([1])));
    }
}
