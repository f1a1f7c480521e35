//! A little memory between calls, scoped by the host to organization, connection and connector.

use crate::bindings::resly::connector::state as wit;
pub use crate::bindings::resly::connector::state::Refusal;

pub fn get(key: &str) -> Option<Vec<u8>> {
    wit::get(key)
}

/// Keeps a value for at most `ttl_s` seconds; the host caps sizes, counts and times.
pub fn set(key: &str, value: &[u8], ttl_s: u32) -> Result<(), Refusal> {
    wit::set(key, value, ttl_s)
}
