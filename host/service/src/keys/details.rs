//! One key as its page shows it: what it may do, the keys of its rotation, and what it was used for lately.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{
    boxed,
    id::{KeyId, OrganizationId},
    meter::Meter,
};
use resly_store::{KeySummary, KeyUsageQuery};

use super::KeyError;
use crate::App;

/// A key, and what is known of its use.
pub struct KeyDetails {
    pub key: KeySummary,
    /// The other keys of the same chain of rotations that aren't deleted, newest first.
    pub rotations: Vec<KeySummary>,
    /// What the key and those before it used in production today and in the days before it, [`KeyDetails::DAYS`] in all.
    pub used: BTreeMap<Meter, i64>,
}

impl KeyDetails {
    pub const DAYS: u64 = 7;
}

#[boxed]
pub async fn details(app: &App, organization: OrganizationId, id: KeyId) -> Result<KeyDetails, KeyError> {
    let mut rotations = app.store.list_keys(organization).await?;
    let at = rotations.iter().position(|key| key.id == id).ok_or(KeyError::Missing)?;
    let key = rotations.remove(at);
    rotations.retain(|other| other.lineage == key.lineage);
    let from = app.clock.now().minus(Duration::from_secs((KeyDetails::DAYS - 1) * 24 * 3600));
    let used = app.store.key_usage(organization, KeyUsageQuery { lineage: key.lineage, from }).await?;
    Ok(KeyDetails { key, rotations, used })
}
