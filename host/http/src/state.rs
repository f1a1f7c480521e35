//! The state of the router: the parts of use cases, and those that only HTTP needs.

use std::sync::Arc;

use axum::extract::FromRef;
use resly_core::id::OrganizationId;
use resly_service::App;

use crate::{
    body::{Admission, ParserPools},
    body_memory::BodyMemory,
    console::SignInLinks,
    edge,
    metrics::{self, Gauge, Metrics},
    refusal_log::RefusalLog,
};

/// The state of the router. A handler that needs only the parts of use cases extracts `State<Arc<App>>`.
#[derive(Clone)]
pub struct Api {
    pub app: Arc<App>,
    pub sign_ins: Arc<SignInLinks>,
    pub metrics: Arc<Metrics>,
    pub trusted_proxies: Arc<[ipnet::IpNet]>,
    /// Counts open connections.
    pub connection_limiter: Arc<edge::connection_limiter::ConnectionLimiter>,
    pub readers: Arc<ParserPools>,
    pub body_memory: Arc<BodyMemory>,
    pub refusals: Arc<RefusalLog>,
}

impl FromRef<Api> for Arc<App> {
    fn from_ref(api: &Api) -> Self {
        Self::clone(&api.app)
    }
}

impl Api {
    /// The admission of a request of this organization.
    pub fn admission(&self, organization: OrganizationId) -> Admission {
        let share = Arc::new(self.body_memory.share(organization));
        Admission { organization, share, readers: Arc::clone(&self.readers) }
    }

    /// The host's metrics in Prometheus' format.
    pub fn metrics_text(&self) -> String {
        let sandbox = self.app.sandbox.stats();
        let gauge = |name, help, value| Gauge { name, help, value };
        let pool = self.app.store.pool_usage();
        let gauges = [
            gauge("resly_turns_running", "Answers being written.", self.app.turns.live.count() as u64),
            gauge("resly_connections_open", "Open connections.", self.connection_limiter.open() as u64),
            gauge(
                "resly_connections_beyond",
                "Connections beyond the limits, so far.",
                self.connection_limiter.refused(),
            ),
            gauge("resly_sandbox_running", "Connector instances.", u64::from(sandbox.running)),
            gauge("resly_sandbox_mapping", "Mapper instances.", u64::from(sandbox.mapping)),
            gauge("resly_sandbox_queued", "Calls that wait for an instance.", sandbox.queued as u64),
            gauge("resly_sandbox_compiling", "Components being compiled.", sandbox.compiling as u64),
            gauge("resly_sandbox_compile_queue", "Components that wait to be compiled.", sandbox.compile_queue as u64),
            gauge("resly_sandbox_code_bytes", "Compiled code in memory.", sandbox.code_bytes),
            gauge("resly_body_bytes", "Memory taken by request bodies.", self.body_memory.taken() as u64),
            gauge("resly_database_connections_open", "Open connections to the database.", u64::from(pool.open)),
            gauge("resly_database_connections_used", "Connections to the database in use.", u64::from(pool.in_use)),
            gauge("process_resident_memory_bytes", "Resident memory.", metrics::resident_bytes()),
        ];
        self.metrics.text(&self.app.counters, &gauges)
    }
}
