//! How a call ended, under the name that the log and the API have for it.

use serde::{Deserialize, Serialize};

use crate::connector::fault::FaultKind;

/// How a call ended. Its name is `ok`, or that of the fault's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum CallStatus {
    Ok,
    Failed(FaultKind),
}

/// A name that stands for no status.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no status of a call")]
pub struct UnknownStatus(String);

impl CallStatus {
    /// Every status.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Ok].into_iter().chain(FaultKind::ALL.map(Self::Failed))
    }

    /// The name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(kind) => kind.name(),
        }
    }
}

impl From<CallStatus> for &'static str {
    fn from(status: CallStatus) -> Self {
        status.name()
    }
}

impl TryFrom<String> for CallStatus {
    type Error = UnknownStatus;

    fn try_from(name: String) -> Result<Self, UnknownStatus> {
        Self::all().find(|status| status.name() == name).ok_or(UnknownStatus(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_stored_under_its_name_and_an_unknown_name_is_an_error() {
        for status in CallStatus::all() {
            let stored = serde_json::to_value(status).unwrap();
            assert_eq!(stored, status.name());
            assert_eq!(serde_json::from_value::<CallStatus>(stored).unwrap(), status);
        }
        let unknown = serde_json::from_value::<CallStatus>("of_tomorrow".into()).unwrap_err();
        assert_eq!(unknown.to_string(), "`of_tomorrow` is no status of a call");
    }
}
