//! Meters and limits: what is counted for an organization in a calendar month, and up to which value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::{Period, Timestamp};

/// A counter of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Chats and searches that were accepted.
    Messages,
    /// Passages embedded when content is ingested.
    Embeddings,
    /// Connector calls that policy admitted.
    ConnectorCalls,
    /// Fuel that guests burnt, in wasmtime's units (about one per WebAssembly instruction).
    Fuel,
    /// Tokens that language models read for chats, those from a provider's cache included.
    ModelInputTokens,
    /// The part of [`ModelInputTokens`](Self::ModelInputTokens) that a provider read from its cache.
    ModelCachedInputTokens,
    /// Tokens that language models wrote for chats, thinking included.
    ModelOutputTokens,
}

impl Meter {
    pub const ALL: [Self; 7] = [
        Self::Messages,
        Self::Embeddings,
        Self::ConnectorCalls,
        Self::Fuel,
        Self::ModelInputTokens,
        Self::ModelCachedInputTokens,
        Self::ModelOutputTokens,
    ];
    /// What language models used. It is known when an answer has ended, so a limit is compared before the next answer
    /// begins, and answers that are running may go past it.
    pub const MODEL_TOKENS: [Self; 3] = [Self::ModelInputTokens, Self::ModelCachedInputTokens, Self::ModelOutputTokens];

    /// The name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Embeddings => "embeddings",
            Self::ConnectorCalls => "connector_calls",
            Self::Fuel => "fuel",
            Self::ModelInputTokens => "model_input_tokens",
            Self::ModelCachedInputTokens => "model_cached_input_tokens",
            Self::ModelOutputTokens => "model_output_tokens",
        }
    }
}

/// The hard limits of a plan. A meter without an entry is unlimited.
pub type Limits = BTreeMap<Meter, u64>;

/// The value of one meter at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterReading {
    pub used: u64,
    pub limit: Option<u64>,
    /// The amount set aside for running calls, in addition to `used`. Only for meters that set amounts aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u64>,
    /// The part of `used` that comes from answers whose counts are estimates. Only for [`Meter::MODEL_TOKENS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated: Option<u64>,
}

/// A period's meters, as the usage report shows them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UsageReport {
    pub period: Period,
    pub meters: BTreeMap<Meter, MeterReading>,
    /// Calls in the `sandbox` environment. They count toward no limit and no bill.
    pub sandbox: BTreeMap<Meter, u64>,
    /// Counts toward no limit of the plan.
    #[serde(default)]
    pub stored_bytes: StoredBytes,
}

/// Bytes that connectors and sources made the host store in a period, by environment: logs of calls, connectors' state,
/// samples of their outputs, sources with their passages. Bytes that were deleted since are included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBytes {
    pub production: u64,
    pub sandbox: u64,
}

/// What has the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitLevel {
    /// The organization's plan.
    #[default]
    Plan,
    /// The API key, with a limit of its own below the plan's.
    Key,
    /// The visitor, by the key's cap for each visitor.
    Visitor,
}

/// The time that a limit counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitWindow {
    Minute,
    /// A calendar day in UTC.
    Day,
    /// A calendar month in UTC.
    #[default]
    Month,
}

/// A hard limit was reached. Nothing was counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{} of {limit} {} is reached until {resets_at}; {}", self.name(), meter.name(), self.advice())]
pub struct LimitReached {
    pub of: LimitLevel,
    pub per: LimitWindow,
    pub meter: Meter,
    pub limit: u64,
    pub used: u64,
    pub resets_at: Timestamp,
}

impl LimitReached {
    fn name(&self) -> &'static str {
        match (self.of, self.per) {
            (LimitLevel::Plan, LimitWindow::Minute) => "the plan's limit within a minute",
            (LimitLevel::Plan, LimitWindow::Day | LimitWindow::Month) => "the plan's limit",
            (LimitLevel::Key, _) => "the API key's own cap",
            (LimitLevel::Visitor, _) => "the API key's cap for a visitor and day",
        }
    }

    fn advice(&self) -> &'static str {
        match (self.of, self.per) {
            (LimitLevel::Plan, LimitWindow::Minute) => "try again then, or have the plan's limit raised",
            (LimitLevel::Plan, _) if Meter::MODEL_TOKENS.contains(&self.meter) => {
                "an answer that is being written when it is reached is finished, so more may be used than the limit; don't try \
                 again before, unless the plan's limit is raised"
            }
            (LimitLevel::Plan, LimitWindow::Day | LimitWindow::Month) => {
                "don't try again before, unless the plan's limit is raised"
            }
            (LimitLevel::Key, _) => "don't try again before, unless an admin raises the key's `message_cap`",
            (LimitLevel::Visitor, _) => {
                "don't try again before, unless an admin raises the key's `visitor_message_cap`"
            }
        }
    }

    /// Whether the same request may succeed soon.
    pub fn passes_soon(&self) -> bool {
        self.per == LimitWindow::Minute
    }
}

/// The rest of a limit is set aside for running calls. Most of it will be free again in a moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("the rest of this month's {} is set aside for calls that are running; try again in a moment", meter.name())]
pub struct LimitReserved {
    pub meter: Meter,
    pub limit: u64,
    /// The amount that was used, without `reserved`.
    pub used: u64,
    pub reserved: u64,
}

/// What is left of a meter, for the `RateLimit` header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    pub meter: Meter,
    pub limit: u64,
    pub remaining: u64,
    pub per: LimitWindow,
    pub resets_at: Timestamp,
}
