//! What all calls share: the HTTP clients, the circuit breakers, and the operator's settings.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use resly_core::{id::ConnectionId, time::Random};

use crate::{
    config::{EgressConfig, EgressError},
    policy::{
        guard::{self, Guard},
        resolve::Resolve,
        target::Target,
    },
    wire::{
        breaker::Breaker,
        client::{Clients, TransportError},
    },
};

/// How long a breaker is kept after the last request of its connection.
const BREAKER_IDLE: Duration = Duration::from_secs(600);
const BREAKERS: u64 = 10_000;

/// The owner of a breaker: a connection, or one of its visitors where each has an account.
pub(crate) type BreakerKey = (ConnectionId, Option<String>);

/// The way out for all requests. There is one in a process.
pub struct Egress {
    pub(crate) clients: Clients,
    pub(crate) config: EgressConfig,
    pub(crate) random: Arc<dyn Random>,
    breakers: Cache<BreakerKey, Arc<Mutex<Breaker>>>,
}

impl Egress {
    pub fn new(
        config: EgressConfig,
        resolver: Arc<dyn Resolve>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, EgressError> {
        Self::with_guard(guard::check, config, resolver, random)
    }

    /// [`Self::new`] with another address guard, for tests.
    pub(crate) fn with_guard(
        guard: Guard,
        config: EgressConfig,
        resolver: Arc<dyn Resolve>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, EgressError> {
        let clients = Clients::new(&config, resolver, guard)?;
        let breakers = Cache::builder().max_capacity(BREAKERS).time_to_idle(BREAKER_IDLE).build();
        Ok(Arc::new(Self { clients, config, random, breakers }))
    }

    /// How long this host will still refuse the connection's requests at once; `None` when its breaker is closed.
    pub fn open_for(&self, connection: ConnectionId) -> Option<Duration> {
        let breaker = self.breakers.get(&(connection, None))?;
        lock(&breaker).open_for(tokio::time::Instant::now())
    }

    /// Why a URL is refused because it is plain http; `None` when it isn't refused for that. Only hosts that the
    /// operator lists may use plain http.
    pub fn refuses_plain_http(&self, url: &str) -> Option<String> {
        let target = Target::parse(url).ok().filter(|target| !target.is_https())?;
        match self.clients.transport(&target) {
            Err(error @ TransportError::PlainHttp) => Some(error.to_string()),
            _ => None,
        }
    }

    pub(crate) fn breaker(&self, key: &BreakerKey) -> Arc<Mutex<Breaker>> {
        self.breakers.get_with_by_ref(key, Arc::default)
    }
}

/// Ignores poisoning: a panic while a lock is held leaves data that is still valid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
