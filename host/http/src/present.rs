//! Members of a change that `null` removes, and that stay where they are absent.

use serde::{Deserialize, Deserializer};

/// Tells `null` from absent.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
