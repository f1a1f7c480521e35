//! The body that changes a key's rates.

use resly_service::keys;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::present::present;

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

impl From<RatesPatch> for keys::RateLimitsPatch {
    fn from(RatesPatch { key, visitor, address }: RatesPatch) -> Self {
        Self { key: key.into(), visitor: visitor.into(), address: address.into() }
    }
}

impl From<RatePatch> for keys::RateLimitPatch {
    fn from(RatePatch { requests_per_minute, streams }: RatePatch) -> Self {
        Self { requests_per_minute, streams }
    }
}
