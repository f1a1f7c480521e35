//! An organization's own terms, which an operator sets beside those of its plan.

use std::{collections::BTreeMap, ops::RangeInclusive};

use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    meter::{Meter, UsageReport},
    plan::Overrides,
    time::Clock,
};
use resly_store::{Plan, Store, SubscribeError};

use crate::{App, FieldError};

/// Ten years at most.
const LOG_DAYS: RangeInclusive<u32> = 1..=3650;
const LOG_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 40;

/// Ten years at most.
const CONVERSATION_DAYS: RangeInclusive<u32> = 1..=3650;

/// Why terms stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Refused(#[from] SubscribeError),
}

impl From<StoreError> for PlanError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// What an organization may use, and what it used this month.
pub struct PlanOverview {
    pub plan: Plan,
    /// The plan's name for people.
    pub title: String,
    pub usage: UsageReport,
}

#[boxed]
pub async fn overview(app: &App, organization: OrganizationId) -> Result<PlanOverview, StoreError> {
    let plan = app.store.plan(organization).await?;
    let defined = app.store.plan_definition(plan.id.clone()).await?;
    let title = defined.map_or_else(|| plan.id.to_string(), |defined| defined.title);
    let usage = app.store.usage(organization, app.clock.now()).await?;
    Ok(PlanOverview { plan, title, usage })
}

/// Adds terms of the organization's own: all of them, or none. Limits hold from the next request on.
#[boxed]
pub async fn change(app: &App, organization: OrganizationId, newer: Overrides) -> Result<Plan, PlanError> {
    let mistakes = check(&newer);
    if !mistakes.is_empty() {
        return Err(PlanError::Invalid(mistakes));
    }
    Ok(app.store.change_plan(organization, newer, app.clock.now()).await?)
}

/// Replaces all terms of the organization's own. Without any, it has those of its plan.
#[boxed]
pub async fn replace(
    store: &Store,
    clock: &dyn Clock,
    organization: OrganizationId,
    terms: Overrides,
) -> Result<Plan, PlanError> {
    let mistakes = check(&terms);
    if !mistakes.is_empty() {
        return Err(PlanError::Invalid(mistakes));
    }
    Ok(store.replace_overrides(organization, terms, clock.now()).await?)
}

/// The mistakes of terms that were sent.
pub(crate) fn check(terms: &Overrides) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    let mut check = |member: &str, limits: &BTreeMap<Meter, Option<u64>>, least: u64, expected: &str| {
        let fits = |limit: u64| limit >= least && i64::try_from(limit).is_ok();
        let wrong = limits.iter().filter(|(_, limit)| !limit.is_none_or(fits));
        mistakes.extend(wrong.map(|(meter, _)| FieldError::new(format!("{member}.{}", meter.name()), expected)));
    };
    check("limits", &terms.limits, 0, "at most 2^63-1; null is unlimited");
    check("per_minute", &terms.per_minute, 1, "1 to 2^63-1; null is unlimited");
    if terms.log_days.is_some_and(|days| !LOG_DAYS.contains(&days)) {
        let expected = format!("{} to {} days", LOG_DAYS.start(), LOG_DAYS.end());
        mistakes.push(FieldError::new("log_days", expected));
    }
    if terms.log_bytes_per_day.is_some_and(|bytes| !LOG_BYTES.contains(&bytes)) {
        let expected = format!("{} to {} bytes", LOG_BYTES.start(), LOG_BYTES.end());
        mistakes.push(FieldError::new("log_bytes_per_day", expected));
    }
    if terms.conversation_days.flatten().is_some_and(|days| !CONVERSATION_DAYS.contains(&days)) {
        let (least, most) = (CONVERSATION_DAYS.start(), CONVERSATION_DAYS.end());
        let expected = format!("{least} to {most} days; null keeps conversations for ever");
        mistakes.push(FieldError::new("conversation_days", expected));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_plan_is_told_at_once() {
        let terms = Overrides {
            limits: [(Meter::Messages, Some(u64::MAX)), (Meter::Fuel, None)].into(),
            per_minute: [(Meter::Messages, Some(0)), (Meter::Embeddings, Some(1))].into(),
            log_days: Some(0),
            log_bytes_per_day: Some(1),
            conversation_days: Some(Some(0)),
        };
        let paths: Vec<String> = check(&terms).into_iter().map(|mistake| mistake.path).collect();
        let expected = ["limits.messages", "per_minute.messages", "log_days", "log_bytes_per_day", "conversation_days"];
        assert_eq!(paths, expected);
        for conversation_days in [Some(None), Some(Some(3650))] {
            let (log_days, log_bytes_per_day) = (Some(30), Some(1 << 20));
            let fits = Overrides { log_days, log_bytes_per_day, conversation_days, ..Overrides::default() };
            assert_eq!(check(&fits), []);
        }
    }
}
