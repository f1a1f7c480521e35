//! The eight reasons why a call can fail, as logs, health, alerts and tests share them, with advice for each.

use serde::{Deserialize, Serialize};

use crate::connector::fault::FaultKind;

/// Why a call failed, grouped by who can repair it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    RequestConfiguration,
    NeedsAuth,
    Upstream,
    RateLimited,
    Mapping,
    Denied,
    Limit,
    Internal,
}

impl FailureReason {
    pub const ALL: [Self; 8] = [
        Self::RequestConfiguration,
        Self::NeedsAuth,
        Self::Upstream,
        Self::RateLimited,
        Self::Mapping,
        Self::Denied,
        Self::Limit,
        Self::Internal,
    ];

    /// The name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestConfiguration => "request_configuration",
            Self::NeedsAuth => "needs_auth",
            Self::Upstream => "upstream",
            Self::RateLimited => "rate_limited",
            Self::Mapping => "mapping",
            Self::Denied => "denied",
            Self::Limit => "limit",
            Self::Internal => "internal",
        }
    }

    /// What an admin does next. The fault's own message says what happened.
    pub fn advice(self) -> &'static str {
        match self {
            Self::RequestConfiguration => {
                "Compare what was asked for with the action's input schema, the connection's settings and what the \
                 account holds; the message names what doesn't fit."
            }
            Self::NeedsAuth => {
                "Renew the credential, or give it the permission that the message names. Where the connection uses OAuth, \
                 authorize it: POST /api/admin/connections/{id}/oauth/start; where each visitor has an account, that \
                 visitor's: POST /api/admin/connections/{id}/visitors/{visitor}/oauth/start. Then test the connection. One \
                 that was enabled goes back to chats when the test passes."
            }
            Self::Upstream => {
                "The service failed or can't be reached: look at its status page, and whether its host name resolves; \
                 nothing needs changing here once it is back."
            }
            Self::RateLimited => {
                "The service wants fewer calls: wait, let repeated reads be answered from memory (`cache_s`), or have \
                 the service raise its limit."
            }
            Self::Mapping => {
                "The service answered, and not as the connector expects. Compare its answer with the mapping in the \
                 connector's definition, with the action's output schema and with the connection's own mapping, and mend \
                 the one that expects another shape; of a connector that isn't yours, ask its author. A login page or a \
                 redirect means that the connection's settings or its credential lead elsewhere."
            }
            Self::Denied => {
                "The connection's status or policy, the connector's hosts, or the operator's list of private hosts \
                 (RESLY_EGRESS_ALLOW) don't allow this: allow it there, if it should be."
            }
            Self::Limit => {
                "A bound was reached: the plan's, the number of calls at once, or one call's time, fuel, memory, \
                 requests or size. Ask for less at once, try later, or have that bound raised."
            }
            Self::Internal => {
                "The connector itself failed: its log lines say more. Go back to the version before, or tell its author."
            }
        }
    }
}

impl FaultKind {
    /// The reason of this kind.
    pub fn reason(self) -> FailureReason {
        match self {
            Self::InvalidInput | Self::NotFound | Self::NoFixture => FailureReason::RequestConfiguration,
            Self::NeedsAuth => FailureReason::NeedsAuth,
            Self::Upstream | Self::CircuitOpen => FailureReason::Upstream,
            Self::RateLimited => FailureReason::RateLimited,
            Self::Mapping | Self::Output | Self::UnexpectedAnswer => FailureReason::Mapping,
            Self::Denied => FailureReason::Denied,
            Self::Limit | Self::Busy | Self::Fuel | Self::Deadline | Self::Memory | Self::TooLarge => {
                FailureReason::Limit
            }
            Self::Internal | Self::Trap | Self::Component => FailureReason::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_is_listed() {
        assert_eq!(FaultKind::NoFixture as usize + 1, FaultKind::ALL.len());
        for (at, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!((kind as usize, serde_json::to_value(kind).unwrap()), (at, kind.name().into()));
        }
    }

    #[test]
    fn every_reason_has_a_name_of_its_own_and_tells_what_to_do() {
        let mut names: Vec<_> = FailureReason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FailureReason::ALL.len());
        for reason in FailureReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
            assert!(reason.advice().ends_with('.'), "{}", reason.name());
        }
    }
}
