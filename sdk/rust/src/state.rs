//! A little memory between calls, scoped by the host to organization, connection and connector.
//!
//! It may be gone at any time: keep what can be fetched again.

use serde::{Serialize, de::DeserializeOwned};

use crate::bindings::resly::connector::state as wit;
pub use crate::bindings::resly::connector::state::Refusal;

pub fn get(key: &str) -> Option<Vec<u8>> {
    wit::get(key)
}

/// Keeps a value for at most `ttl_s` seconds; the host caps sizes, counts and times.
pub fn set(key: &str, value: &[u8], ttl_s: u32) -> Result<(), Refusal> {
    wit::set(key, value, ttl_s)
}

/// A value that [`set_json`] kept; nothing when it is another connector version's and doesn't fit any more.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Option<T> {
    serde_json::from_slice(&get(key)?).ok()
}

/// Keeps a value as JSON. Whether there was room is all that it tells, since a connector can only go on without.
pub fn set_json<T: Serialize>(key: &str, value: &T, ttl_s: u32) -> bool {
    serde_json::to_vec(value).is_ok_and(|value| set(key, &value, ttl_s).is_ok())
}
