//! The request and the report of a connector call.

use serde_json::Value;

use crate::{
    connector::{
        connection::CallerKind,
        fault::{Fault, FaultKind},
        sandbox::{Cost, LogLevel, LogLine},
    },
    error::StoreError,
    id::{ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::{LimitReached, LimitReserved},
    principal::KeyKind,
    time::Timestamp,
};

/// On whose behalf a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An admin, who may call any action of a connection in any state.
    /// A member of the console has no key.
    Admin { key: Option<KeyId> },
    /// A chat, which may call what policy allows.
    Chat { key: KeyId, kind: KeyKind, conversation: ConversationId },
    /// A chat, for a write that a person confirmed. `revision` and `authorized_at` are those of the connection and its
    /// account when the question was asked.
    Confirmed {
        key: KeyId,
        kind: KeyKind,
        conversation: ConversationId,
        revision: u64,
        authorized_at: Option<Timestamp>,
    },
    /// A crawl of a list, which may call actions that only read, of an enabled connection.
    Crawl,
    /// A health check by the host. It is logged but not counted, because no customer asked for it.
    Health,
}

impl Caller {
    pub(super) fn key(self) -> Option<KeyId> {
        match self {
            Self::Admin { key } => key,
            Self::Chat { key, .. } | Self::Confirmed { key, .. } => Some(key),
            Self::Crawl | Self::Health => None,
        }
    }

    pub(super) fn conversation(self) -> Option<ConversationId> {
        match self {
            Self::Chat { conversation, .. } | Self::Confirmed { conversation, .. } => Some(conversation),
            Self::Admin { .. } | Self::Crawl | Self::Health => None,
        }
    }

    pub(super) fn kind(self) -> CallerKind {
        match self {
            Self::Admin { .. } => CallerKind::Admin,
            Self::Chat { .. } | Self::Confirmed { .. } => CallerKind::Chat,
            Self::Crawl => CallerKind::Crawl,
            Self::Health => CallerKind::Health,
        }
    }
}

#[derive(Clone, Debug)]
pub struct CallRequest {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub action: String,
    pub input: Value,
    pub caller: Caller,
    /// The visitor whose account to use, where each visitor has one.
    pub visitor: Option<String>,
    /// A jq filter that is applied to the output instead of the connection's own mapping, which trims it for models.
    pub mapping: Option<String>,
}

/// The result of a call.
#[derive(Debug)]
pub struct CallReport {
    pub result: Result<Value, Fault>,
    /// Set when `result` is a fault of kind `Limit`.
    pub limit: Option<LimitReached>,
    /// Set when `result` is a fault of kind `Busy`, because the rest of a limit is set aside for other calls.
    pub set_aside: Option<LimitReserved>,
    /// Whether the answer came from the host's cache.
    pub cached: bool,
    pub cost: Cost,
    pub log: Vec<LogLine>,
}

impl CallReport {
    /// The connector's warnings for the reader of its output, such as that there was more than it read.
    pub fn notes(&self) -> Vec<String> {
        const MOST: usize = 3;
        const CHARACTERS: usize = 200;
        let warnings = self.log.iter().filter(|line| line.level == LogLevel::Warn).take(MOST);
        warnings.map(|line| line.message.chars().take(CHARACTERS).collect()).collect()
    }

    pub(super) fn refused(fault: Fault) -> Self {
        let cost = Cost::default();
        Self { result: Err(fault), limit: None, set_aside: None, cached: false, cost, log: Vec::new() }
    }

    /// A report without cost, for an answer from the cache.
    pub(super) fn from_cache(output: &Value) -> Self {
        let cost = Cost::default();
        Self { result: Ok(output.clone()), limit: None, set_aside: None, cached: true, cost, log: Vec::new() }
    }

    pub(super) fn limit_reached(limit: LimitReached) -> Self {
        let fault = Fault::new(FaultKind::Limit, limit.to_string());
        Self { limit: Some(limit), ..Self::refused(fault) }
    }

    pub(super) fn set_aside(set_aside: LimitReserved) -> Self {
        let fault = Fault::new(FaultKind::Busy, set_aside.to_string()).retryable(true);
        Self { set_aside: Some(set_aside), ..Self::refused(fault) }
    }
}

/// Why there was nothing to call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("there is no such connection")]
    NoConnection,
    #[error("connector `{connector}` {version} is not in the catalogue any more; install another version")]
    NoConnector { connector: String, version: String },
    #[error("this connector has no action `{action}`; it has {}", have.join(", "))]
    NoAction { action: String, have: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CallError {
    /// The kind, as traces name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::NoConnector { .. } => "no_connector",
            Self::NoAction { .. } => "no_action",
            Self::Store(_) => "store",
        }
    }
}
