//! Trials: what an admin does to see what a call would do, or what a mapping would leave. Nothing of it counts toward a
//! limit; the fuel is metered beside the sandbox environment's.

mod definition_check;
mod dry_run;
mod sample;

use async_trait::async_trait;
use resly_manifest::Allowance;

pub use self::{
    dry_run::{DryRunReport, ShownRequest},
    sample::{ActionSample, LARGEST, fit},
};
use super::{
    call::{Connectors, MAPPING_FUEL},
    sandbox::Mapped,
};
use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

/// What trials leave behind.
#[async_trait]
pub trait TrialStore: Send + Sync + 'static {
    /// Keeps an action's last output; it takes the place of the one before.
    async fn keep_sample(&self, sample: ActionSample) -> Result<(), StoreError>;
    async fn sample(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        action: &str,
    ) -> Result<Option<ActionSample>, StoreError>;
    /// Counts fuel in the `sandbox` environment, where nothing is limited.
    async fn count_trial(&self, organization: OrganizationId, fuel: u64, now: Timestamp) -> Result<(), StoreError>;
}

impl Connectors {
    /// Applies a filter to a JSON text, as a connection's mapping would be applied.
    ///
    /// # Errors
    /// When the fuel could not be counted.
    pub async fn preview(&self, organization: OrganizationId, filter: &str, input: &str) -> Result<Mapped, StoreError> {
        let allowance = Allowance { fuel: MAPPING_FUEL, ..Allowance::default() };
        let mapped = self.sandbox.map(organization, filter, input, allowance).await;
        self.store.count_trial(organization, mapped.cost.fuel, self.clock.now()).await?;
        Ok(mapped)
    }
}
