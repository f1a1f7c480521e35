//! The JSON of a key, without its secret.

use resly_core::{
    id::KeyId,
    principal::{KeyKind, Scope},
    rate,
    time::Timestamp,
};
use resly_service::key::NewSecret;
use resly_store::KeySummary;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi_enums;

#[derive(Serialize, ToSchema)]
pub struct CreatedKey {
    #[schema(value_type = String, format = "uuid")]
    id: KeyId,
    /// Shown this once.
    key: String,
}

impl From<&NewSecret> for CreatedKey {
    fn from(secret: &NewSecret) -> Self {
        Self { id: secret.id, key: secret.expose().to_owned() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Keys {
    keys: Vec<Key>,
}

impl Keys {
    pub fn new(keys: Vec<KeySummary>) -> Self {
        Self { keys: keys.into_iter().map(Key::from).collect() }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Key {
    #[schema(value_type = String, format = "uuid")]
    id: KeyId,
    /// For people.
    name: String,
    #[schema(value_type = openapi_enums::KeyKind)]
    kind: KeyKind,
    #[schema(value_type = Vec<openapi_enums::Scope>)]
    scopes: Vec<Scope>,
    /// Of a publishable key: where it may be used from.
    origins: Vec<String>,
    /// The most messages this key may spend in a month; `null` is as many as the plan has.
    #[schema(required)]
    message_cap: Option<u64>,
    /// The most messages that each visitor may spend under this key in a day; `null` is as many as the key.
    #[schema(required)]
    visitor_message_cap: Option<u64>,
    rate_limits: RateLimits,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl From<KeySummary> for Key {
    fn from(key: KeySummary) -> Self {
        let KeySummary { id, name, kind, scopes, origins, message_cap, visitor_message_cap, rate_limits, .. } = key;
        let KeySummary { created_at, expires_at, last_used_at, .. } = key;
        let rate_limits = rate_limits.unwrap_or_else(|| rate::RateLimits::usual(kind)).into();
        Self {
            id,
            name,
            kind,
            scopes,
            origins,
            message_cap,
            visitor_message_cap,
            rate_limits,
            created_at,
            expires_at,
            last_used_at,
        }
    }
}

/// The rates of a key.
#[derive(Serialize, ToSchema)]
pub struct RateLimits {
    /// Everything under the key.
    key: RateLimit,
    /// Each visitor (`visitorId`) under the key.
    visitor: RateLimit,
    /// Each client address under the key; an IPv6 client is its /64 network.
    address: RateLimit,
}

impl From<rate::RateLimits> for RateLimits {
    fn from(rate::RateLimits { key, visitor, address }: rate::RateLimits) -> Self {
        Self { key: key.into(), visitor: visitor.into(), address: address.into() }
    }
}

/// `null` is unlimited.
#[derive(Serialize, ToSchema)]
pub struct RateLimit {
    /// Requests under `/api` within a minute.
    #[schema(required)]
    requests_per_minute: Option<u32>,
    /// Answers that are written or followed at the same time.
    #[schema(required)]
    streams: Option<u32>,
}

impl From<rate::RateLimit> for RateLimit {
    fn from(rate::RateLimit { requests_per_minute, streams }: rate::RateLimit) -> Self {
        Self { requests_per_minute, streams }
    }
}
