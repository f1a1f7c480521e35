//! `/api/operator`: the organizations of this host, the plans, and who has which. Only a key with the scope `operator` is
//! let in, whatever organization it belongs to; and the biller, by its signature.

pub mod billing;
pub mod organizations;
pub mod plans;
pub mod subscription;
pub mod view;

use resly_core::id::OrganizationId;

use crate::problem::Problem;

/// A text that is no id looks like an id that doesn't exist.
fn organization_id(id: &str) -> Result<OrganizationId, Problem> {
    id.parse().map_err(|_| Problem::not_found("there is no such organization"))
}
