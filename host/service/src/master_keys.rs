//! Which master keys are in use, and moving everything to the newest: by a host that runs, and by the command line on the
//! store itself.

use std::collections::BTreeMap;

use resly_vault::{Rotation, VaultError, Wrapping};
use serde::{Deserialize, Serialize};

/// Master keys by their ids, never themselves.
#[derive(Debug, Deserialize, Serialize)]
pub struct MasterKeysInUse {
    /// The key that wraps what is new.
    pub newest: String,
    /// How many wrapped keys were moved to it just now.
    pub moved: u64,
    /// How many wrapped keys need each master key.
    pub in_use: BTreeMap<String, u64>,
    /// Older keys that nothing needs any more: leave them out of this host's settings.
    pub removable: Vec<String>,
    /// Keys in use that this host was not given.
    pub missing: Vec<String>,
    /// Wrapped keys that don't open; the host's log names them.
    pub unreadable: u64,
    /// Whether the newest key is all that is needed.
    pub done: bool,
}

impl From<Rotation> for MasterKeysInUse {
    fn from(rotation: Rotation) -> Self {
        let done = rotation.is_done();
        let Rotation { newest, moved, in_use, removable, missing, unreadable } = rotation;
        Self { newest, moved, in_use, removable, missing, unreadable, done }
    }
}

/// Which master keys are in use.
pub async fn status(wrapping: &Wrapping) -> Result<MasterKeysInUse, VaultError> {
    Ok(wrapping.status().await?.into())
}

/// Wraps every organization's key, and the host's own secrets, under the newest master key, while everything goes on. It can
/// be repeated at will, and when it was cut off it goes on where it was.
pub async fn rotate(wrapping: &Wrapping) -> Result<MasterKeysInUse, VaultError> {
    Ok(wrapping.rotate().await?.into())
}
