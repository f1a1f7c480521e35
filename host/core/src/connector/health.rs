//! The health of a connection: what a call's result says about it, how it changes, and when to check again.
//!
//! All of this is computed from the known health, the new evidence and a random byte. The store keeps one row for each
//! connection, and `server/src/checks.rs` runs the checks that are due.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    connection::{CallerKind, Owner},
    failure_reason::FailureReason,
};
use crate::{
    connector::fault::{Fault, FaultKind},
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

/// Failures in a row that make a connection `failing` and raise an alert.
pub const FAILING_AFTER: u32 = 3;
/// The wait before the check after the first failure. It doubles with each further failure, up to `Schedule::every`.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// While calls succeed, health is written at most once in this time.
const NEWS: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// No call was made since the connection was created or changed.
    #[default]
    Unknown,
    Healthy,
    /// It failed fewer than three times in a row, or the service limits the rate of calls.
    Degraded,
    /// It failed at least three times in a row.
    Failing,
    /// The service refused its credential.
    NeedsAuth,
}

impl HealthState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::NeedsAuth => "needs_auth",
        }
    }
}

/// The known health of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: HealthState,
    /// Why it isn't healthy.
    pub reason: Option<FailureReason>,
    /// The message of the last failed call; redacted.
    pub message: Option<String>,
    /// When it entered this state.
    pub since: Timestamp,
    /// When a call last showed something.
    pub checked_at: Option<Timestamp>,
    pub next_check_at: Timestamp,
    /// Number of failures in a row.
    pub failures: u32,
}

/// What one call shows about its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthSignal {
    Good,
    Bad { reason: FailureReason, message: String },
}

/// The operator's schedule of health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The wait after a success. It varies by up to a fifth in both directions.
    pub every: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { every: Duration::from_secs(15 * 60) }
    }
}

impl Schedule {
    /// The wait after `failures` in a row. `chance` is a random byte: it spreads checks of connections that failed, or
    /// were created, at the same moment.
    pub fn wait(self, failures: u32, chance: u8) -> Duration {
        let full = match failures.checked_sub(1) {
            None => self.every,
            Some(further) => FIRST_RETRY.saturating_mul(1 << further.min(10)).min(self.every),
        };
        full.mul_f64(0.8 + 0.4 * f64::from(chance) / 255.0)
    }
}

impl HealthSignal {
    /// What a call's result shows about its connection; `None` when it only concerns the call. A health check stands
    /// for the connection, so each of its failures counts. Other callers choose the input, so only failures of the
    /// service count. One visitor's credential says nothing about other visitors.
    pub fn of(caller: CallerKind, owner: Owner, result: Result<(), &Fault>) -> Option<Self> {
        let Err(fault) = result else { return Some(Self::Good) };
        let tells = match fault.kind {
            FaultKind::NeedsAuth => owner == Owner::Organization,
            FaultKind::Upstream | FaultKind::UnexpectedAnswer | FaultKind::RateLimited | FaultKind::Deadline => true,
            // The first two concern the host or the plan. The breaker sent no request, so nothing new is known.
            FaultKind::Busy | FaultKind::Limit | FaultKind::CircuitOpen => false,
            _ => caller == CallerKind::Health,
        };
        tells.then(|| Self::Bad { reason: fault.kind.reason(), message: fault.for_admin() })
    }
}

impl Health {
    /// The health before any call.
    pub fn unknown(now: Timestamp) -> Self {
        Self {
            state: HealthState::Unknown,
            reason: None,
            message: None,
            since: now,
            checked_at: None,
            next_check_at: now,
            failures: 0,
        }
    }

    /// Whether the evidence changes nothing: the connection was healthy a moment ago and still is.
    pub fn is_redundant(&self, evidence: &HealthSignal, now: Timestamp) -> bool {
        *evidence == HealthSignal::Good
            && self.state == HealthState::Healthy
            && self.checked_at.is_some_and(|at| now.since(at) < NEWS)
    }

    /// The health after a call.
    #[must_use]
    pub fn after(&self, evidence: HealthSignal, schedule: Schedule, chance: u8, now: Timestamp) -> Self {
        let (failures, reason, message) = match evidence {
            HealthSignal::Good => (0, None, None),
            HealthSignal::Bad { reason, message } => (self.failures.saturating_add(1), Some(reason), Some(message)),
        };
        let state = match reason {
            None => HealthState::Healthy,
            Some(FailureReason::NeedsAuth) => HealthState::NeedsAuth,
            Some(FailureReason::RateLimited) => HealthState::Degraded,
            Some(_) if failures >= FAILING_AFTER => HealthState::Failing,
            Some(_) => HealthState::Degraded,
        };
        Self {
            state,
            reason,
            message,
            since: if state == self.state { self.since } else { now },
            checked_at: Some(now),
            next_check_at: now.plus(schedule.wait(failures, chance)),
            failures,
        }
    }
}

/// The evidence of one call, with what the store needs to apply it.
#[derive(Clone, Debug)]
pub struct HealthObservation {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub evidence: HealthSignal,
    /// Whether chats could use the connection. One that an admin still sets up raises no alert.
    pub offered: bool,
    pub schedule: Schedule,
    pub chance: u8,
    pub now: Timestamp,
}

/// A connection that is due for a check. This host has it until its lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueCheck {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    /// When the lease ends. It also names the lease, since the next one ends later.
    pub lease_until: Timestamp,
}

/// The port that stores health.
#[async_trait]
pub trait HealthStore: Send + Sync + 'static {
    /// Applies a call's evidence, and raises or resolves alerts, in one transaction.
    async fn observe(&self, observed: HealthObservation) -> Result<(), StoreError>;
    /// Takes up to `most` enabled production connections that are due. No other host gets them before `lease_until`.
    async fn take_due_checks(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        most: u32,
    ) -> Result<Vec<DueCheck>, StoreError>;
    /// Makes a check that showed nothing due again at `at`.
    async fn postpone_check(&self, check: DueCheck, at: Timestamp) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        start.plus(Duration::from_secs(seconds))
    }

    fn bad(reason: FailureReason) -> HealthSignal {
        HealthSignal::Bad { reason, message: "no".to_owned() }
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(kind, "no")
    }

    #[test]
    fn the_wait_is_spread_and_shorter_after_failures() {
        let schedule = Schedule::default();
        let seconds = |failures, chance| schedule.wait(failures, chance).as_secs();
        assert_eq!((seconds(0, 0), seconds(0, 255)), (720, 1080));
        assert_eq!((seconds(1, 0), seconds(1, 255)), (48, 72));
        assert_eq!((seconds(2, 0), seconds(3, 0), seconds(4, 0)), (96, 192, 384));
        assert_eq!((seconds(5, 0), seconds(60, 0)), (720, 720), "no longer than without failures");
    }

    #[test]
    fn a_run_of_failures_goes_from_degraded_to_failing_and_one_success_ends_it() {
        let schedule = Schedule::default();
        let mut health = Health::unknown(at(0));
        for (n, state) in [(1, HealthState::Degraded), (2, HealthState::Degraded), (3, HealthState::Failing)] {
            health = health.after(bad(FailureReason::Upstream), schedule, 128, at(n));
            assert_eq!((health.state, health.failures), (state, u32::try_from(n).unwrap()));
        }
        assert_eq!(health.since, at(3));
        health = health.after(bad(FailureReason::Upstream), schedule, 128, at(9));
        assert_eq!((health.state, health.since, health.checked_at), (HealthState::Failing, at(3), Some(at(9))));
        health = health.after(HealthSignal::Good, schedule, 0, at(10));
        assert_eq!((health.state, health.failures, health.since), (HealthState::Healthy, 0, at(10)));
        assert_eq!((health.reason, health.message.clone(), health.next_check_at), (None, None, at(10 + 720)));
        assert!(health.is_redundant(&HealthSignal::Good, at(69)) && !health.is_redundant(&HealthSignal::Good, at(70)));
        assert!(!health.is_redundant(&bad(FailureReason::Upstream), at(11)));
    }

    #[test]
    fn a_refused_credential_counts_at_once_and_too_many_calls_never_fail_a_connection() {
        let health = Health::unknown(at(0)).after(bad(FailureReason::NeedsAuth), Schedule::default(), 0, at(1));
        assert_eq!((health.state, health.reason), (HealthState::NeedsAuth, Some(FailureReason::NeedsAuth)));
        let mut health = Health::unknown(at(0));
        for n in 0..10 {
            health = health.after(bad(FailureReason::RateLimited), Schedule::default(), 0, at(n));
            assert_eq!(health.state, HealthState::Degraded);
        }
    }

    #[test]
    fn only_what_is_about_the_connection_tells_of_it() {
        let told = |caller, kind| HealthSignal::of(caller, Owner::Organization, Err(&fault(kind))).is_some();
        for kind in [
            FaultKind::Upstream,
            FaultKind::UnexpectedAnswer,
            FaultKind::NeedsAuth,
            FaultKind::RateLimited,
            FaultKind::Deadline,
        ] {
            assert!(told(CallerKind::Chat, kind) && told(CallerKind::Health, kind), "{kind:?}");
        }
        for kind in [FaultKind::InvalidInput, FaultKind::NotFound, FaultKind::Trap, FaultKind::Mapping] {
            assert!(!told(CallerKind::Chat, kind) && told(CallerKind::Health, kind), "{kind:?}");
        }
        for kind in [FaultKind::Busy, FaultKind::Limit] {
            assert!(!told(CallerKind::Chat, kind) && !told(CallerKind::Health, kind), "{kind:?}");
        }
        let visitors = HealthSignal::of(CallerKind::Chat, Owner::Visitor, Err(&fault(FaultKind::NeedsAuth)));
        assert_eq!(visitors, None);
        assert_eq!(HealthSignal::of(CallerKind::Chat, Owner::Visitor, Ok(())), Some(HealthSignal::Good));
    }
}
