//! The ways in which an accepted turn can fail.

use serde::{Deserialize, Serialize};

use crate::model::ModelError;

/// Why a turn failed. `Display` is safe to show to clients; the details of a model's error go to the log only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TurnFailure {
    #[error("the language model could not be reached; try again shortly")]
    ModelUnreachable,
    #[error("the language model is over its own limits; try again later")]
    ModelBusy { retry_after_s: Option<u64> },
    #[error("the language model's service failed for a moment; try again shortly")]
    ModelUnavailable { retry_after_s: Option<u64> },
    #[error("the language model refused the request; an operator finds the reason in the host's log")]
    ModelRefused,
    #[error("the language model stopped sending; try again")]
    ModelStalled,
    #[error("the language model's answer broke off; try again")]
    ModelBroken,
    #[error(
        "the language model kept calling tools without answering; ask more narrowly, or have an admin look at the connectors' logs"
    )]
    ToolLoop,
    #[error("the answer took longer than this host allows; ask for less at once")]
    Deadline,
    #[error("this host is stopping; ask again")]
    HostStopping,
    /// Only for those who follow the answer on another host.
    #[error(
        "the host that wrote this answer has ended; what it stored of the answer can be read, so ask again for the rest"
    )]
    Interrupted,
    #[error("the answer could not be stored; try again")]
    Store,
    #[error("something went wrong on this host; try again, and tell its operator if it stays")]
    Internal,
}

impl TurnFailure {
    /// The problem's stable name in the API.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::ModelUnreachable => "model-unreachable",
            Self::ModelBusy { .. } => "model-busy",
            Self::ModelUnavailable { .. } => "model-unavailable",
            Self::ModelRefused => "model-refused",
            Self::ModelStalled => "model-stalled",
            Self::ModelBroken => "model-broken",
            Self::ToolLoop => "tool-loop",
            Self::Deadline => "turn-deadline",
            Self::HostStopping => "host-stopping",
            Self::Interrupted => "answer-interrupted",
            Self::Store => "store-unavailable",
            Self::Internal => "internal",
        }
    }
}

impl From<&ModelError> for TurnFailure {
    fn from(error: &ModelError) -> Self {
        match error {
            ModelError::Unreachable { .. } => Self::ModelUnreachable,
            ModelError::Refused { status: 429 | 503 | 529, retry_after_s, .. } => {
                Self::ModelBusy { retry_after_s: *retry_after_s }
            }
            ModelError::Refused { status: 408 | 425 | 500 | 502 | 504, retry_after_s, .. } => {
                Self::ModelUnavailable { retry_after_s: *retry_after_s }
            }
            ModelError::Refused { .. } => Self::ModelRefused,
            ModelError::Stalled { .. } => Self::ModelStalled,
            ModelError::InBand { .. } | ModelError::Truncated { .. } | ModelError::Protocol { .. } => Self::ModelBroken,
        }
    }
}
