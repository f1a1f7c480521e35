//! The JSON of what an organization may use, as admins and operators see it.

use std::collections::BTreeMap;

use resly_core::{
    meter::{Limits, Meter},
    plan::{self, Feature, SubscriptionStatus},
    time::Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi_enums;

/// Every meter, those without a limit too.
fn all_meters(limits: &Limits) -> BTreeMap<Meter, Option<u64>> {
    Meter::ALL.into_iter().map(|meter| (meter, limits.get(&meter).copied())).collect()
}

/// A subscription.
#[derive(Serialize, ToSchema)]
pub struct Subscription {
    /// The state now: a trial or a grace that is over makes it `expired`.
    #[schema(value_type = openapi_enums::SubscriptionStatus)]
    status: SubscriptionStatus,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    trial_ends_at: Option<Timestamp>,
    /// When what was paid for ends. It is `past_due` from then on.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    current_period_ends_at: Option<Timestamp>,
    /// Until when it is served although a payment is due.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    past_due_until: Option<Timestamp>,
    /// From then on chats and searches are refused, if nothing changes.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
}

impl Subscription {
    pub fn at(subscription: plan::Subscription, now: Timestamp) -> Self {
        let plan::Subscription { trial_ends_at, current_period_ends_at, past_due_until, .. } = subscription;
        Self {
            status: subscription.status_at(now),
            trial_ends_at,
            current_period_ends_at,
            past_due_until,
            ends_at: subscription.ends_at(),
        }
    }
}

/// The terms of a plan, or those that hold for an organization.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanTerms)]
pub struct Terms {
    /// By meter, for a calendar month; `null` is unlimited.
    #[schema(value_type = BTreeMap<openapi_enums::Meter, Option<u64>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// By meter, within a minute; `null` is unlimited.
    #[schema(value_type = BTreeMap<openapi_enums::Meter, Option<u64>>)]
    per_minute: BTreeMap<Meter, Option<u64>>,
    #[schema(value_type = Vec<openapi_enums::Feature>)]
    features: Vec<Feature>,
    /// For how many days the log of connector calls is kept.
    log_days: u32,
    /// How many bytes a day the log takes in each environment before it is sampled.
    log_bytes_per_day: u64,
    /// After how many days a conversation that nobody continued is deleted; `null` keeps it for ever.
    #[schema(required)]
    conversation_days: Option<u32>,
}

impl From<plan::Terms> for Terms {
    fn from(terms: plan::Terms) -> Self {
        let plan::Terms { limits, per_minute, features, log_days, log_bytes_per_day, conversation_days } = terms;
        Self {
            limits: all_meters(&limits),
            per_minute: all_meters(&per_minute),
            features: features.list(),
            log_days,
            log_bytes_per_day,
            conversation_days,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Plan {
    /// The plan's id.
    name: String,
    #[serde(flatten)]
    terms: Terms,
    /// From then on chats and searches are refused.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    subscription_ends_at: Option<Timestamp>,
    subscription: Subscription,
}

impl Plan {
    pub fn at(plan: resly_store::Plan, now: Timestamp) -> Self {
        let resly_store::Plan { id, terms, subscription, .. } = plan;
        Self {
            name: id.to_string(),
            terms: terms.into(),
            subscription_ends_at: subscription.ends_at(),
            subscription: Subscription::at(subscription, now),
        }
    }
}
