//! What all calls share: the clients, the breakers, and the operator's decisions.

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

/// How long a connection's run of failures is remembered after its last request.
const BREAKER_IDLE: Duration = Duration::from_secs(600);
const BREAKERS: u64 = 10_000;

/// Whose run of failures a breaker counts: a connection's, or one visitor's where visitors have their own accounts.
pub(crate) type BreakerKey = (ConnectionId, Option<String>);

/// The way out of the building. There is one in a process.
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
        Self::behind(guard::check, config, resolver, random)
    }

    /// As [`Self::new`], with what judges addresses as an input.
    pub(crate) fn behind(
        guard: Guard,
        config: EgressConfig,
        resolver: Arc<dyn Resolve>,
        random: Arc<dyn Random>,
    ) -> Result<Arc<Self>, EgressError> {
        let clients = Clients::new(&config, resolver, guard)?;
        let breakers = Cache::builder().max_capacity(BREAKERS).time_to_idle(BREAKER_IDLE).build();
        Ok(Arc::new(Self { clients, config, random, breakers }))
    }

    /// For how long a connection's requests still fail at once on this host, when they do.
    pub fn open_for(&self, connection: ConnectionId) -> Option<Duration> {
        let breaker = self.breakers.get(&(connection, None))?;
        lock(&breaker).open_for(tokio::time::Instant::now())
    }

    /// Why an address would be refused for its plain http, when it would: only hosts that the operator lists speak it.
    pub fn refuses_plain_http(&self, url: &str) -> Option<String> {
        let target = Target::parse(url).ok().filter(|target| !target.is_https())?;
        match self.clients.way(&target) {
            Err(error @ TransportError::PlainHttp) => Some(error.to_string()),
            _ => None,
        }
    }

    pub(crate) fn breaker(&self, key: &BreakerKey) -> Arc<Mutex<Breaker>> {
        self.breakers.get_with_by_ref(key, Arc::default)
    }
}

/// What a mutex guards here is whole after every statement, so a panic elsewhere doesn't spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
