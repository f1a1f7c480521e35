//! Stores small values between calls. The host limits them to the organization, connection and connector.
//!
//! A value may be lost at any time, so store only what can be fetched again.

use serde::{Serialize, de::DeserializeOwned};

use crate::bindings::resly::connector::state as wit;
pub use crate::bindings::resly::connector::state::Refusal;

pub fn get(key: &str) -> Option<Vec<u8>> {
    wit::get(key)
}

/// Stores a value for at most `ttl_s` seconds. The host limits sizes, numbers and times.
pub fn set(key: &str, value: &[u8], ttl_s: u32) -> Result<(), Refusal> {
    wit::set(key, value, ttl_s)
}

/// A value that [`set_json`] stored. `None` when there is none or when it doesn't parse, such as one of another
/// version.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Option<T> {
    serde_json::from_slice(&get(key)?).ok()
}

/// Stores a value as JSON. False when it wasn't stored; a connector can only go on without it.
pub fn set_json<T: Serialize>(key: &str, value: &T, ttl_s: u32) -> bool {
    serde_json::to_vec(value).is_ok_and(|value| set(key, &value, ttl_s).is_ok())
}
