//! Stores the last output of an action, so that an admin can try a mapping on it.

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

/// The most bytes of one output that are stored.
pub const LARGEST: usize = 64 << 10;

/// An action's output before the connection's own mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastOutput {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub action: String,
    /// JSON text, at most [`LARGEST`] bytes.
    pub output: String,
    /// The bytes of the whole output, when it was cut to fit.
    pub cut_from: Option<u64>,
    pub at: Timestamp,
}

/// The port that stores samples and the fuel of trials.
#[async_trait]
pub trait TrialStore: Send + Sync + 'static {
    /// Stores an action's last output in place of the one before.
    async fn keep_sample(&self, sample: LastOutput) -> Result<(), StoreError>;
    async fn sample(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        action: &str,
    ) -> Result<Option<LastOutput>, StoreError>;
    /// Counts fuel in the `sandbox` environment, where nothing is limited.
    async fn count_trial(&self, organization: OrganizationId, fuel: u64, now: Timestamp) -> Result<(), StoreError>;
}

/// The output to store: the whole, or with long lists and texts cut until it fits. It remains JSON, so a filter can be
/// tried on it. Also returns the bytes of the whole when it was cut.
pub fn fit(output: &str) -> (String, Option<u64>) {
    if output.len() <= LARGEST {
        return (output.to_owned(), None);
    }
    let bytes = Some(output.len() as u64);
    let whole: Value = serde_json::from_str(output).unwrap_or_default();
    for (items, characters) in [(100, 4_000), (30, 1_000), (10, 300), (3, 100), (1, 30)] {
        let text = cut(&whole, items, characters, 0).to_string();
        if text.len() <= LARGEST {
            return (text, bytes);
        }
    }
    ("null".to_owned(), bytes)
}

/// The deepest nesting that is kept. Parsed JSON nests at most 128 deep.
const DEEPEST: usize = 128;

fn cut(value: &Value, items: usize, characters: usize, depth: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if depth >= DEEPEST => Value::Null,
        Value::Array(list) => list.iter().take(items).map(|item| cut(item, items, characters, depth + 1)).collect(),
        // Filters name members, so an object keeps ten times as many members as a list keeps items.
        Value::Object(members) => members
            .iter()
            .take(items.saturating_mul(10))
            .map(|(name, member)| (name.clone(), cut(member, items, characters, depth + 1)))
            .collect(),
        Value::String(text) => Value::String(text.chars().take(characters).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_small_output_is_kept_as_it_is() {
        assert_eq!(fit("{\"n\":1.50}"), ("{\"n\":1.50}".to_owned(), None));
    }

    #[test]
    fn a_large_output_is_cut_to_what_a_filter_can_read() {
        let orders: Vec<Value> = (0..5_000).map(|n| json!({"id": n, "note": "ä".repeat(200)})).collect();
        let text = json!({"orders": orders, "count": 5_000}).to_string();
        let (kept, from) = fit(&text);
        assert_eq!(from, Some(text.len() as u64));
        assert!(kept.len() <= LARGEST, "{}", kept.len());
        let kept: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!((&kept["count"], &kept["orders"][0]["id"]), (&json!(5_000), &json!(0)));
        assert!(kept["orders"].as_array().unwrap().len() >= 30);

        let names: serde_json::Map<String, Value> = (0..90_000).map(|n| (format!("name {n}"), json!(1))).collect();
        let (kept, _) = fit(&Value::Object(names).to_string());
        assert!(kept.len() <= LARGEST && kept.starts_with("{\"name"));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(fit(&deep).0, "null");
    }
}
