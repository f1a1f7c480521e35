//! `resly key create`: a new API key for whoever has the host but no key that works, beside a running host or without one.

use std::sync::Arc;

use anyhow::{bail, ensure};
use resly_core::{
    principal::Scope,
    time::{Random, SystemClock},
};
use resly_store::Store;
use serde_json::{Value, json};

use crate::{
    config::Config,
    keyring::{KeySpec, Keyring},
    random::OsRandom,
    secrets,
};

/// What key is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The organization's name, or its id.
    pub organization: String,
    pub name: String,
    pub scopes: Vec<Scope>,
}

/// Makes the key. What it gives is shown once.
pub async fn create(config: &Config, wanted: Wanted) -> anyhow::Result<Value> {
    let Wanted { organization, name, scopes } = wanted;
    ensure!(!name.trim().is_empty() && name.chars().count() <= 100, "--name: 1 to 100 characters are expected");
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let keys = secrets::master_keys(config, false)?;
    let wrapping = secrets::wrapping(&keys, &store, &random);
    let found = store.organizations_called(&organization).await?;
    let (id, called) = match found.as_slice() {
        [] => bail!(
            "there is no organization `{organization}`; `resly init --organization NAME` makes one, and the name has to \
             be written as it was made"
        ),
        [only] => only,
        several => {
            let ids: Vec<String> = several.iter().map(|(id, _)| id.to_string()).collect();
            bail!("there are {} organizations `{organization}`: say which by its id, {}", ids.len(), ids.join(" or "))
        }
    };
    let pepper = secrets::pepper(&wrapping, &keys, &store, &*random).await?;
    let keyring = Keyring::new(store.clone(), pepper, Arc::new(SystemClock), random);
    let secret = keyring.create(KeySpec::secret(*id, &name, &scopes)).await?;
    let made = json!({"organization": id, "name": called, "id": secret.id, "key": secret.expose(), "scopes": scopes});
    store.close().await;
    Ok(made)
}
