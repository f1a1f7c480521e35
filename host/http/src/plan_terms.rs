//! The request bodies that set terms of a plan. Each term may be left out; the operation says what that means.

use std::collections::BTreeMap;

use resly_core::{meter::Meter, plan::Overrides};

use crate::{openapi_enums, present::present};

/// Defines a body with the terms beside members of its own. Serde's `flatten` would take unknown members in silence.
macro_rules! body_with_terms {
    ($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $member:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$of])* pub $member: $kind,)*
            /// By meter, for a calendar month; `null` is unlimited. A limit on a model's tokens refuses the next question once
            /// it is reached; an answer that is running then is finished, and may go past it.
            #[serde(default)]
            #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
            limits: BTreeMap<Meter, Option<u64>>,
            /// By meter, within a minute; `null` is unlimited.
            #[serde(default)]
            #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
            per_minute: BTreeMap<Meter, Option<u64>>,
            /// For how many days the log of connector calls is kept: 1 to 3,650.
            log_days: Option<u32>,
            /// How many bytes a day the log takes in each environment before it is sampled: 1 MiB to 1 TiB.
            log_bytes_per_day: Option<u64>,
            /// After how many days a conversation that nobody continued is deleted: 1 to 3,650; `null` keeps it for ever.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<u32>)]
            conversation_days: Option<Option<u32>>,
        }

        impl $name {
            /// The terms in it, which are taken out of it.
            pub fn take_terms(&mut self) -> Overrides {
                Overrides {
                    limits: std::mem::take(&mut self.limits),
                    per_minute: std::mem::take(&mut self.per_minute),
                    log_days: self.log_days.take(),
                    log_bytes_per_day: self.log_bytes_per_day.take(),
                    conversation_days: self.conversation_days.take(),
                }
            }
        }
    };
}

body_with_terms! {
    /// Terms of an organization's own.
    OwnTerms {}
}

body_with_terms! {
    NewPlanRequest {
        /// 1 to 40 lower-case letters, digits and `-`.
        id: String,
        /// For people; the id when absent.
        title: Option<String>,
        /// All, those of later releases too, when absent.
        #[schema(value_type = Option<Vec<openapi_enums::Feature>>)]
        features: Option<Vec<String>>,
    }
}

body_with_terms! {
    PlanUpdate {
        title: Option<String>,
        /// All of its features, in the place of those that it has; `null` is all that there are.
        #[serde(default, deserialize_with = "present")]
        #[schema(value_type = Option<Vec<openapi_enums::Feature>>)]
        features: Option<Option<Vec<String>>>,
        /// `true` keeps further organizations from it; those that have it keep it.
        retired: Option<bool>,
    }
}
