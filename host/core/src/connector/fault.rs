//! Why a call failed, as data: its kind, what happened, and the remedy. Each audience gets its own text.
//!
//! | audience | reads | text |
//! |---|---|---|
//! | admins | logs, tests, problems | [`Fault::for_admin`]: all of it, with routes and settings |
//! | the model | the result of its tool call | [`Fault::for_model`]: what it can act on |
//! | customers | answers of `builtin`, clients' events | [`ToolErrorKind::for_customer`](super::tool_error::ToolErrorKind::for_customer): a fixed sentence for each kind |

use serde::{Deserialize, Serialize};

pub use super::remedy::Remedy;

/// Why a call failed, as the guest reports it or as the host finds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{}", self.for_admin())]
pub struct Fault {
    pub kind: FaultKind,
    /// What happened, for an admin. It holds no secret and doesn't repeat `remedy`.
    pub message: String,
    /// What has to be done before a repeat can succeed, if the host knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// Whether the same call may succeed later without a change.
    pub retryable: bool,
}

impl Fault {
    /// A fault that isn't retryable.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), remedy: None, retryable: false }
    }

    #[must_use]
    pub fn retryable(self, retryable: bool) -> Self {
        Self { retryable, ..self }
    }

    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<Option<Remedy>>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// What happened, and what an admin does about it.
    pub fn for_admin(&self) -> String {
        for_admin(&self.message, self.remedy)
    }

    /// The admin's next step: the remedy of a missing credential, or the general advice for the fault's reason.
    pub fn advice(&self) -> &'static str {
        let needs_auth = self.kind == FaultKind::NeedsAuth;
        let own = self.remedy.filter(|_| needs_auth).and_then(Remedy::advice);
        own.unwrap_or_else(|| self.kind.reason().advice())
    }

    /// The text for a model: the connector's own words about the input, or a fixed sentence. A model may repeat it to a
    /// customer, so it names no route, setting or detail of the host.
    pub fn for_model(&self) -> String {
        for_model(self.kind, &self.message, self.remedy)
    }
}

/// [`Fault::for_admin`], from a fault's stored parts.
pub fn for_admin(message: &str, remedy: Option<Remedy>) -> String {
    match remedy {
        None => message.to_owned(),
        Some(remedy) => format!("{message}: {}", remedy.for_admin()),
    }
}

/// [`Fault::for_model`], from a fault's stored parts.
pub fn for_model(kind: FaultKind, message: &str, remedy: Option<Remedy>) -> String {
    if let Some(text) = remedy.and_then(Remedy::for_chat) {
        return text.to_owned();
    }
    match kind {
        // The connector's words about the input and the service.
        FaultKind::InvalidInput
        | FaultKind::NotFound
        | FaultKind::Upstream
        | FaultKind::UnexpectedAnswer
        | FaultKind::RateLimited => message.to_owned(),
        FaultKind::NeedsAuth => Remedy::COMPANY_CONNECTS.to_owned(),
        FaultKind::Denied => "this isn't allowed in this chat; don't call it again".to_owned(),
        FaultKind::Limit => "no more calls can be made for now; don't call it again".to_owned(),
        FaultKind::Busy => "too many calls are being made; it may work in a moment".to_owned(),
        FaultKind::CircuitOpen => {
            "the service isn't asked for a moment, because it failed; it may work later".to_owned()
        }
        FaultKind::Deadline => "the service took too long; it may work later".to_owned(),
        FaultKind::NoFixture => "there is no sample data for this; ask for something else".to_owned(),
        FaultKind::Fuel | FaultKind::Memory | FaultKind::TooLarge => {
            "there is too much to read at once; ask for less".to_owned()
        }
        FaultKind::Internal | FaultKind::Trap | FaultKind::Output | FaultKind::Component | FaultKind::Mapping => {
            "the call failed, and calling it again doesn't help; the company has been told".to_owned()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    // Kinds that a guest may report (`action.fault-kind` in `wit/connector.wit`).
    InvalidInput,
    NotFound,
    Upstream,
    NeedsAuth,
    RateLimited,
    Internal,
    // Kinds that only the host sets.
    /// The guest trapped: unreachable code, an invalid memory access, or too deep a stack.
    Trap,
    /// The guest used up its fuel.
    Fuel,
    /// The call ran past its deadline.
    Deadline,
    /// The guest asked for more memory or tables than it may have.
    Memory,
    /// The output, the data handed to the host, the requests or their answers are too large for one call.
    TooLarge,
    /// The output isn't JSON, or doesn't fit its schema.
    Output,
    /// The host has no free place. Nothing ran.
    Busy,
    /// The component is missing or can't be compiled. Nothing ran.
    Component,
    /// A mapping filter failed.
    Mapping,
    /// Policy refused the call, or something that its guest asked for.
    Denied,
    /// A limit of the plan refused the call. Nothing ran.
    Limit,
    /// The circuit breaker refused a request, because the connection's last requests failed.
    CircuitOpen,
    /// The service answered with something that the connector can't read: a web page, another shape, a redirect.
    UnexpectedAnswer,
    /// The sandbox environment has no fixture for the request.
    NoFixture,
}

impl FaultKind {
    pub const ALL: [Self; 20] = [
        Self::InvalidInput,
        Self::NotFound,
        Self::Upstream,
        Self::NeedsAuth,
        Self::RateLimited,
        Self::Internal,
        Self::Trap,
        Self::Fuel,
        Self::Deadline,
        Self::Memory,
        Self::TooLarge,
        Self::Output,
        Self::Busy,
        Self::Component,
        Self::Mapping,
        Self::Denied,
        Self::Limit,
        Self::CircuitOpen,
        Self::UnexpectedAnswer,
        Self::NoFixture,
    ];

    /// The kind that [`Self::name`] names.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in the log and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::Upstream => "upstream",
            Self::NeedsAuth => "needs_auth",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
            Self::Trap => "trap",
            Self::Fuel => "fuel",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::TooLarge => "too_large",
            Self::Output => "output",
            Self::Busy => "busy",
            Self::Component => "component",
            Self::Mapping => "mapping",
            Self::Denied => "denied",
            Self::Limit => "limit",
            Self::CircuitOpen => "circuit_open",
            Self::UnexpectedAnswer => "unexpected_answer",
            Self::NoFixture => "no_fixture",
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::connector::account::AccountKey;

    /// Words that only admins, operators and authors of connectors know.
    pub const ADMIN_WORDS: [&str; 12] =
        ["/api/", "RESLY_", "wasm", "trap", "fuel", "manifest", "`", "{", "admin", "plan", "connector", "schema"];

    #[test]
    fn models_read_no_admin_words() {
        let said = "wasm trap: unreachable at api.example.com, see RESLY_EGRESS_ALLOW";
        for kind in FaultKind::ALL {
            let text = Fault::new(kind, said).for_model();
            let own = matches!(
                kind,
                FaultKind::InvalidInput
                    | FaultKind::NotFound
                    | FaultKind::Upstream
                    | FaultKind::UnexpectedAnswer
                    | FaultKind::RateLimited
            );
            assert!(own == (text == said), "{kind:?}: {text}");
            assert!(own || ADMIN_WORDS.iter().all(|word| !text.contains(word)), "{kind:?}: {text}");
        }
    }

    #[test]
    fn a_remedy_is_told_to_each_audience() {
        let organization = crate::id::OrganizationId(uuid::Uuid::nil());
        let connection = crate::id::ConnectionId(uuid::Uuid::nil());
        let own = AccountKey { organization, connection, visitor: None };
        let visitors = AccountKey { visitor: Some("anna".to_owned()), ..own.clone() };
        for (key, oauth, admin, chat) in [
            (&own, true, "/oauth/start", "only the company"),
            (&own, false, "PATCH", "only the company"),
            (&visitors, true, "/visitors/{visitor}/oauth/start", "the customer has to"),
            (&visitors, false, "/visitors/{visitor}/credentials", "the customer has to"),
        ] {
            let fault = Fault::new(FaultKind::NeedsAuth, "no account is connected");
            let fault = fault.with_remedy(Remedy::connect(key, oauth));
            assert!(fault.for_admin().starts_with("no account is connected: ") && fault.for_admin().contains(admin));
            assert!(fault.for_model().contains(chat) && !fault.for_model().contains("/api/"), "{}", fault.for_model());
        }
    }
}
