//! Caches the outputs of reads for as long as their manifest says (`cache_s`). A model that asks the same in another
//! turn then costs the service nothing.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use resly_manifest::{Action, Digest, SideEffect};
use serde_json::Value;

use super::connection::{Connection, Environment};
use crate::{id::ConnectionId, json, time::Timestamp};

/// The most bytes of outputs in memory, for all organizations together.
const MOST_BYTES: u64 = 32 << 20;

/// Identifies a read. The revision is part of it, so a change to the connection makes old entries unreachable.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    connection: ConnectionId,
    revision: u64,
    /// The account, where a person connects one: its visitor (`None` for the organization) and when it was connected.
    account: Option<(Option<String>, Timestamp)>,
    /// Digest of action and input.
    asked: Digest,
}

#[derive(Clone)]
struct CachedAnswer {
    at: Timestamp,
    output: Arc<Value>,
    bytes: u32,
}

/// The cache. It is cheap to clone.
#[derive(Clone)]
pub(super) struct OutputCache(Cache<Key, CachedAnswer>);

impl OutputCache {
    pub fn new() -> Self {
        let weight = |_: &Key, kept: &CachedAnswer| kept.bytes.saturating_add(128);
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).build())
    }

    /// The key of a call's output. `None` when the call may not be cached.
    pub fn key(
        connection: &Connection,
        account: Option<(Option<String>, Timestamp)>,
        action: &Action,
        input: &Value,
    ) -> Option<Key> {
        let may = action.cache_s > 0
            && action.side_effect == SideEffect::Read
            && connection.environment == Environment::Production;
        may.then(|| Key {
            connection: connection.id,
            revision: connection.revision,
            account,
            // The same input in another order of members is the same question.
            asked: Digest::of(format!("{}\0{}", action.id, json::canonical(input)).as_bytes()),
        })
    }

    pub fn find(&self, key: &Key, action: &Action, now: Timestamp) -> Option<Arc<Value>> {
        let kept = self.0.get(key)?;
        (now.since(kept.at) < Duration::from_secs(action.cache_s.into())).then_some(kept.output)
    }

    pub fn keep(&self, key: Key, output: &Value, now: Timestamp) {
        let bytes = u32::try_from(output.to_string().len()).unwrap_or(u32::MAX);
        self.0.insert(key, CachedAnswer { at: now, output: Arc::new(output.clone()), bytes });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{
        connector::connection::{ConnectionStatus, Owner, Policy},
        id::OrganizationId,
    };

    fn connection(environment: Environment, revision: u64) -> Connection {
        Connection {
            id: ConnectionId(Uuid::nil()),
            organization: OrganizationId(Uuid::nil()),
            connector: "crm".to_owned(),
            version: "1.0.0".to_owned(),
            name: "CRM".to_owned(),
            environment,
            status: ConnectionStatus::Enabled,
            settings: json!({}),
            auth: None,
            owner: Owner::Organization,
            credentials: None,
            policy: Policy::default(),
            mappings: Default::default(),
            tested_at: None,
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            revision,
        }
    }

    fn action(side_effect: &str, cache_s: u32) -> Action {
        serde_json::from_value(json!({"id": "get", "title": "Get", "description": "Gets.", "input": {},
            "side_effect": side_effect, "cache_s": cache_s}))
        .unwrap()
    }

    #[test]
    fn a_read_is_known_for_as_long_as_its_manifest_says() {
        let (recent, get) = (OutputCache::new(), action("read", 60));
        let production = connection(Environment::Production, 1);
        let key = |connection: &Connection, input| OutputCache::key(connection, None, &get, &input).unwrap();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        recent.keep(key(&production, json!({"id": 1})), &json!("one"), now);
        let find = |key: &Key, seconds| recent.find(key, &get, now.plus(Duration::from_secs(seconds)));
        assert_eq!(find(&key(&production, json!({"id": 1})), 59).as_deref(), Some(&json!("one")));
        assert_eq!(find(&key(&production, json!({"id": 1})), 60), None);
        recent.keep(key(&production, json!({"id": 1, "a": {"z": 1, "b": 2}})), &json!("two"), now);
        assert_eq!(find(&key(&production, json!({"a": {"b": 2, "z": 1}, "id": 1})), 0).as_deref(), Some(&json!("two")));
        assert_eq!(find(&key(&production, json!({"id": 2})), 0), None);
        assert_eq!(find(&key(&connection(Environment::Production, 2), json!({"id": 1})), 0), None);
        // What one visitor's account gave is nobody else's, and not that visitor's next account's.
        let of = |whose, at| OutputCache::key(&production, Some((whose, at)), &get, &json!({"id": 1})).unwrap();
        let own = |visitor: &str, at| of(Some(visitor.to_owned()), at);
        recent.keep(own("anna", now), &json!("hers"), now);
        assert_eq!(find(&own("anna", now), 0).as_deref(), Some(&json!("hers")));
        assert_eq!(find(&own("berta", now), 0), None);
        let later = now.plus(Duration::from_secs(1));
        assert_eq!(find(&own("anna", later), 0), None);
        // Nor is what the organization's account gave its next one's.
        recent.keep(of(None, now), &json!("ours"), now);
        assert_eq!(find(&of(None, now), 0).as_deref(), Some(&json!("ours")));
        assert_eq!(find(&of(None, later), 0), None);
    }

    #[test]
    fn writes_fixtures_and_what_asks_for_no_time_are_never_kept() {
        let production = connection(Environment::Production, 1);
        assert!(OutputCache::key(&production, None, &action("write", 60), &json!({})).is_none());
        assert!(OutputCache::key(&production, None, &action("read", 0), &json!({})).is_none());
        assert!(
            OutputCache::key(&connection(Environment::Sandbox, 1), None, &action("read", 60), &json!({})).is_none()
        );
    }
}
