//! Trials: an admin sees what a call would send, or what a mapping would return. Trials count toward no limit; their
//! fuel is recorded in the sandbox environment.

mod dry_run;

use resly_manifest::Allowance;

pub use self::dry_run::{DryRunReport, UnsentRequest};
use super::{
    call::{Connectors, MAPPING_FUEL},
    sandbox::Mapped,
};
use crate::{boxed, error::StoreError, id::OrganizationId};

impl Connectors {
    /// Applies a filter to a JSON text, as a connection's mapping would be applied.
    ///
    /// # Errors
    /// When the fuel can't be counted.
    #[boxed]
    pub async fn preview(&self, organization: OrganizationId, filter: &str, input: &str) -> Result<Mapped, StoreError> {
        let allowance = Allowance { fuel: MAPPING_FUEL, ..Allowance::default() };
        let mapped = self.sandbox.map(organization, filter, input, allowance).await;
        self.store.count_trial(organization, mapped.cost.fuel, self.clock.now()).await?;
        Ok(mapped)
    }
}
