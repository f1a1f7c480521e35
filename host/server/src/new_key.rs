//! `resly init` and `resly key create`: make an organization with its first key, and a key for a person who has the
//! host but no working key. Both work with and without a running host.

use std::sync::Arc;

use anyhow::Context;
use resly_core::{
    id::OrganizationId,
    principal::Scope,
    time::{Random, SystemClock},
};
use resly_service::{
    key::NewSecret,
    keyring::Keyring,
    keys::{self, KeyError, KeyIssuer, NewKey},
    organizations::{self, OrganizationName},
    random::OsRandom,
};
use resly_store::{OpenError, Store};
use serde_json::{Value, json};

use crate::{compose::make_private, config::Config, secrets};

/// The key to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// The organization's name, or its id.
    pub organization: String,
    pub name: String,
    pub scopes: Vec<Scope>,
}

/// Makes an organization with its first key, which can create all others.
pub async fn init(config: &Config, name: &str) -> anyhow::Result<Value> {
    let name = OrganizationName::parse(name).context("--organization")?;
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    make_private(&config.data).with_context(|| format!("the data folder {} can't be made", config.data.display()))?;
    let keys = secrets::master_keys(config, false)?;
    let store = match Store::open_beside(&secrets::store_config(config)).await {
        Err(OpenError::NoDatabase { .. }) => secrets::open_store(config).await?,
        opened => opened?,
    };
    let wrapping = secrets::wrapping(&keys, &store, &random);
    let pepper = secrets::pepper(&wrapping, &keys, &store, &*random).await?;
    let organization = organizations::create(&store, &SystemClock, &*random, name.clone()).await?;
    let keyring = Keyring::new(store.clone(), pepper, Arc::new(SystemClock), random);
    let scopes = [Scope::Chat, Scope::Search, Scope::Admin, Scope::Operator, Scope::DataWrite];
    let key = make(&keyring, organization, "first".to_owned(), scopes.to_vec()).await?;
    store.close().await;
    Ok(json!({"organization": organization, "name": name.as_str(), "admin_key": key.expose()}))
}

/// The hint for a host without an organization.
pub fn init_hint(config: &Config) -> String {
    let data = if config.database_url.is_some() { String::new() } else { format!(" --data {}", config.data.display()) };
    format!(
        "run `resly init --organization NAME{data}` with the settings of this host, while it goes on; it prints the first \
         key"
    )
}

/// The keyring over a store that was opened beside a host.
pub async fn keyring(config: &Config, store: &Store) -> anyhow::Result<Keyring> {
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let keys = secrets::master_keys(config, false)?;
    let wrapping = secrets::wrapping(&keys, store, &random);
    let pepper = secrets::pepper(&wrapping, &keys, store, &*random).await?;
    Ok(Keyring::new(store.clone(), pepper, Arc::new(SystemClock), random))
}

/// Makes the key. Its text is shown once.
pub async fn create(config: &Config, wanted: KeyOptions) -> anyhow::Result<Value> {
    let KeyOptions { organization, name, scopes } = wanted;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, called) = organizations::choose(&store, &organization).await?;
    let keyring = keyring(config, &store).await?;
    let secret = make(&keyring, id, name, scopes.clone()).await?;
    let made = json!({"organization": id, "name": called, "id": secret.id, "key": secret.expose(), "scopes": scopes});
    store.close().await;
    Ok(made)
}

/// Makes a secret key. A mistake names its option.
async fn make(
    keyring: &Keyring,
    organization: OrganizationId,
    name: String,
    scopes: Vec<Scope>,
) -> anyhow::Result<NewSecret> {
    let new = NewKey { name, scopes, ..NewKey::default() };
    keys::create(keyring, KeyIssuer::Host(organization), new).await.map_err(|error| match error {
        KeyError::Invalid(mistakes) => {
            let lines = mistakes.iter().map(|mistake| format!("--{}: {}", mistake.path, mistake.message));
            anyhow::anyhow!(lines.collect::<Vec<_>>().join("\n"))
        }
        error => error.into(),
    })
}
