//! `resly organization`, `resly plan` and `resly subscription`: an operator's work without the API. They work with and
//! without a running host, and print what the API answers.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context, bail};
use resly_core::{
    id::OrganizationId,
    meter::Meter,
    plan::{Overrides, PlanId, SubscriptionStatus},
    time::{Clock, SystemClock, Timestamp},
};
use resly_http::answers::{Organization, Plan, PlanDefinition};
use resly_service::{
    FieldError,
    organizations::{self, OrganizationError, Tenant},
    plan::{self, PlanError},
    plans::{self, PlanChange, PlanSpec, PlansError},
    random::OsRandom,
    subscriptions::{self, SubscriptionPatch},
};
use resly_store::{OrganizationQuery, Store};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{OperatorSubcommand, SubscriptionOptions, TermsOptions},
    config::Config,
    new_key, secrets,
};

/// Organizations that are read at a time.
const PAGE: u32 = 200;

/// Does it, and returns what is to be printed: lines of JSON.
pub async fn run(config: &Config, verb: OperatorSubcommand) -> anyhow::Result<String> {
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let done = execute(config, &store, verb).await;
    store.close().await;
    done
}

async fn execute(config: &Config, store: &Store, verb: OperatorSubcommand) -> anyhow::Result<String> {
    let clock = &SystemClock;
    match verb {
        OperatorSubcommand::CreateOrganization { name, subscription } => {
            let tenant = Tenant { name, subscription: read_subscription(subscription)? };
            let keyring = new_key::keyring(config, store, Arc::new(OsRandom)).await?;
            let (made, key) = organizations::create_tenant(store, &keyring, &OsRandom, clock, tenant)
                .await
                .map_err(organization_error)?;
            let made = Organization::at(made, clock.now());
            line(&json!({"organization": made, "admin_key": key.expose()}))
        }
        OperatorSubcommand::ListOrganizations { plan } => list(store, plan).await,
        OperatorSubcommand::ShowOrganization { organization } => show(store, find(store, &organization).await?).await,
        OperatorSubcommand::RenameOrganization { organization, name } => {
            let id = find(store, &organization).await?;
            organizations::rename(store, id, &name).await.map_err(organization_error)?;
            show(store, id).await
        }
        OperatorSubcommand::CreatePlan { id, title, terms, features } => {
            let spec = PlanSpec { id, title, terms: read_terms(terms)?, features };
            line(&PlanDefinition::from(plans::create(store, clock, spec).await.map_err(plans_error)?))
        }
        OperatorSubcommand::ListPlans => {
            let plans = store.plans().await?;
            plans.into_iter().map(|plan| line(&PlanDefinition::from(plan))).collect()
        }
        OperatorSubcommand::ChangePlan { id, title, terms, features, retired } => {
            let features = features.map(|names| (names != ["all"]).then_some(names));
            let change = PlanChange { title, terms: read_terms(terms)?, features, retired };
            let id = PlanId::parse(&id)?;
            line(&PlanDefinition::from(plans::change(store, clock, id, change).await.map_err(plans_error)?))
        }
        OperatorSubcommand::SetSubscription { organization, subscription } => {
            let id = find(store, &organization).await?;
            let patch = read_subscription(subscription)?;
            let plan = subscriptions::change(store, clock, id, patch).await.map_err(plan_error)?;
            line(&Plan::at(plan, clock.now()))
        }
        OperatorSubcommand::Override { organization, terms } => {
            let id = find(store, &organization).await?;
            let plan = plan::replace(store, clock, id, read_terms(terms)?).await.map_err(plan_error)?;
            line(&Plan::at(plan, clock.now()))
        }
    }
}

async fn find(store: &Store, name_or_id: &str) -> anyhow::Result<OrganizationId> {
    Ok(organizations::choose(store, name_or_id).await?.0)
}

async fn show(store: &Store, id: OrganizationId) -> anyhow::Result<String> {
    line(&Organization::at(organizations::get(store, id).await?, SystemClock.now()))
}

async fn list(store: &Store, plan: Option<String>) -> anyhow::Result<String> {
    let plan = plan.map(|id| PlanId::parse(&id)).transpose().context("--plan")?;
    let (mut lines, mut before) = (String::new(), None);
    loop {
        let query = OrganizationQuery { plan: plan.clone(), before, limit: PAGE };
        let found = store.organizations(query).await?;
        let full = found.len() as u64 >= u64::from(PAGE);
        before = found.last().map(|last| resly_store::Cursor { at: last.created_at, id: last.id.0 });
        for organization in found {
            lines.push_str(&line(&Organization::at(organization, SystemClock.now()))?);
        }
        if !full {
            return Ok(lines);
        }
    }
}

fn line(answer: &impl Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string(answer)?))
}

fn read_terms(options: TermsOptions) -> anyhow::Result<Overrides> {
    let TermsOptions { limits, per_minute, log_days, log_bytes_per_day } = options;
    Ok(Overrides {
        limits: read_limits(&limits).context("--limit")?,
        per_minute: read_limits(&per_minute).context("--per-minute")?,
        log_days,
        log_bytes_per_day,
        conversation_days: None,
    })
}

fn read_limits(texts: &[String]) -> anyhow::Result<BTreeMap<Meter, Option<u64>>> {
    texts.iter().map(|text| read_limit(text)).collect()
}

fn read_limit(text: &str) -> anyhow::Result<(Meter, Option<u64>)> {
    let meters = Meter::ALL.map(Meter::name).join(", ");
    let Some((meter, limit)) = text.split_once('=') else {
        bail!("`{text}`: a meter and a number such as messages=5000 are expected");
    };
    let Some(meter) = Meter::ALL.into_iter().find(|known| known.name() == meter) else {
        bail!("`{meter}` is no meter: one of {meters} is expected");
    };
    let limit = match limit {
        "none" => None,
        number => Some(number.parse().with_context(|| format!("`{number}` is neither a number nor `none`"))?),
    };
    Ok((meter, limit))
}

fn read_subscription(options: SubscriptionOptions) -> anyhow::Result<SubscriptionPatch> {
    let SubscriptionOptions { plan, status, trial_ends_at, period_ends_at, past_due_until } = options;
    let time =
        |option: &'static str, text: Option<String>| text.map(|text| read_time(&text).context(option)).transpose();
    Ok(SubscriptionPatch {
        plan,
        status: status.as_deref().and_then(SubscriptionStatus::named),
        trial_ends_at: time("--trial-ends-at", trial_ends_at)?,
        current_period_ends_at: time("--period-ends-at", period_ends_at)?,
        past_due_until: time("--past-due-until", past_due_until)?,
    })
}

fn read_time(text: &str) -> anyhow::Result<Option<Timestamp>> {
    match text {
        "never" => Ok(None),
        time => {
            let parsed = time.parse().with_context(|| format!("`{time}` is neither a time (RFC 3339) nor `never`"));
            parsed.map(Some)
        }
    }
}

/// Names every mistake.
fn mistakes(mistakes: &[FieldError]) -> anyhow::Error {
    let lines = mistakes.iter().map(|mistake| format!("{}: {}", mistake.path, mistake.message));
    anyhow::anyhow!(lines.collect::<Vec<_>>().join("\n"))
}

fn plan_error(error: PlanError) -> anyhow::Error {
    match error {
        PlanError::Invalid(found) => mistakes(&found),
        other => other.into(),
    }
}

fn plans_error(error: PlansError) -> anyhow::Error {
    match error {
        PlansError::Invalid(found) => mistakes(&found),
        other => other.into(),
    }
}

fn organization_error(error: OrganizationError) -> anyhow::Error {
    match error {
        OrganizationError::Invalid(found) => mistakes(&found),
        OrganizationError::Plan(error) => plan_error(error),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_times_are_texts() {
        assert_eq!(read_limit("messages=5000").unwrap(), (Meter::Messages, Some(5000)));
        assert_eq!(read_limit("fuel=none").unwrap(), (Meter::Fuel, None));
        for wrong in ["messages", "letters=5", "messages=many", "messages=-1"] {
            assert!(read_limit(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read_time("never").unwrap(), None);
        assert_eq!(read_time("2026-12-31T00:00:00Z").unwrap(), "2026-12-31T00:00:00Z".parse().ok());
        assert!(read_time("soon").is_err());
    }
}
