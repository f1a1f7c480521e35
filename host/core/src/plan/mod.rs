//! Plans: what an organization may use. An operator defines them, and subscribes organizations to them.

mod subscription;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Deserializer, Serialize};

pub use self::subscription::{GRACE, Subscription, SubscriptionChange, SubscriptionStatus};
use crate::meter::{Limits, Meter};

/// A part of the product that a plan may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Chats.
    Chat,
    /// Searches.
    Search,
    /// The organization's tables under `/rest/v1`.
    Rest,
    /// Connectors of the organization's own: uploads and definitions.
    CustomConnectors,
    /// The webhook.
    Webhooks,
    /// Crawls of sites and lists.
    Crawls,
    /// Files as sources.
    Documents,
}

impl Feature {
    pub const ALL: [Self; 7] =
        [Self::Chat, Self::Search, Self::Rest, Self::CustomConnectors, Self::Webhooks, Self::Crawls, Self::Documents];

    /// The name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Search => "search",
            Self::Rest => "rest",
            Self::CustomConnectors => "custom_connectors",
            Self::Webhooks => "webhooks",
            Self::Crawls => "crawls",
            Self::Documents => "documents",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }
}

/// The features of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(Option<BTreeSet<Feature>>);

impl Features {
    /// All features, those of later releases too.
    pub const ALL: Self = Self(None);

    pub fn of(features: impl IntoIterator<Item = Feature>) -> Self {
        Self(Some(features.into_iter().collect()))
    }

    /// From the stored names; `None` is all. A name that this release doesn't know is left out: another host may run a
    /// later one.
    pub fn from_names(names: Option<Vec<String>>) -> Self {
        Self(names.map(|names| names.iter().filter_map(|name| Feature::named(name)).collect()))
    }

    /// The names to store; `None` is all.
    pub fn names(&self) -> Option<Vec<&'static str>> {
        self.0.as_ref().map(|features| features.iter().map(|feature| feature.name()).collect())
    }

    pub fn has(&self, feature: Feature) -> bool {
        self.0.as_ref().is_none_or(|features| features.contains(&feature))
    }

    /// Those that this release knows, in order.
    pub fn list(&self) -> Vec<Feature> {
        Feature::ALL.into_iter().filter(|feature| self.has(*feature)).collect()
    }
}

/// The id of a plan: 1 to 40 lower-case letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PlanId(String);

/// A text that can't be a plan's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to 40 lower-case letters, digits and `-` are expected, such as `pro-2026`")]
pub struct BadPlanId;

impl PlanId {
    /// The plan that is there from the start: without limits, with all features.
    pub fn standard() -> Self {
        Self("standard".to_owned())
    }

    pub fn parse(text: &str) -> Result<Self, BadPlanId> {
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(known);
        if fits { Ok(Self(text.to_owned())) } else { Err(BadPlanId) }
    }

    /// An id from the database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a plan allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Hard limits for a calendar month.
    pub limits: Limits,
    /// Hard limits for a minute.
    pub per_minute: Limits,
    pub features: Features,
    /// The days that the log of connector calls is kept.
    pub log_days: u32,
    /// Bytes of the log, for each day and environment, before it is sampled.
    pub log_bytes_per_day: u64,
    /// The days after which a conversation that nobody continued is deleted. `None` keeps it for ever.
    pub conversation_days: Option<u32>,
}

impl Default for Terms {
    /// Unlimited, with all features.
    fn default() -> Self {
        Self {
            limits: Limits::new(),
            per_minute: Limits::new(),
            features: Features::ALL,
            log_days: 30,
            log_bytes_per_day: 64 << 20,
            conversation_days: None,
        }
    }
}

/// What an operator set for one organization. It goes before the plan's terms, and stays when those change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// `None` is unlimited.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Meter, Option<u64>>,
    /// `None` is unlimited.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub per_minute: BTreeMap<Meter, Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes_per_day: Option<u64>,
    /// `Some(None)` keeps conversations for ever.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub conversation_days: Option<Option<u32>>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Overrides {
    /// Adds those of `newer`, which go before.
    pub fn merge(&mut self, newer: Self) {
        self.limits.extend(newer.limits);
        self.per_minute.extend(newer.per_minute);
        self.log_days = newer.log_days.or(self.log_days);
        self.log_bytes_per_day = newer.log_bytes_per_day.or(self.log_bytes_per_day);
        self.conversation_days = newer.conversation_days.or(self.conversation_days);
    }

    /// The terms that hold for the organization.
    pub fn over(&self, terms: &Terms) -> Terms {
        let over = |limits: &Limits, overrides: &BTreeMap<Meter, Option<u64>>| {
            let mut limits = limits.clone();
            for (meter, limit) in overrides {
                match limit {
                    Some(limit) => limits.insert(*meter, *limit),
                    None => limits.remove(meter),
                };
            }
            limits
        };
        Terms {
            limits: over(&terms.limits, &self.limits),
            per_minute: over(&terms.per_minute, &self.per_minute),
            features: terms.features.clone(),
            log_days: self.log_days.unwrap_or(terms.log_days),
            log_bytes_per_day: self.log_bytes_per_day.unwrap_or(terms.log_bytes_per_day),
            conversation_days: self.conversation_days.unwrap_or(terms.conversation_days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_go_before_the_plan_s_terms() {
        let limits = Limits::from([(Meter::Messages, 100), (Meter::Fuel, 7)]);
        let terms = Terms { limits, log_days: 60, ..Terms::default() };
        let mut overrides = Overrides::default();
        assert_eq!(overrides.over(&terms), terms);
        overrides.merge(Overrides { limits: [(Meter::Messages, Some(5))].into(), ..Overrides::default() });
        let newer = [(Meter::Fuel, None), (Meter::Embeddings, Some(1))].into();
        overrides.merge(Overrides { limits: newer, log_days: Some(9), ..Overrides::default() });
        let held = overrides.over(&terms);
        assert_eq!(held.limits, Limits::from([(Meter::Messages, 5), (Meter::Embeddings, 1)]));
        assert_eq!((held.log_days, held.log_bytes_per_day), (9, 64 << 20));
    }

    #[test]
    fn overrides_are_stored_without_what_they_leave() {
        let fuel = Overrides { limits: [(Meter::Fuel, None)].into(), ..Overrides::default() };
        let text = serde_json::to_string(&fuel).unwrap();
        assert_eq!(text, r#"{"limits":{"fuel":null}}"#);
        assert_eq!(serde_json::from_str::<Overrides>(&text).unwrap(), fuel);
        assert_eq!(serde_json::to_string(&Overrides::default()).unwrap(), "{}");
    }

    #[test]
    fn a_plan_has_all_features_or_those_that_are_named() {
        assert_eq!(Features::ALL.list(), Feature::ALL);
        let some = Features::of([Feature::Search, Feature::Chat]);
        assert_eq!(some.list(), [Feature::Chat, Feature::Search]);
        assert!(some.has(Feature::Chat) && !some.has(Feature::Rest));
        let stored = some.names().map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(Features::from_names(stored), some);
        let later = Features::from_names(Some(vec!["chat".to_owned(), "time_travel".to_owned()]));
        assert_eq!(later, Features::of([Feature::Chat]), "of a later release");
    }

    #[test]
    fn a_plan_s_id_is_a_slug() {
        assert_eq!(PlanId::parse("pro-2026").unwrap().as_str(), "pro-2026");
        for wrong in ["", "Pro", "pro plan", "p/1", &"x".repeat(41)] {
            assert_eq!(PlanId::parse(wrong), Err(BadPlanId), "{wrong}");
        }
    }
}
