//! Why a call failed, as data: its kind, what happened, and the remedy. Each audience gets its own text.
//!
//! | audience | reads | text |
//! |---|---|---|
//! | admins | logs, tests, problems | [`Fault::for_admin`]: all of it, with routes and settings |
//! | the model | the result of its tool call | [`Fault::for_model`]: what it can act on |
//! | customers | answers of `builtin`, clients' events | [`for_customer`]: a fixed sentence for each kind |

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
    pub fn what_to_do(&self) -> &'static str {
        let needs_auth = self.kind == FaultKind::NeedsAuth;
        let own = self.remedy.filter(|_| needs_auth).and_then(Remedy::what_to_do);
        own.unwrap_or_else(|| self.kind.reason().what_to_do())
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

/// The sentence that a customer reads about a failed call, by the fault's kind or the tool's own reason. It is fixed,
/// so it can't hold text of a service, a connector or the host.
pub fn for_customer(kind: &str) -> &'static str {
    match kind {
        "declined" => "All right, I left it as it is.",
        "expired" => "This was confirmed too late, so I left it as it is.",
        "unknown" => "I don't know yet whether this was done.",
        "repeated" => "I asked you to confirm this already.",
        "not_found" => "I looked, and found nothing that matches.",
        "no_fixture" => "I have no sample data for that.",
        "invalid_input" => "I couldn't look that up with what I have; please check the details, or give more of them.",
        "needs_auth" => "I can't look that up, because the account isn't connected.",
        "denied" | "unknown_action" => "I'm not allowed to do that here.",
        "rate_limited" | "busy" | "limit" => "The service is too busy right now; please try again later.",
        "deadline" => "The service took too long to answer; please try again later.",
        "fuel" | "memory" | "too_large" => "There is too much to look at; please ask for less at once.",
        _ => "I couldn't look that up right now; please try again later.",
    }
}

/// Whether a write with this kind of fault may have taken effect. It may have failed on its way, or its answer couldn't
/// be read.
pub fn may_have_run(kind: &str) -> bool {
    let known = FaultKind::named(kind);
    known.is_some_and(|kind| {
        matches!(
            kind,
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
    })
}

/// [`for_customer`] for a write. The sentence also says whether the write was done.
pub fn write_for_customer(kind: &str) -> &'static str {
    if may_have_run(kind) {
        return "This failed, and I can't tell whether it was done all the same; please have it checked before it is \
                tried again.";
    }
    match kind {
        "declined" | "expired" | "unknown" | "repeated" => for_customer(kind),
        "not_found" => "This was not done: what it is about was not found.",
        "no_fixture" => "This was not done: there is no sample data for it.",
        "invalid_input" => "This was not done: the details weren't accepted; please check them.",
        "needs_auth" => "This was not done: the account isn't connected.",
        "denied" | "unknown_action" => "This was not done: I'm not allowed to do that here.",
        "rate_limited" | "busy" | "limit" => {
            "This was not done: the service is too busy right now; please try again later."
        }
        _ => "This was not done; please try again later.",
    }
}

/// The text for a model about a failed write. It also says whether the write was done.
pub fn write_for_model(kind: &str, message: &str) -> String {
    match kind {
        // The message already says it.
        "declined" | "expired" | "unknown" | "repeated" => message.to_owned(),
        kind if may_have_run(kind) => format!(
            "this failed, and it isn't known whether it was done; don't call it again until somebody has looked: {message}"
        ),
        _ => format!("this failed and was not done: {message}"),
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
mod tests {
    use super::*;
    use crate::connector::account::AccountKey;

    /// Words that only admins, operators and authors of connectors know.
    const ADMIN_WORDS: [&str; 12] =
        ["/api/", "RESLY_", "wasm", "trap", "fuel", "manifest", "`", "{", "admin", "plan", "connector", "schema"];

    #[test]
    fn customers_and_models_read_no_admin_words() {
        let kinds = FaultKind::ALL.map(FaultKind::name);
        let reasons = ["declined", "expired", "unknown", "repeated", "unknown_action", "unavailable", "anything"];
        for kind in kinds.into_iter().chain(reasons) {
            let text = for_customer(kind);
            assert!(ADMIN_WORDS.iter().all(|word| !text.contains(word)), "{kind}: {text}");
            assert!(text.ends_with('.'), "{kind}: {text}");
            let write = write_for_customer(kind);
            assert!(ADMIN_WORDS.iter().all(|word| !write.contains(word)), "{kind}: {write}");
            assert!(!write.contains("look") && write.ends_with('.'), "{kind}: {write}");
        }
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
