//! An organization's limits, which an operator sets.

use std::{collections::BTreeMap, ops::RangeInclusive};

use resly_core::{boxed, error::StoreError, id::OrganizationId, meter::Meter};
use resly_store::{Plan, PlanChange};

use crate::{App, FieldError};

/// Ten years at most.
const LOG_DAYS: RangeInclusive<u32> = 1..=3650;
const LOG_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 40;

/// Ten years at most.
const CONVERSATION_DAYS: RangeInclusive<u32> = 1..=3650;

/// Why a plan stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The properties to change. What is absent stays.
#[derive(Default)]
pub struct PlanPatch {
    /// By meter; `None` is unlimited.
    pub limits: BTreeMap<Meter, Option<u64>>,
    /// For how many days the log of connector calls is kept.
    pub log_days: Option<u32>,
    /// How many bytes a day the log takes in each environment before it is sampled.
    pub log_bytes_per_day: Option<u64>,
    /// After how many days a conversation that nobody continued is deleted; `Some(None)` keeps it for ever.
    pub conversation_days: Option<Option<u32>>,
}

/// Changes the plan: all of it, or nothing. Limits hold from the next request on.
#[boxed]
pub async fn change(app: &App, organization: OrganizationId, patch: PlanPatch) -> Result<Plan, PlanError> {
    let mistakes = check(&patch);
    if !mistakes.is_empty() {
        return Err(PlanError::Invalid(mistakes));
    }
    let PlanPatch { limits, log_days, log_bytes_per_day, conversation_days } = patch;
    let change = PlanChange { limits, log_days, log_bytes_per_day, conversation_days };
    Ok(app.store.change_plan(organization, change, app.clock.now()).await?)
}

fn check(patch: &PlanPatch) -> Vec<FieldError> {
    let too_high = |limit: &Option<u64>| limit.is_some_and(|limit| i64::try_from(limit).is_err());
    let limits = patch.limits.iter().filter(|(_, limit)| too_high(limit));
    let limit = |(meter, _): (&Meter, _)| {
        FieldError::new(format!("limits.{}", meter.name()), "at most 2^63-1; null is unlimited")
    };
    let days = patch
        .log_days
        .filter(|days| !LOG_DAYS.contains(days))
        .map(|_| FieldError::new("log_days", format!("{} to {} days", LOG_DAYS.start(), LOG_DAYS.end())));
    let bytes = patch
        .log_bytes_per_day
        .filter(|bytes| !LOG_BYTES.contains(bytes))
        .map(|_| FieldError::new("log_bytes_per_day", format!("{} to {} bytes", LOG_BYTES.start(), LOG_BYTES.end())));
    let conversations = patch.conversation_days.flatten().filter(|days| !CONVERSATION_DAYS.contains(days)).map(|_| {
        let (least, most) = (CONVERSATION_DAYS.start(), CONVERSATION_DAYS.end());
        FieldError::new("conversation_days", format!("{least} to {most} days; null keeps conversations for ever"))
    });
    limits.map(limit).chain(days).chain(bytes).chain(conversations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_plan_is_told_at_once() {
        let patch = PlanPatch {
            limits: [(Meter::Messages, Some(u64::MAX)), (Meter::Fuel, None)].into(),
            log_days: Some(0),
            log_bytes_per_day: Some(1),
            conversation_days: Some(Some(0)),
        };
        let paths: Vec<String> = check(&patch).into_iter().map(|mistake| mistake.path).collect();
        assert_eq!(paths, ["limits.messages", "log_days", "log_bytes_per_day", "conversation_days"]);
        for conversation_days in [Some(None), Some(Some(3650))] {
            let (log_days, log_bytes_per_day) = (Some(30), Some(1 << 20));
            let fits = PlanPatch { log_days, log_bytes_per_day, conversation_days, ..PlanPatch::default() };
            assert_eq!(check(&fits), []);
        }
    }
}
