//! Checks the jq filters and templates of a definition: whether they can be parsed at all.
//!
//! They are parsed where they will run, in guests, never natively. The check has a small allowance of its own that
//! counts toward no limit.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use resly_manifest::{Action, Allowance, Digest, Manifest, Violation};
use serde::Deserialize;
use serde_json::json;

use crate::{
    boxed,
    connector::{
        call::Connectors,
        fault::{Fault, FaultKind},
        outbound::{Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse},
        sandbox::{CallState, Invocation, MappingFailure, SetStateError},
    },
    error::StoreError,
    id::OrganizationId,
};

/// Fuel for one filter, and for the templates of one action. A parse usually needs less than a tenth of it.
const EACH: u64 = 20_000_000;
/// Fuel for a whole definition.
const ALL: u64 = 2_000_000_000;
const SECONDS: Duration = Duration::from_secs(5);

impl Connectors {
    /// Finds every filter and template of a declarative definition that can't be parsed, with its path. `runner` is the
    /// component that runs declarative connectors.
    ///
    /// # Errors
    /// When the sandbox has no free place.
    #[boxed]
    pub async fn check_syntax(
        &self,
        organization: OrganizationId,
        runner: Digest,
        manifest: &Manifest,
    ) -> Result<Vec<Violation>, Fault> {
        let mut purse = Purse(ALL);
        let mut violations = Vec::new();
        let mut known = BTreeMap::new();
        for (path, filter) in filters(manifest) {
            if !known.contains_key(filter) {
                known.insert(filter, self.unreadable(organization, filter, &mut purse).await?);
            }
            let told = known.get(filter).cloned().flatten();
            violations.extend(told.map(|message| Violation::new(path, message)));
        }
        for (at, action) in manifest.actions.iter().enumerate() {
            let told = self.templates(organization, runner, action, &mut purse).await?;
            let root = format!("/actions/{at}");
            violations
                .extend(told.into_iter().map(|told| Violation::new(format!("{root}{}", told.path), told.message)));
        }
        Ok(violations)
    }

    /// Why a jq filter can't be parsed. `None` when it can.
    ///
    /// # Errors
    /// When the sandbox has no free place.
    #[boxed]
    pub async fn bad_filter(&self, organization: OrganizationId, filter: &str) -> Result<Option<String>, Fault> {
        self.unreadable(organization, filter, &mut Purse(EACH)).await
    }

    async fn unreadable(
        &self,
        organization: OrganizationId,
        filter: &str,
        purse: &mut Purse,
    ) -> Result<Option<String>, Fault> {
        let Some(allowance) = purse.draw() else { return Ok(Some(Purse::EMPTY.to_owned())) };
        let mapped = self.sandbox.map(organization, filter, "null", allowance).await;
        purse.pay(mapped.cost.fuel);
        match mapped.result {
            Err(MappingFailure::Filter { message, offset: Some(offset) }) => {
                Ok(Some(format!("this is no jq filter: {message} (at byte {offset})")))
            }
            Err(MappingFailure::Fault(fault)) => host_fault(fault).map_or(Ok(None), Err),
            // The filter was parsed. That it may fail on null doesn't matter.
            Ok(_) | Err(MappingFailure::Filter { offset: None, .. }) => Ok(None),
        }
    }

    /// The mistakes in the templates of one action, as the runner finds them.
    async fn templates(
        &self,
        organization: OrganizationId,
        runner: Digest,
        action: &Action,
        purse: &mut Purse,
    ) -> Result<Vec<Told>, Fault> {
        if action.request.is_none() {
            return Ok(Vec::new());
        }
        let told = |message: &str| Ok(vec![Told { path: "/request".to_owned(), message: message.to_owned() }]);
        let Some(allowance) = purse.draw() else { return told(Purse::EMPTY) };
        let now = self.clock.now();
        let context = json!({
            "connection": {"id": "", "name": "", "environment": "sandbox"}, "now": now,
            "definition": {"check": true, "request": action.request, "response": action.response},
        });
        let outcome = self
            .sandbox
            .invoke(Invocation {
                organization,
                component: runner,
                action: action.id.clone(),
                input: "{}".to_owned(),
                settings: "{}".to_owned(),
                context: context.to_string(),
                allowance,
                reserve: None,
                outbound: Arc::new(NoOutbound),
                state: Arc::new(NoOutbound),
            })
            .await;
        purse.pay(outcome.cost.fuel);
        match outcome.result {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap_or_default()),
            Err(fault) => match host_fault(fault.clone()) {
                Some(fault) => Err(fault),
                None => told(&format!("its templates can't be read: {}", fault.message)),
            },
        }
    }
}

/// Whether a fault is about the host and not about the definition; then it is returned.
fn host_fault(fault: Fault) -> Option<Fault> {
    matches!(fault.kind, FaultKind::Busy | FaultKind::Component | FaultKind::Deadline).then_some(fault)
}

/// The fuel that is left for checking a definition.
struct Purse(u64);

impl Purse {
    const EMPTY: &str =
        "this definition needs more to be checked than it may: make its filters and templates fewer or smaller";

    fn draw(&self) -> Option<Allowance> {
        let fuel = EACH.min(self.0);
        (fuel > 0).then(|| Allowance { fuel, deadline: SECONDS, ..Allowance::default() })
    }

    fn pay(&mut self, fuel: u64) {
        self.0 = self.0.saturating_sub(fuel);
    }
}

/// One mistake that the runner found, with its path within the action.
#[derive(Deserialize)]
struct Told {
    path: String,
    message: String,
}

/// Every jq filter of a manifest, with its path.
fn filters(manifest: &Manifest) -> Vec<(String, &str)> {
    const PLACES: [&str; 3] = ["/response/mapping", "/pagination/items", "/pagination/cursor"];
    let mut found = Vec::new();
    for (at, action) in manifest.actions.iter().enumerate() {
        let root = format!("/actions/{at}");
        let rules = [("/response", &action.response), ("/pagination", &action.pagination)];
        for (rule, value) in rules {
            let Some(value) = value else { continue };
            let within = PLACES.iter().filter_map(|place| Some((*place, place.strip_prefix(rule)?)));
            let own =
                within.filter_map(|(place, rest)| Some((format!("{root}{place}"), value.pointer(rest)?.as_str()?)));
            found.extend(own);
        }
        let errors = action.response.as_ref().and_then(|response| response.get("errors")?.as_array());
        for (nth, rule) in errors.into_iter().flatten().enumerate() {
            let when = rule.get("when").and_then(|when| when.as_str());
            found.extend(when.map(|when| (format!("{root}/response/errors/{nth}/when"), when)));
        }
    }
    found
}

/// No outbound side and no state, because checking needs neither.
struct NoOutbound;

#[async_trait]
impl Outbound for NoOutbound {
    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        let message = "there is no outside here".to_owned();
        Err(OutboundFailure::refused(OutboundReason::Denied, message))
    }

    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}

#[async_trait]
impl CallState for NoOutbound {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn set(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<(), SetStateError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_filter_has_its_path() {
        let manifest: Manifest = serde_json::from_value(json!({"id": "x", "name": "X", "version": "1.0.0", "actions": [
            {"id": "a", "title": "A", "description": "A."},
            {"id": "b", "title": "B", "description": "B.", "request": {"url": "https://x.example/"},
                "response": {"mapping": ".m", "errors": [{"status": 404, "fault": "not-found"}, {"when": ".w", "fault": "upstream"}]},
                "pagination": {"type": "cursor", "cursor": ".c", "items": ".i", "param": "p"}}]}))
        .unwrap();
        assert_eq!(
            filters(&manifest),
            [
                ("/actions/1/response/mapping".to_owned(), ".m"),
                ("/actions/1/pagination/items".to_owned(), ".i"),
                ("/actions/1/pagination/cursor".to_owned(), ".c"),
                ("/actions/1/response/errors/1/when".to_owned(), ".w"),
            ]
        );
    }
}
