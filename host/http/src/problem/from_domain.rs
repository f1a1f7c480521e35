//! Maps each error of core, vault and store to its problem.

use resly_core::{
    connector::{
        call::{CallError, CallReport},
        fault::{Fault, FaultKind},
    },
    error::{EmbedError, StoreError},
    knowledge::RetrieveError,
    load::Overloaded,
    meter::LimitReached,
    turn::{failure::TurnFailure, store::BeginTurnError},
};
use resly_search::AddError;
use resly_store::KeyChangeError;
use resly_vault::VaultError;

use super::{Kind, Problem, kinds, members::ProblemFault};
use crate::log_line::LogLine;

/// The longest wait that a client is told for an answer that another host writes, in seconds. If that host has died,
/// its whole lease has to pass, but usually it finishes soon.
const LONGEST_IN_FLIGHT: u128 = 30;

/// When a client may come back whose request met a full disk, in seconds.
const FULL_RETRY_S: u64 = 60;
/// When a client may come back whose request would have written to a read-only host, in seconds.
const READ_ONLY_RETRY_S: u64 = 60;

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        Self::internal(&error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => {
                tracing::error!(%error, "the store is unavailable");
                Self::new(&kinds::STORE_UNAVAILABLE, "the database can't be reached right now; try again shortly")
                    .retry_after(2)
            }
            StoreError::Full { .. } => {
                tracing::error!(%error, "the database's disk is full");
                Self::new(
                    &kinds::DISK_FULL,
                    "the disk under the database is full, so nothing can be stored; an operator has to make room",
                )
                .retry_after(FULL_RETRY_S)
            }
            StoreError::ReadOnly { .. } => Self::read_only(),
            StoreError::Broken { .. } => Self::internal(&error),
        }
    }
}

impl Problem {
    /// The host was told to write nothing.
    pub fn read_only() -> Self {
        let detail = "this host answers reads only, while its operator moves the installation; nothing was done";
        Self::new(&kinds::READ_ONLY, detail).retry_after(READ_ONLY_RETRY_S)
    }
}

impl From<KeyChangeError> for Problem {
    fn from(error: KeyChangeError) -> Self {
        let detail = error.to_string();
        match error {
            KeyChangeError::Missing => Self::not_found("there is no such key"),
            KeyChangeError::Expired => Self::new(&kinds::KEY_EXPIRED, detail),
            KeyChangeError::LastAdmin => Self::new(&kinds::LAST_ADMIN_KEY, detail),
            KeyChangeError::Store(error) => error.into(),
        }
    }
}

impl From<LimitReached> for Problem {
    fn from(limit: LimitReached) -> Self {
        Self::limit(limit)
    }
}

impl From<Overloaded> for Problem {
    fn from(overloaded: Overloaded) -> Self {
        Self::new(&kinds::OVERLOADED, overloaded.to_string()).retry_after(1)
    }
}

impl From<BeginTurnError> for Problem {
    fn from(error: BeginTurnError) -> Self {
        match error {
            BeginTurnError::Limit(limit) => Self::limit(limit),
            BeginTurnError::NoConversation => Self::not_found("there is no such conversation"),
            BeginTurnError::NoApproval => Self::not_found("there is no such approval"),
            error @ BeginTurnError::TooManyNew { .. } => Self::invalid_at("messages", error.to_string()),
            BeginTurnError::InFlight { lease_left, .. } => {
                let seconds = lease_left.as_millis().div_ceil(1000).clamp(1, LONGEST_IN_FLIGHT);
                Self::new(&kinds::REQUEST_IN_FLIGHT, "a request with this idempotency key is still being answered")
                    .retry_after(seconds as u64)
            }
            BeginTurnError::KeyReused => {
                Self::new(&kinds::KEY_REUSED, "this idempotency key was used for a request with another body")
            }
            BeginTurnError::SubscriptionEnded => {
                Self::new(&kinds::SUBSCRIPTION_ENDED, "the organization's subscription has ended")
            }
            BeginTurnError::Overloaded(overloaded) => overloaded.into(),
            BeginTurnError::Store(error) => error.into(),
        }
    }
}

/// The kind of a turn's failure.
pub fn failure_kind(failure: &TurnFailure) -> &'static Kind {
    match failure {
        TurnFailure::ModelUnreachable => &kinds::MODEL_UNREACHABLE,
        TurnFailure::ModelBusy { .. } => &kinds::MODEL_BUSY,
        TurnFailure::ModelUnavailable { .. } => &kinds::MODEL_UNAVAILABLE,
        TurnFailure::ModelRefused => &kinds::MODEL_REFUSED,
        TurnFailure::ModelStalled => &kinds::MODEL_STALLED,
        TurnFailure::ModelBroken => &kinds::MODEL_BROKEN,
        TurnFailure::ToolLoop => &kinds::TOOL_LOOP,
        TurnFailure::Deadline => &kinds::TURN_DEADLINE,
        TurnFailure::HostStopping => &kinds::HOST_STOPPING,
        TurnFailure::Interrupted => &kinds::ANSWER_INTERRUPTED,
        TurnFailure::Store => &kinds::STORE_UNAVAILABLE,
        TurnFailure::DiskFull => &kinds::DISK_FULL,
        TurnFailure::Internal => &kinds::INTERNAL,
    }
}

impl From<TurnFailure> for Problem {
    fn from(failure: TurnFailure) -> Self {
        let problem = Self::new(failure_kind(&failure), failure.to_string());
        match failure {
            TurnFailure::ModelBusy { retry_after_s } => problem.retry_after(retry_after_s.unwrap_or(10)),
            TurnFailure::ModelUnavailable { retry_after_s } => problem.retry_after(retry_after_s.unwrap_or(5)),
            TurnFailure::Store | TurnFailure::HostStopping | TurnFailure::Interrupted => problem.retry_after(2),
            TurnFailure::DiskFull => problem.retry_after(FULL_RETRY_S),
            _ => problem,
        }
    }
}

impl From<EmbedError> for Problem {
    fn from(error: EmbedError) -> Self {
        tracing::error!(%error, "the embedder failed");
        let detail = match &error {
            EmbedError::OtherModel { .. } => error.for_tenants(),
            _ => "text could not be turned into vectors right now; try again shortly",
        };
        Self::new(&kinds::EMBEDDER_UNAVAILABLE, detail)
    }
}

impl From<RetrieveError> for Problem {
    fn from(error: RetrieveError) -> Self {
        match error {
            RetrieveError::Store(error) => error.into(),
            RetrieveError::Embed(error) => error.into(),
        }
    }
}

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Empty | AddError::TooLarge { .. } | AddError::TooMuchMarkup(_) => {
                Self::invalid_at("text", error.to_string())
            }
            AddError::Exists => Self::new(&kinds::CONFLICT, error.to_string()),
            AddError::Changed => Self::new(&kinds::CHANGED_MEANWHILE, error.to_string()),
            AddError::Limit(limit) => Self::limit(limit),
            AddError::Embed(error) => error.into(),
            AddError::Store(error) => error.into(),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NoConnection => Self::not_found("there is no such connection"),
            CallError::NoAction { .. } => Self::new(&kinds::NOT_FOUND, error.to_string()),
            CallError::NoConnector { .. } => Self::new(&kinds::CONNECTOR_FAILED, error.to_string()),
            CallError::Store(error) => error.into(),
        }
    }
}

/// The problem of a call that failed with a fault, with the call's cost.
pub fn call_problem(fault: &Fault, report: &CallReport) -> Problem {
    if let Some(limit) = &report.limit {
        return Problem::limit(limit.clone());
    }
    if let Some(set_aside) = &report.set_aside {
        let problem = Problem::new(&kinds::LIMIT_SET_ASIDE, set_aside.to_string());
        return problem
            .with(|members| {
                members.limit = Some(set_aside.into());
                members.retryable = Some(true);
            })
            .retry_after(1);
    }
    fault_problem(fault).with(|members| {
        members.fuel = Some(report.cost.fuel);
        members.http_calls = Some(report.cost.http_calls);
        members.duration_ms = Some(report.cost.duration_ms());
        members.log = Some(LogLine::all(report.log.clone()));
    })
}

/// The problem of a fault that belongs to no counted call.
pub fn fault_problem(fault: &Fault) -> Problem {
    let (reason, told) = (fault.kind.reason(), ProblemFault { kind: fault.kind, retryable: fault.retryable });
    let problem = Problem::new(fault_kind(fault.kind), fault.for_admin()).with(|members| {
        members.fault = Some(told);
        members.reason = Some(reason);
        members.what_to_do = Some(fault.advice());
    });
    match fault.kind {
        FaultKind::Busy => problem.retry_after(1),
        FaultKind::RateLimited => problem.retry_after(10),
        _ => problem,
    }
}

fn fault_kind(kind: FaultKind) -> &'static Kind {
    match kind {
        FaultKind::InvalidInput => &kinds::CONNECTOR_INVALID_INPUT,
        FaultKind::NotFound => &kinds::CONNECTOR_NOT_FOUND,
        FaultKind::NoFixture => &kinds::CONNECTOR_NO_FIXTURE,
        FaultKind::Upstream | FaultKind::UnexpectedAnswer | FaultKind::CircuitOpen => &kinds::CONNECTOR_UPSTREAM,
        FaultKind::NeedsAuth => &kinds::CONNECTOR_NEEDS_AUTH,
        FaultKind::RateLimited => &kinds::CONNECTOR_RATE_LIMITED,
        FaultKind::Denied => &kinds::CONNECTOR_DENIED,
        FaultKind::Busy => &kinds::CONNECTOR_BUSY,
        FaultKind::Deadline => &kinds::CONNECTOR_DEADLINE,
        FaultKind::Fuel | FaultKind::Memory | FaultKind::TooLarge => &kinds::CONNECTOR_LIMIT,
        // Without the limit at hand, it is still a limit.
        FaultKind::Limit => &kinds::LIMIT_REACHED,
        FaultKind::Internal | FaultKind::Trap | FaultKind::Output | FaultKind::Component | FaultKind::Mapping => {
            &kinds::CONNECTOR_FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failures_slug_is_its_problems() {
        let all = [
            TurnFailure::ModelUnreachable,
            TurnFailure::ModelBusy { retry_after_s: None },
            TurnFailure::ModelUnavailable { retry_after_s: None },
            TurnFailure::ModelRefused,
            TurnFailure::ModelStalled,
            TurnFailure::ModelBroken,
            TurnFailure::ToolLoop,
            TurnFailure::Deadline,
            TurnFailure::HostStopping,
            TurnFailure::Store,
            TurnFailure::DiskFull,
            TurnFailure::Internal,
        ];
        for failure in all {
            assert_eq!(failure_kind(&failure).slug, failure.slug());
        }
    }

    #[test]
    fn a_request_in_flight_tells_the_rest_of_the_lease() {
        for (left_ms, seconds) in [(0, "1"), (1, "1"), (1001, "2"), (12_000, "12"), (120_000, "30")] {
            let lease_left = std::time::Duration::from_millis(left_ms);
            let problem = Problem::from(BeginTurnError::InFlight { answer: None, lease_left });
            assert_eq!(problem.headers, [(http::header::RETRY_AFTER, http::HeaderValue::from_static(seconds))]);
        }
    }

    #[test]
    fn a_broken_store_shows_nothing_of_itself() {
        let broken = StoreError::Broken { doing: "load", detail: "column secret_hash".into() };
        assert!(!Problem::from(broken).to_json().to_string().contains("secret_hash"));
    }
}
