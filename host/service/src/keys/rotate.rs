//! Replaces a key by a new one with the same properties.

use std::time::Duration;

use resly_core::id::KeyId;

use super::{KeyError, KeyIssuer, find_for_change};
use crate::{FieldError, key::NewSecret, keyring::Keyring};

const LONGEST_S: u64 = 30 * 24 * 3600;
const USUAL_S: u64 = 3600;

/// How long an old key goes on working beside the new one.
#[derive(Clone, Copy, Debug)]
pub struct Overlap(Duration);

impl Overlap {
    /// An hour when absent, 30 days at most.
    pub fn from_seconds(seconds: Option<u64>) -> Result<Self, KeyError> {
        match seconds.unwrap_or(USUAL_S) {
            seconds if seconds <= LONGEST_S => Ok(Self(Duration::from_secs(seconds))),
            _ => {
                let mistake = FieldError::new("overlap_s", format!("0 to {LONGEST_S} is expected"));
                Err(KeyError::Invalid(vec![mistake]))
            }
        }
    }
}

/// Creates a key with the old key's properties and another secret. An expired key can't be rotated.
pub async fn rotate(keyring: &Keyring, by: KeyIssuer<'_>, id: KeyId, overlap: Overlap) -> Result<NewSecret, KeyError> {
    let old = find_for_change(keyring, by, id).await?;
    Ok(keyring.rotate(by.organization(), id, old.principal.kind, overlap.0).await?)
}
