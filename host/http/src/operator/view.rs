//! The JSON of organizations and plans, as operators see them.

use std::collections::BTreeMap;

use resly_core::{
    id::OrganizationId,
    meter::Meter,
    plan::{self, PlanId},
    time::Timestamp,
};
use resly_store::PlanDefinition;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    openapi_enums,
    plan_view::{Subscription, Terms},
};

/// What an operator set for one organization, in the place of its plan's terms. What isn't there is the plan's.
#[derive(Serialize, ToSchema)]
pub struct Overrides {
    #[schema(value_type = BTreeMap<openapi_enums::Meter, Option<u64>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    #[schema(value_type = BTreeMap<openapi_enums::Meter, Option<u64>>)]
    per_minute: BTreeMap<Meter, Option<u64>>,
    #[schema(required)]
    log_days: Option<u32>,
    #[schema(required)]
    log_bytes_per_day: Option<u64>,
    /// `null` keeps conversations for ever; absent where it is the plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    conversation_days: Option<Option<u32>>,
}

impl From<plan::Overrides> for Overrides {
    fn from(overrides: plan::Overrides) -> Self {
        let plan::Overrides { limits, per_minute, log_days, log_bytes_per_day, conversation_days } = overrides;
        Self { limits, per_minute, log_days, log_bytes_per_day, conversation_days }
    }
}

/// An organization of this host.
#[derive(Serialize, ToSchema)]
pub struct Organization {
    #[schema(value_type = String, format = "uuid")]
    id: OrganizationId,
    name: String,
    /// The plan's id.
    #[schema(value_type = String)]
    plan: PlanId,
    subscription: Subscription,
    overrides: Overrides,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl Organization {
    pub fn at(organization: resly_store::Organization, now: Timestamp) -> Self {
        let resly_store::Organization { id, name, plan, created_at } = organization;
        let subscription = Subscription::at(plan.subscription, now);
        Self { id, name, plan: plan.id, subscription, overrides: plan.overrides.into(), created_at }
    }
}

/// A plan that organizations can have.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanDefinition)]
pub struct Plan {
    #[schema(value_type = String)]
    id: PlanId,
    /// For people.
    title: String,
    #[serde(flatten)]
    terms: Terms,
    /// From then on no further organization gets it.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    retired_at: Option<Timestamp>,
    /// How many organizations have it.
    organizations: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<PlanDefinition> for Plan {
    fn from(plan: PlanDefinition) -> Self {
        let PlanDefinition { id, title, terms, retired_at, created_at, updated_at, organizations } = plan;
        Self { id, title, terms: terms.into(), retired_at, organizations, created_at, updated_at }
    }
}
