//! The state of the router: the parts of use cases, and those that only HTTP needs.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use resly_core::id::OrganizationId;
use resly_service::App;

use crate::{
    body::{Admission, ParserPools},
    body_memory::BodyMemory,
    edge,
    metrics::{MetricsAccess, Prometheus},
    readiness::Readiness,
    refusal_log::RefusalLog,
};

/// The state of the router. A handler that needs only the parts of use cases extracts `State<Arc<App>>`.
#[derive(Clone)]
pub struct Api {
    pub app: Arc<App>,
    pub prometheus: Arc<Prometheus>,
    pub metrics_access: Arc<MetricsAccess>,
    pub readiness: Arc<Readiness>,
    pub trusted_proxies: Arc<[ipnet::IpNet]>,
    /// Counts open connections.
    pub connection_limiter: Arc<edge::connection_limiter::ConnectionLimiter>,
    /// How long open requests may take once the host was told to stop.
    pub drain: Duration,
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
}
