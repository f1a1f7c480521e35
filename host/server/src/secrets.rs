//! Opens what a host needs first: its master keys, its store, and its own secrets.

use std::sync::Arc;

use resly_core::{error::StoreError, time::Random};
use resly_service::{cluster::signature::HostKey, key::Pepper, outbound::WrappedKeys};
use resly_store::{OpenError, Store, StoreConfig};
use resly_vault::{MasterKeyError, MasterKeySource, MasterKeys, VaultError, Wrapping};
use rustix::process::{Resource, Rlimit, setrlimit};
use zeroize::Zeroizing;

use crate::config::Config;

/// The name of the secret with which API keys are hashed.
const PEPPERS: &str = "api key peppers";
/// The name of the secret with which hosts sign what they ask each other.
const HOST_KEY: &str = "requests between hosts";

/// Why a host can't open its secrets. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the host's own secrets can't be opened with the master keys it was given: {0}")]
    Closed(VaultError),
    #[error("the secret {0} is damaged: restore the table `host_secrets` from a backup")]
    Damaged(&'static str),
}

/// Reads the master keys, and applies production's rules if this is production.
pub fn master_keys(config: &Config, rotating: bool) -> Result<Arc<MasterKeys>, SecretsError> {
    let keys = MasterKeys::load(&MasterKeySource {
        key: config.master_key.clone(),
        file: config.master_key_file.clone(),
        data_dir: config.data.clone(),
        production: config.production,
        rotating,
    })?;
    if let Some(warning) = keys.warning() {
        tracing::warn!("{warning}");
    }
    Ok(Arc::new(keys))
}

pub async fn open_store(config: &Config) -> Result<Store, SecretsError> {
    Ok(Store::open(&store_config(config)).await?)
}

pub fn store_config(config: &Config) -> StoreConfig {
    StoreConfig {
        database_url: config.database_url.clone(),
        direct_url: config.database_direct_url.clone(),
        data_dir: config.data.clone(),
        read_connections: 8,
    }
}

pub fn wrapping(keys: &Arc<MasterKeys>, store: &Store, random: &Arc<dyn Random>) -> Wrapping {
    Wrapping::new(Arc::clone(keys), Arc::new(WrappedKeys(store.clone())), Arc::clone(random))
}

/// Prevents that a crash leaves a copy of the memory on the disk (core(5)), because there are secrets in it.
pub fn no_core_dumps() -> std::io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// The secret with which API keys are hashed. The first start makes it at random. A database with older keys keeps the
/// secret that was derived from the master keys.
pub async fn pepper(
    wrapping: &Wrapping,
    keys: &MasterKeys,
    store: &Store,
    random: &dyn Random,
) -> Result<Pepper, SecretsError> {
    let mut fresh = Zeroizing::new(vec![0; 32]);
    if store.has_keys().await? {
        fresh = Zeroizing::new(Zeroizing::new(keys.derive_all("resly api keys v1")).concat());
    } else {
        random.fill(&mut fresh);
    }
    let kept = wrapping.host_secret(PEPPERS, &fresh).await.map_err(closed)?;
    Pepper::new(&kept).ok_or(SecretsError::Damaged("with which API keys are hashed"))
}

/// The secret with which the hosts of a database sign what they ask each other. The first start makes it at random. `None`
/// when the database has one host only.
pub async fn host_key(
    wrapping: &Wrapping,
    store: &Store,
    random: &dyn Random,
) -> Result<Option<HostKey>, SecretsError> {
    if !store.is_shared() {
        return Ok(None);
    }
    let mut fresh = Zeroizing::new(vec![0; 32]);
    random.fill(&mut fresh);
    let kept = wrapping.host_secret(HOST_KEY, &fresh).await.map_err(closed)?;
    HostKey::new(&kept).map(Some).ok_or(SecretsError::Damaged("with which hosts sign what they ask each other"))
}

fn closed(error: VaultError) -> SecretsError {
    match error {
        VaultError::Store(error) => SecretsError::Store(error),
        error => SecretsError::Closed(error),
    }
}
