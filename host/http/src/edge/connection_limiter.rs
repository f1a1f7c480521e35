//! Limits the open connections, in total and for each client address. A connection over a limit is served for a short
//! time: health checks are answered, and every other request is told to come back later.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Limits, activity::Activity, descriptors};

/// How many connections over a limit are served at a time. One more ends the oldest one.
const OVER_LIMIT_MOST: usize = 32;
/// A connection that has been idle for less time isn't closed to make room.
const FRESH: Duration = Duration::from_secs(1);
/// The least time between two searches for idle connections.
const EVICT_EVERY: Duration = Duration::from_millis(100);

/// Counts a host's connections.
pub struct ConnectionLimiter {
    pub limits: Limits,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, Arc<Activity>>,
    by_address: HashMap<IpAddr, usize>,
    over_limit: VecDeque<(u64, CancellationToken)>,
    next: u64,
    refused: u64,
    evicted_at: Option<Instant>,
}

/// How a connection is served.
pub enum Admitted {
    /// A connection within the limits. It counts until this is dropped.
    WithinLimit(ConnectionPlace),
    /// A connection over a limit.
    OverLimit(OverLimitConnection, ExceededLimit),
}

/// The limit that a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceededLimit {
    Total,
    Address,
}

impl ConnectionLimiter {
    /// `open_files` is the process's limit of open files.
    pub fn new(mut limits: Limits, open_files: Option<u64>) -> Arc<Self> {
        limits.connections = descriptors::connections_within(open_files, limits.connections);
        // A single address must not take all places.
        limits.connections_per_address = limits.connections_per_address.min(limits.connections.div_ceil(2));
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        let table = self.table();
        table.open.len() + table.over_limit.len()
    }

    /// How many connections were over a limit so far.
    pub fn refused(&self) -> u64 {
        self.table().refused
    }

    pub fn admit(self: &Arc<Self>, peer: Option<IpAddr>, activity: &Arc<Activity>) -> Admitted {
        let mut table = self.table();
        table.next += 1;
        let id = table.next;
        let address = peer.map(client_of).filter(|address| !self.is_trusted(*address));
        let of_address = address.and_then(|address| table.by_address.get(&address)).copied().unwrap_or(0);
        let beyond = if of_address >= self.limits.connections_per_address {
            ExceededLimit::Address
        } else if table.open.len() >= self.limits.connections {
            Self::evict(&mut table, self.limits.connections.div_ceil(64), Instant::now());
            ExceededLimit::Total
        } else {
            if let Some(address) = address {
                *table.by_address.entry(address).or_default() += 1;
            }
            table.open.insert(id, Arc::clone(activity));
            return Admitted::WithinLimit(ConnectionPlace { limiter: Arc::clone(self), id, address });
        };
        table.refused += 1;
        while table.over_limit.len() >= OVER_LIMIT_MOST {
            if let Some((_, oldest)) = table.over_limit.pop_front() {
                oldest.cancel();
            }
        }
        let ended = CancellationToken::new();
        table.over_limit.push_back((id, ended.clone()));
        Admitted::OverLimit(OverLimitConnection { limiter: Arc::clone(self), id, ended }, beyond)
    }

    /// Closes a few idle connections, because no descriptors are left.
    pub fn make_room(&self) {
        Self::evict(&mut self.table(), 16, Instant::now());
    }

    /// Closes the connections that have been idle for the longest.
    fn evict(table: &mut Table, count: usize, now: Instant) {
        if table.evicted_at.is_some_and(|at| now - at < EVICT_EVERY) {
            return;
        }
        table.evicted_at = Some(now);
        let idle = |activity: &Arc<Activity>| Some((activity.idle_since()?, Arc::clone(activity)));
        let mut idle: Vec<_> = table.open.values().filter_map(idle).collect();
        idle.retain(|(since, _)| now - *since >= FRESH);
        idle.sort_by_key(|(since, _)| *since);
        for (_, activity) in idle.into_iter().take(count) {
            activity.evicted.notify_one();
        }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.limits.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic can't leave this plain data half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the open ones.
pub struct ConnectionPlace {
    limiter: Arc<ConnectionLimiter>,
    id: u64,
    address: Option<IpAddr>,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut table = self.limiter.table();
        table.open.remove(&self.id);
        let Some(address) = self.address else { return };
        if let Some(count) = table.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                table.by_address.remove(&address);
            }
        }
    }
}

/// A connection over a limit. It ends when `ended` is cancelled.
pub struct OverLimitConnection {
    limiter: Arc<ConnectionLimiter>,
    id: u64,
    pub ended: CancellationToken,
}

impl Drop for OverLimitConnection {
    fn drop(&mut self) {
        self.limiter.table().over_limit.retain(|(id, _)| *id != self.id);
    }
}

/// The address that counts as one client: an IPv4 address, or the smallest network that an IPv6 subscriber gets.
fn client_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(connections: usize, connections_per_address: usize) -> Arc<ConnectionLimiter> {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        ConnectionLimiter::new(
            Limits { connections, connections_per_address, trusted_proxies, ..Limits::default() },
            None,
        )
    }

    fn come(limiter: &Arc<ConnectionLimiter>, from: &str) -> Admitted {
        limiter.admit(Some(from.parse().unwrap()), &Arc::new(Activity::new()))
    }

    fn exceeded_limit(admitted: &Admitted) -> Option<ExceededLimit> {
        match admitted {
            Admitted::WithinLimit(_) => None,
            Admitted::OverLimit(_, beyond) => Some(*beyond),
        }
    }

    #[tokio::test]
    async fn one_address_has_a_share_and_proxies_have_all() {
        let limiter = limiter(8, 2);
        let kept = [come(&limiter, "192.0.2.1"), come(&limiter, "::ffff:192.0.2.1")];
        assert!(kept.iter().all(|admitted| exceeded_limit(admitted).is_none()));
        assert_eq!(exceeded_limit(&come(&limiter, "192.0.2.1")), Some(ExceededLimit::Address));
        let network = [come(&limiter, "2001:db8::1"), come(&limiter, "2001:db8::2")];
        assert_eq!(
            exceeded_limit(&come(&limiter, "2001:db8::ffff:3")),
            Some(ExceededLimit::Address),
            "one /64 is one client"
        );
        let proxies: Vec<_> = (0..4).map(|_| come(&limiter, "10.0.0.1")).collect();
        assert!(proxies.iter().all(|admitted| exceeded_limit(admitted).is_none()));
        assert_eq!(exceeded_limit(&come(&limiter, "10.0.0.1")), Some(ExceededLimit::Total));
        drop((kept, network, proxies));
        assert_eq!((limiter.open(), limiter.table().by_address.len()), (0, 0));
    }

    #[tokio::test]
    async fn the_oldest_visit_and_the_longest_idle_end_first() {
        let limiter = limiter(2, 2);
        let idle = Arc::new(Activity::new());
        let _first = limiter.admit(Some("192.0.2.1".parse().unwrap()), &idle);
        let _second = come(&limiter, "192.0.2.2");
        let over_limit: Vec<_> = (0..=OVER_LIMIT_MOST).map(|_| come(&limiter, "192.0.2.3")).collect();
        let ended = |admitted: &Admitted| match admitted {
            Admitted::WithinLimit(_) => panic!("it is beyond the limit"),
            Admitted::OverLimit(over_limit, _) => over_limit.ended.is_cancelled(),
        };
        assert!(ended(&over_limit[0]) && !over_limit[1..].iter().any(ended));
        ConnectionLimiter::evict(&mut limiter.table(), 1, Instant::now() + FRESH);
        idle.evicted.notified().await;
    }

    #[test]
    fn the_limits_fit_the_open_files() {
        let limits = &ConnectionLimiter::new(Limits::default(), Some(512)).limits;
        assert_eq!((limits.connections, limits.connections_per_address), (384, 192));
    }
}
