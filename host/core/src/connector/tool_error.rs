//! Why a tool call gave nothing, by the names that clients, models and the record have for it; and the fixed sentences that
//! customers read.

use super::fault::FaultKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolErrorKind {
    /// A connector call failed.
    Fault(FaultKind),
    /// The customer didn't confirm it.
    Declined,
    /// Nobody confirmed it in time.
    Expired,
    /// It was confirmed, and what came of it isn't known.
    Unknown,
    /// The customer is asked to confirm it already.
    Repeated,
    UnknownAction,
    UnknownTool,
    TooManyCalls,
    /// The host can't do it right now.
    Unavailable,
}

impl ToolErrorKind {
    /// Those that aren't a fault's.
    const OWN: [Self; 8] = [
        Self::Declined,
        Self::Expired,
        Self::Unknown,
        Self::Repeated,
        Self::UnknownAction,
        Self::UnknownTool,
        Self::TooManyCalls,
        Self::Unavailable,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fault(kind) => kind.name(),
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Repeated => "repeated",
            Self::UnknownAction => "unknown_action",
            Self::UnknownTool => "unknown_tool",
            Self::TooManyCalls => "too_many_calls",
            Self::Unavailable => "unavailable",
        }
    }

    /// The kind of this name, as [`Self::name`] has it.
    pub fn from_name(name: &str) -> Option<Self> {
        let own = Self::OWN.into_iter().find(|kind| kind.name() == name);
        own.or_else(|| FaultKind::named(name).map(Self::Fault))
    }

    /// The sentence that a customer reads about a call that gave nothing. It is fixed, so that nothing of a service, a
    /// connector or the host can stand in it.
    pub fn for_customer(self) -> &'static str {
        match self {
            Self::Declined => "All right, I left it as it is.",
            Self::Expired => "This was confirmed too late, so I left it as it is.",
            Self::Unknown => "I don't know yet whether this was done.",
            Self::Repeated => "I asked you to confirm this already.",
            Self::Fault(FaultKind::NotFound) => "I looked, and found nothing that matches.",
            Self::Fault(FaultKind::NoFixture) => "I have no sample data for that.",
            Self::Fault(FaultKind::InvalidInput) => {
                "I couldn't look that up with what I have; please check the details, or give more of them."
            }
            Self::Fault(FaultKind::NeedsAuth) => "I can't look that up, because the account isn't connected.",
            Self::Fault(FaultKind::Denied) | Self::UnknownAction => "I'm not allowed to do that here.",
            Self::Fault(FaultKind::RateLimited | FaultKind::Busy | FaultKind::Limit) => {
                "The service is too busy right now; please try again later."
            }
            Self::Fault(FaultKind::Deadline) => "The service took too long to answer; please try again later.",
            Self::Fault(FaultKind::Fuel | FaultKind::Memory | FaultKind::TooLarge) => {
                "There is too much to look at; please ask for less at once."
            }
            Self::Fault(
                FaultKind::Upstream
                | FaultKind::UnexpectedAnswer
                | FaultKind::CircuitOpen
                | FaultKind::Internal
                | FaultKind::Trap
                | FaultKind::Output
                | FaultKind::Component
                | FaultKind::Mapping,
            )
            | Self::UnknownTool
            | Self::TooManyCalls
            | Self::Unavailable => "I couldn't look that up right now; please try again later.",
        }
    }

    /// Whether a write that failed so may have changed something all the same: it failed on its way, or what came back
    /// couldn't be read.
    pub fn may_have_run(self) -> bool {
        matches!(
            self,
            Self::Unknown
                | Self::Fault(
                    FaultKind::Upstream
                        | FaultKind::UnexpectedAnswer
                        | FaultKind::Internal
                        | FaultKind::Trap
                        | FaultKind::Fuel
                        | FaultKind::Deadline
                        | FaultKind::Memory
                        | FaultKind::TooLarge
                        | FaultKind::Output
                        | FaultKind::Mapping
                )
        )
    }

    /// [`Self::for_customer`] of a call that was to change something: it says whether that was done.
    pub fn write_for_customer(self) -> &'static str {
        match self {
            Self::Declined | Self::Expired | Self::Unknown | Self::Repeated => self.for_customer(),
            kind if kind.may_have_run() => {
                "This failed, and I can't tell whether it was done all the same; please have it checked before it is \
                 tried again."
            }
            Self::Fault(FaultKind::NotFound) => "This was not done: what it is about was not found.",
            Self::Fault(FaultKind::NoFixture) => "This was not done: there is no sample data for it.",
            Self::Fault(FaultKind::InvalidInput) => {
                "This was not done: the details weren't accepted; please check them."
            }
            Self::Fault(FaultKind::NeedsAuth) => "This was not done: the account isn't connected.",
            Self::Fault(FaultKind::Denied) | Self::UnknownAction => {
                "This was not done: I'm not allowed to do that here."
            }
            Self::Fault(FaultKind::RateLimited | FaultKind::Busy | FaultKind::Limit) => {
                "This was not done: the service is too busy right now; please try again later."
            }
            _ => "This was not done; please try again later.",
        }
    }

    /// A fault's text for a model, of a call that was to change something: it says whether that was done.
    pub fn write_for_model(self, message: &str) -> String {
        match self {
            // Their own texts say it.
            Self::Declined | Self::Expired | Self::Unknown | Self::Repeated => message.to_owned(),
            kind if kind.may_have_run() => format!(
                "this failed, and it isn't known whether it was done; don't call it again until somebody has looked: \
                 {message}"
            ),
            _ => format!("this failed and was not done: {message}"),
        }
    }
}

impl From<FaultKind> for ToolErrorKind {
    fn from(kind: FaultKind) -> Self {
        Self::Fault(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::fault::tests::ADMIN_WORDS;

    fn all() -> impl Iterator<Item = ToolErrorKind> {
        FaultKind::ALL.into_iter().map(ToolErrorKind::Fault).chain(ToolErrorKind::OWN)
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in all() {
            assert_eq!(ToolErrorKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(ToolErrorKind::from_name("anything"), None);
    }

    #[test]
    fn customers_read_no_admin_words() {
        for kind in all() {
            let text = kind.for_customer();
            assert!(ADMIN_WORDS.iter().all(|word| !text.contains(word)), "{kind:?}: {text}");
            assert!(text.ends_with('.'), "{kind:?}: {text}");
            let write = kind.write_for_customer();
            assert!(ADMIN_WORDS.iter().all(|word| !write.contains(word)), "{kind:?}: {write}");
            assert!(!write.contains("look") && write.ends_with('.'), "{kind:?}: {write}");
        }
    }
}
