//! `resly init` and `resly key`: an organization with its first key, and the keys of an organization for a person who has
//! the host but no working key. All of it works with and without a running host.

use std::sync::Arc;

use anyhow::Context;
use resly_core::{
    id::OrganizationId,
    principal::Scope,
    time::{Random, SystemClock},
};
use resly_http::answers::Key;
use resly_service::{
    cluster::changes::Changes,
    key::NewSecret,
    keyring::Keyring,
    keys::{self, KeyError, KeyIssuer, NewKey},
    organizations::{self, OrganizationName},
    random::OsRandom,
};
use resly_store::{OpenError, Store};
use serde_json::{Value, json};

use crate::{
    cli::{KeyOptions, KeySubcommand},
    compose::make_private,
    config::Config,
    secrets,
};

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
    let keyring = Keyring::new(store.clone(), pepper, Changes::default(), Arc::new(SystemClock), random);
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

/// Does what is asked of an organization's keys. Returns what is to be printed.
pub async fn run(config: &Config, verb: KeySubcommand) -> anyhow::Result<Value> {
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, called) = organizations::choose(&store, verb.organization()).await?;
    let done = match verb {
        KeySubcommand::List { .. } => {
            let keys: Vec<Key> = store.list_keys(id).await?.into_iter().map(Key::from).collect();
            json!({"organization": id, "name": called, "keys": keys})
        }
        KeySubcommand::Delete { key, .. } => {
            keys::delete(&keyring(config, &store, random).await?, KeyIssuer::Host(id), key).await?;
            json!({"organization": id, "name": called, "deleted": key})
        }
        KeySubcommand::Create(KeyOptions { name, scopes, .. }) => {
            let keyring = keyring(config, &store, random).await?;
            let secret = make(&keyring, id, name, scopes.clone()).await?;
            json!({"organization": id, "name": called, "id": secret.id, "key": secret.expose(), "scopes": scopes})
        }
    };
    store.close().await;
    Ok(done)
}

/// The keyring over a store that was opened beside a host.
pub async fn keyring(config: &Config, store: &Store, random: Arc<dyn Random>) -> anyhow::Result<Keyring> {
    let keys = secrets::master_keys(config, false)?;
    let wrapping = secrets::wrapping(&keys, store, &random);
    let pepper = secrets::pepper(&wrapping, &keys, store, &*random).await?;
    Ok(Keyring::new(store.clone(), pepper, Changes::default(), Arc::new(SystemClock), random))
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
