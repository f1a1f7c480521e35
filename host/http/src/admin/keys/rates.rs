//! What an admin says of a key's rates.

use resly_core::rate::{RateLimit, RateLimits};
use resly_service::FieldError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::connections::present;

/// The most that one can be; `null` is more.
const MOST: u32 = 1_000_000;

/// Rates to change; `null` is unlimited. What isn't named stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatesPatch {
    #[serde(default)]
    key: RatePatch,
    #[serde(default)]
    visitor: RatePatch,
    #[serde(default)]
    address: RatePatch,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RatePatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    requests_per_minute: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    streams: Option<Option<u32>>,
}

impl RatesPatch {
    /// What the rates are after the change.
    pub fn over(self, rates: RateLimits, mistakes: &mut Vec<FieldError>) -> RateLimits {
        RateLimits {
            key: self.key.over(rates.key, "key", mistakes),
            visitor: self.visitor.over(rates.visitor, "visitor", mistakes),
            address: self.address.over(rates.address, "address", mistakes),
        }
    }
}

impl RatePatch {
    fn over(self, rate: RateLimit, subject: &str, mistakes: &mut Vec<FieldError>) -> RateLimit {
        let mut check = |name: &str, limit: Option<Option<u32>>| {
            if limit.flatten().is_some_and(|limit| !(1..=MOST).contains(&limit)) {
                let message = format!("1 to {MOST} is expected, or null for no limit");
                mistakes.push(FieldError::new(format!("rate_limits.{subject}.{name}"), message));
            }
        };
        check("requests_per_minute", self.requests_per_minute);
        check("streams", self.streams);
        RateLimit {
            requests_per_minute: self.requests_per_minute.unwrap_or(rate.requests_per_minute),
            streams: self.streams.unwrap_or(rate.streams),
        }
    }
}
