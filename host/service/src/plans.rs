//! Plans: an operator creates, changes and retires them. The API and the command line call the same functions; the latter
//! has a store, but not always a running host.

use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    plan::{Feature, Features, Overrides, PlanId, Terms},
    time::Clock,
};
use resly_store::{NewPlan, PlanDefinition, PlanDefinitionError, PlanUpdate, Store};

use crate::{FieldError, plan};

/// Characters of a title.
const TITLE: usize = 100;

/// Why something can't be done with a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Refused(#[from] PlanDefinitionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A plan to create.
#[derive(Clone, Debug, Default)]
pub struct PlanSpec {
    pub id: String,
    /// The id when absent.
    pub title: Option<String>,
    /// What isn't named has the defaults: unlimited, 30 days and 64 MiB a day of logs.
    pub terms: Overrides,
    /// All when absent.
    pub features: Option<Vec<String>>,
}

/// A change of a plan. What is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct PlanChange {
    pub title: Option<String>,
    pub terms: Overrides,
    /// `Some(None)` is all.
    pub features: Option<Option<Vec<String>>>,
    /// Whether it is kept from further organizations.
    pub retired: Option<bool>,
}

/// The organization's plan doesn't have a feature.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the organization's plan doesn't have `{}`; {}", feature.name(), alternatives(plans))]
pub struct LacksFeature {
    pub feature: Feature,
    /// The plans that have it: ids and titles.
    pub plans: Vec<(PlanId, String)>,
}

/// Why an organization can't use a feature.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    #[error(transparent)]
    Lacks(#[from] LacksFeature),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn alternatives(plans: &[(PlanId, String)]) -> String {
    if plans.is_empty() {
        return "no plan has it: ask the operator of this host".to_owned();
    }
    let names: Vec<String> = plans.iter().map(|(id, title)| format!("{title} (`{id}`)")).collect();
    format!("these plans have it: {}", names.join(", "))
}

#[boxed]
pub async fn create(store: &Store, clock: &dyn Clock, spec: PlanSpec) -> Result<PlanDefinition, PlansError> {
    let PlanSpec { id, title, terms, features } = spec;
    let mut mistakes = plan::check(&terms);
    let parsed = PlanId::parse(&id).map_err(|error| mistakes.push(FieldError::new("id", error.to_string()))).ok();
    let title = title.unwrap_or(id);
    check_title(&title, &mut mistakes);
    let features = features.map(|names| read_features(&names, &mut mistakes));
    let (Some(id), true) = (parsed, mistakes.is_empty()) else { return Err(PlansError::Invalid(mistakes)) };
    let terms = Terms { features: features.unwrap_or_default(), ..terms.over(&Terms::default()) };
    store.create_plan(NewPlan { id: id.clone(), title, terms, now: clock.now() }).await?;
    get(store, id).await
}

#[boxed]
pub async fn get(store: &Store, id: PlanId) -> Result<PlanDefinition, PlansError> {
    let found = store.plan_definition(id.clone()).await?;
    Ok(found.ok_or(PlanDefinitionError::Missing(id))?)
}

/// Changes a plan, for its organizations too: their limits hold from their next request on, and features within a second.
#[boxed]
pub async fn change(
    store: &Store,
    clock: &dyn Clock,
    id: PlanId,
    change: PlanChange,
) -> Result<PlanDefinition, PlansError> {
    let PlanChange { title, terms, features, retired } = change;
    let mut mistakes = plan::check(&terms);
    if let Some(title) = &title {
        check_title(title, &mut mistakes);
    }
    let features = features.map(|names| names.map_or(Features::ALL, |names| read_features(&names, &mut mistakes)));
    if !mistakes.is_empty() {
        return Err(PlansError::Invalid(mistakes));
    }
    Ok(store.update_plan(id, PlanUpdate { title, terms, features, retired }, clock.now()).await?)
}

/// The refusal of what needs a feature, with the plans that have it.
#[boxed]
pub async fn lacks(store: &Store, feature: Feature) -> Result<LacksFeature, StoreError> {
    let plans = store.plans_with(feature).await?;
    Ok(LacksFeature { feature, plans: plans.into_iter().map(|plan| (plan.id, plan.title)).collect() })
}

/// Requires that the organization's plan has a feature.
#[boxed]
pub async fn require(store: &Store, organization: OrganizationId, feature: Feature) -> Result<(), FeatureError> {
    if store.plan(organization).await?.terms.features.has(feature) {
        return Ok(());
    }
    Err(lacks(store, feature).await?.into())
}

fn check_title(title: &str, mistakes: &mut Vec<FieldError>) {
    let fits = !title.trim().is_empty() && title.chars().count() <= TITLE && !title.contains(char::is_control);
    if !fits {
        mistakes.push(FieldError::new("title", "1 to 100 characters on one line are expected"));
    }
}

fn read_features(names: &[String], mistakes: &mut Vec<FieldError>) -> Features {
    let mut known = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match Feature::named(name) {
            Some(feature) => known.push(feature),
            None => {
                let all = Feature::ALL.map(Feature::name).join(", ");
                mistakes.push(FieldError::new(format!("features[{at}]"), format!("one of {all} is expected")));
            }
        }
    }
    Features::of(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_plans_that_have_the_feature() {
        let of = |plans: &[(&str, &str)]| LacksFeature {
            feature: Feature::Webhooks,
            plans: plans.iter().map(|(id, title)| (PlanId::parse(id).unwrap(), (*title).to_owned())).collect(),
        };
        assert_eq!(
            of(&[("pro", "Pro"), ("scale", "Scale")]).to_string(),
            "the organization's plan doesn't have `webhooks`; these plans have it: Pro (`pro`), Scale (`scale`)"
        );
        assert!(of(&[]).to_string().ends_with("no plan has it: ask the operator of this host"));
    }

    #[test]
    fn features_are_read_by_their_names() {
        let mut mistakes = Vec::new();
        let names = ["chat", "teleport", "rest"].map(str::to_owned);
        assert_eq!(read_features(&names, &mut mistakes), Features::of([Feature::Chat, Feature::Rest]));
        assert_eq!((mistakes.len(), mistakes[0].path.as_str()), (1, "features[1]"));
    }
}
