//! Deletes a key.

use resly_core::id::KeyId;

use super::{KeyError, KeyIssuer, find_for_change};
use crate::keyring::Keyring;

/// Deletes a key. It stops working within a second, everywhere. The last key that may administer the organization stays.
pub async fn delete(keyring: &Keyring, by: KeyIssuer<'_>, id: KeyId) -> Result<(), KeyError> {
    find_for_change(keyring, by, id).await?;
    Ok(keyring.delete(by.organization(), id).await?)
}
