//! Rate limits of a key: requests in a minute and simultaneous answers, for the whole key, each visitor, and each
//! client address.

use serde::{Deserialize, Serialize};

use crate::principal::KeyKind;

/// Seconds of the window in which requests are counted.
pub const WINDOW_S: u64 = 60;

/// The limits of one subject. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Requests under `/api` within a minute.
    pub requests_per_minute: Option<u32>,
    /// Answers that are written or followed at the same time.
    pub streams: Option<u32>,
}

/// The rates of one API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// All requests under the key.
    pub key: RateLimit,
    /// Each visitor (`visitorId`) under the key.
    pub visitor: RateLimit,
    /// Each client address under the key; an IPv6 client is its /64 network.
    pub address: RateLimit,
}

impl RateLimits {
    /// The limits of a key without explicit ones. Anyone can read a publishable key, so nobody may use up the month's
    /// limit in minutes with it. A secret key belongs to a server that speaks for many visitors from one address, so it
    /// has none.
    pub fn usual(kind: KeyKind) -> Self {
        let limit = |requests, streams| RateLimit { requests_per_minute: Some(requests), streams: Some(streams) };
        match kind {
            KeyKind::Secret => Self::default(),
            KeyKind::Publishable => Self { key: limit(600, 200), visitor: limit(30, 5), address: limit(60, 20) },
        }
    }
}

/// What a rate limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateSubject {
    Key,
    Visitor,
    Address,
}

impl RateSubject {
    pub const ALL: [Self; 3] = [Self::Key, Self::Visitor, Self::Address];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Visitor => "visitor",
            Self::Address => "address",
        }
    }

    pub fn of(self, limits: &RateLimits) -> RateLimit {
        match self {
            Self::Key => limits.key,
            Self::Visitor => limits.visitor,
            Self::Address => limits.address,
        }
    }
}
