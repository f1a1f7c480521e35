//! Rates of API keys: requests within a minute and answers at once, by key, visitor and client address.
//!
//! # How exact it is A host that has its store for itself (SQLite) counts in memory and is exact. Hosts that share a
//! database take requests from a window in it, a twentieth of the limit at a time, so that most requests need no
//! statement. Each host may let in that many before it asks. So together `h` hosts let in at most `limit / 10 × (h -
//! 1)` (for small limits, `2 × (h - 1)`) more than the limit within a minute, and refuse at most as many that they had
//! reserved and didn't use. Answers at once are counted by each host.

mod streams;
mod window;

use std::{net::IpAddr, sync::Arc};

use moka::sync::Cache;
use resly_core::{
    id::KeyId,
    rate::{RateLimits, RateSubject},
    time::{Clock, Timestamp},
};
use resly_store::Store;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use uuid::Uuid;

pub use self::streams::StreamPermit;
use self::{streams::Streams, window::Window};

/// The most subjects whose windows are remembered. When there are more, some begin a new window too early.
const SUBJECTS: u64 = 200_000;

/// Whom a rate limits.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'c> {
    /// The key's lineage, because a rotation must not start a new window.
    pub key: KeyId,
    pub limits: &'c RateLimits,
}

/// One of a key's subjects, with its name where it has one.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'s> {
    Key,
    Visitor(&'s str),
    Address(IpAddr),
}

impl Subject<'_> {
    fn kind(self) -> RateSubject {
        match self {
            Self::Key => RateSubject::Key,
            Self::Visitor(_) => RateSubject::Visitor,
            Self::Address(_) => RateSubject::Address,
        }
    }

    /// The name of its window and its streams. It is the same on every host.
    fn hash(self, key: KeyId) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(key.0.as_bytes());
        hash.update(self.kind().name());
        match self {
            Self::Key => {}
            Self::Visitor(visitor) => hash.update(visitor),
            Self::Address(address) => hash.update(network(address).to_string()),
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Uuid::from_bytes(bytes)
    }
}

/// An IPv6 client has a whole /64, and can use any address in it (RFC 6177, section 2).
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// The rest of one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLeft {
    pub subject: RateSubject,
    pub limit: u64,
    pub remaining: u64,
    pub resets_at: Timestamp,
}

/// A rate was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateExceeded {
    #[error("more than {limit} requests a minute for this {}", subject.name())]
    Requests { subject: RateSubject, limit: u64, resets_at: Timestamp },
    #[error("{limit} answers at once are in progress for this {} already", subject.name())]
    Streams { subject: RateSubject, limit: u64 },
}

/// The windows and streams that this host counts.
pub struct Rates {
    store: Store,
    clock: Arc<dyn Clock>,
    windows: Cache<Uuid, Arc<Mutex<Window>>>,
    streams: Arc<Streams>,
}

impl Rates {
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let idle = std::time::Duration::from_secs(150);
        let windows = Cache::builder().max_capacity(SUBJECTS).time_to_idle(idle).build();
        Self { store, clock, windows, streams: Arc::default() }
    }

    /// Counts one request of a subject. A refused request isn't counted. `None` when there is no limit.
    pub async fn request(&self, caller: Caller<'_>, subject: Subject<'_>) -> Result<Option<RateLeft>, RateExceeded> {
        let kind = subject.kind();
        let Some(limit) = kind.of(caller.limits).requests_per_minute else { return Ok(None) };
        let hash = subject.hash(caller.key);
        let window = self.windows.get_with(hash, Arc::default);
        let mut window = window.lock().await;
        let (now, limit) = (self.clock.now(), u64::from(limit));
        window.turn(now);
        let let_in = if self.store.is_shared() {
            window.take_shared(&self.store, hash, limit, now).await
        } else {
            window.take(limit)
        };
        let resets_at = window.ends_at();
        if let_in {
            Ok(Some(RateLeft { subject: kind, limit, remaining: window.remaining(limit), resets_at }))
        } else {
            Err(RateExceeded::Requests { subject: kind, limit, resets_at })
        }
    }

    /// Takes back a request that was counted and then refused for another subject. Otherwise one visitor's refused
    /// requests would use up the key's rate.
    pub async fn refund(&self, caller: Caller<'_>, subject: Subject<'_>) {
        if let Some(window) = self.windows.get(&subject.hash(caller.key)) {
            window.lock().await.refund(self.clock.now());
        }
    }

    /// Counts one more answer in progress until the permit is dropped. `None` when there is no limit.
    pub fn stream(&self, caller: Caller<'_>, subject: Subject<'_>) -> Result<Option<StreamPermit>, RateExceeded> {
        let kind = subject.kind();
        let Some(limit) = kind.of(caller.limits).streams else { return Ok(None) };
        let permit = Streams::enter(&self.streams, subject.hash(caller.key), limit);
        permit.map(Some).ok_or(RateExceeded::Streams { subject: kind, limit: limit.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_network() {
        let key = KeyId(Uuid::from_u128(1));
        let hash = |text: &str| Subject::Address(text.parse().unwrap()).hash(key);
        assert_eq!(hash("2001:db8:1:2::1"), hash("2001:db8:1:2:ffff::9"));
        assert_ne!(hash("2001:db8:1:2::1"), hash("2001:db8:1:3::1"));
        assert_ne!(hash("192.0.2.1"), hash("192.0.2.2"));
        assert_ne!(Subject::Visitor("a").hash(key), Subject::Visitor("b").hash(key));
        assert_ne!(Subject::Key.hash(key), Subject::Key.hash(KeyId(Uuid::from_u128(2))));
    }
}
