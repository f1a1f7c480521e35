//! Organizations: create one, or find the one that a person names. The command line and the demo use this. They have a
//! store, but not always a running host.

use std::fmt;

use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    meter::Limits,
    plan::{PlanId, Subscription},
    principal::Scope,
    time::{Clock, Random},
};
use resly_store::{NewOrganization, Organization, Store};

use crate::{
    App, FieldError,
    key::NewSecret,
    keyring::Keyring,
    keys::{self, KeyError, KeyIssuer},
    plan::PlanError,
    subscriptions::SubscriptionPatch,
};

/// Characters of a name.
const NAME: usize = 100;
/// How many organizations a person is told of who named none of them.
const NAMES_TOLD: u16 = 20;

/// An organization's name: 1 to 100 characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationName(String);

/// A text that can't be an organization's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of 1 to 100 characters on one line is expected")]
pub struct BadName;

impl OrganizationName {
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let name = text.trim();
        let fits = !name.is_empty() && name.chars().count() <= NAME && !name.contains(char::is_control);
        if fits { Ok(Self(name.to_owned())) } else { Err(BadName) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrganizationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an organization can't be created or found.
#[derive(Debug, thiserror::Error)]
pub enum OrganizationError {
    #[error("there is an organization `{0}` already")]
    NameTaken(OrganizationName),
    #[error("there is no organization `{name}`; {}", others(.names))]
    Missing { name: String, names: Vec<String> },
    /// Names needn't be unique.
    #[error("there are {} organizations `{name}`: say which by its id, {}", .ids.len(), joined(.ids))]
    Ambiguous { name: String, ids: Vec<OrganizationId> },
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What there is in the place of an organization that isn't there.
fn others(names: &[String]) -> String {
    if names.is_empty() {
        return "there is none yet, and `resly init --organization NAME` makes one".to_owned();
    }
    let more = if names.len() < NAMES_TOLD.into() { "" } else { ", and perhaps others" };
    format!("there are `{}`{more}", names.join("`, `"))
}

fn joined(ids: &[OrganizationId]) -> String {
    ids.iter().map(OrganizationId::to_string).collect::<Vec<_>>().join(" or ")
}

/// Makes an organization with the standard plan.
#[boxed]
pub async fn create(
    store: &Store,
    clock: &dyn Clock,
    random: &dyn Random,
    name: OrganizationName,
) -> Result<OrganizationId, OrganizationError> {
    create_with(store, clock, random, name, SubscriptionPatch::default()).await
}

async fn create_with(
    store: &Store,
    clock: &dyn Clock,
    random: &dyn Random,
    name: OrganizationName,
    subscription: SubscriptionPatch,
) -> Result<OrganizationId, OrganizationError> {
    let (plan, state) = subscription.read()?;
    if store.organization_named(name.as_str()).await?.is_some() {
        return Err(OrganizationError::NameTaken(name));
    }
    let now = clock.now();
    let id = OrganizationId(random.uuid(now));
    let new = NewOrganization { id, name: name.0, limits: Limits::new(), now };
    let subscription = Subscription::default().changed(state, now);
    let created = store.subscribe_organization(new, plan.unwrap_or_else(PlanId::standard), subscription).await;
    created.map_err(PlanError::from)?;
    Ok(id)
}

/// A customer's organization that an operator makes.
#[derive(Clone, Debug, Default)]
pub struct Tenant {
    pub name: String,
    pub subscription: SubscriptionPatch,
}

/// What the first key of a customer's organization may do: everything but what an operator decides.
const TENANT_SCOPES: [Scope; 4] = [Scope::Chat, Scope::Search, Scope::Admin, Scope::DataWrite];

/// Makes a customer's organization with its first key, which can make all others.
#[boxed]
pub async fn create_tenant(
    store: &Store,
    keyring: &Keyring,
    random: &dyn Random,
    clock: &dyn Clock,
    tenant: Tenant,
) -> Result<(Organization, NewSecret), OrganizationError> {
    let Tenant { name, subscription } = tenant;
    let id = create_with(store, clock, random, read_name(&name)?, subscription).await?;
    let key = create_admin_key(keyring, id, "first".to_owned()).await?;
    Ok((get(store, id).await?, key))
}

/// Makes a key with which a customer administers the organization, for instance when all were lost.
#[boxed]
pub async fn create_tenant_key(
    store: &Store,
    keyring: &Keyring,
    id: OrganizationId,
    name: String,
) -> Result<NewSecret, OrganizationError> {
    get(store, id).await?;
    Ok(create_admin_key(keyring, id, name).await?)
}

async fn create_admin_key(keyring: &Keyring, id: OrganizationId, name: String) -> Result<NewSecret, KeyError> {
    let new = keys::NewKey { name, scopes: TENANT_SCOPES.to_vec(), ..keys::NewKey::default() };
    keys::create(keyring, KeyIssuer::Host(id), new).await
}

/// One organization.
#[boxed]
pub async fn get(store: &Store, id: OrganizationId) -> Result<Organization, OrganizationError> {
    store.organization(id).await?.ok_or_else(|| missing(id))
}

/// Renames an organization. The other ones keep their names to themselves.
#[boxed]
pub async fn rename(store: &Store, id: OrganizationId, name: &str) -> Result<Organization, OrganizationError> {
    let name = read_name(name)?;
    match store.organization_named(name.as_str()).await? {
        Some(other) if other != id => return Err(OrganizationError::NameTaken(name)),
        _ => {}
    }
    if !store.rename_organization(id, name.0).await? {
        return Err(missing(id));
    }
    get(store, id).await
}

fn missing(id: OrganizationId) -> OrganizationError {
    OrganizationError::Missing { name: id.to_string(), names: Vec::new() }
}

fn read_name(name: &str) -> Result<OrganizationName, OrganizationError> {
    OrganizationName::parse(name)
        .map_err(|error| OrganizationError::Invalid(vec![FieldError::new("name", error.to_string())]))
}

/// Finds the organization with this name, or creates it.
#[boxed]
pub async fn find_or_create(app: &App, name: OrganizationName) -> Result<OrganizationId, OrganizationError> {
    match app.store.organization_named(name.as_str()).await? {
        Some(organization) => Ok(organization),
        None => create(&app.store, &*app.clock, &*app.random, name).await,
    }
}

/// Finds the organization with this name or id. Returns its id and name.
#[boxed]
pub async fn choose(store: &Store, name_or_id: &str) -> Result<(OrganizationId, String), OrganizationError> {
    let mut found = store.organizations_called(name_or_id).await?;
    match (found.pop(), found.is_empty()) {
        (None, _) => {
            let names = store.first_organization_names(NAMES_TOLD).await?;
            Err(OrganizationError::Missing { name: name_or_id.to_owned(), names })
        }
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let ids = found.into_iter().chain([last]).map(|(id, _)| id).collect();
            Err(OrganizationError::Ambiguous { name: name_or_id.to_owned(), ids })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_on_one_line() {
        assert_eq!(OrganizationName::parse(" Acme ").unwrap().as_str(), "Acme");
        for wrong in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert_eq!(OrganizationName::parse(wrong), Err(BadName), "{wrong:?}");
        }
    }

    #[test]
    fn a_name_that_none_has_tells_those_that_there_are() {
        let missing = |names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            OrganizationError::Missing { name: "acme".to_owned(), names }.to_string()
        };
        assert_eq!(missing(&["Acme", "demo"]), "there is no organization `acme`; there are `Acme`, `demo`");
        assert!(missing(&[]).contains("resly init --organization NAME"));
        assert!(missing(&["x"; 20]).ends_with("`, and perhaps others"));
    }

    #[test]
    fn a_name_that_several_have_tells_their_ids() {
        let ids = vec![OrganizationId(uuid::Uuid::nil()), OrganizationId(uuid::Uuid::max())];
        let error = OrganizationError::Ambiguous { name: "Acme".to_owned(), ids };
        let told = error.to_string();
        assert!(told.starts_with("there are 2 organizations `Acme`: say which by its id, 00000000-"), "{told}");
        assert!(told.contains(" or ffffffff-"), "{told}");
    }
}
