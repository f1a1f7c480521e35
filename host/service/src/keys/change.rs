//! Changes a key.

use resly_core::{id::KeyId, principal::Scope, rate::RateLimits, time::Timestamp};
use resly_store::{KeyChange, KeySummary, StoredKey};

use super::{
    KeyError, KeyIssuer, RateLimitsPatch,
    check::{check_caps, check_expiry, read_origins, read_scopes},
    find_for_change,
};
use crate::{check_name, keyring::Keyring};

/// The properties to change. `None` keeps one, and `Some(None)` removes it.
#[derive(Default)]
pub struct KeyPatch {
    pub name: Option<String>,
    pub scopes: Option<Vec<Scope>>,
    /// All origins of a publishable key. They replace those that it has.
    pub origins: Option<Vec<String>>,
    pub message_cap: Option<Option<u64>>,
    pub visitor_message_cap: Option<Option<u64>>,
    /// A key that was rotated ends with its overlap at the latest.
    pub expires_at: Option<Option<Timestamp>>,
    /// `Some(None)` restores the defaults of the key's kind.
    pub rate_limits: Option<Option<RateLimitsPatch>>,
}

/// Changes a key that still works. Every host applies the change within a second.
pub async fn change(keyring: &Keyring, by: KeyIssuer<'_>, id: KeyId, patch: KeyPatch) -> Result<KeySummary, KeyError> {
    let key = find_for_change(keyring, by, id).await?;
    let change = read(by, &key, patch, keyring.now())?;
    Ok(keyring.change(by.organization(), id, change).await?)
}

fn read(by: KeyIssuer<'_>, key: &StoredKey, patch: KeyPatch, now: Timestamp) -> Result<KeyChange, KeyError> {
    let KeyPatch { name, scopes, origins, message_cap, visitor_message_cap, expires_at, rate_limits } = patch;
    let kind = key.principal.kind;
    let mut mistakes = Vec::new();
    mistakes.extend(name.as_deref().and_then(check_name));
    let scopes = scopes.map(|scopes| read_scopes(kind, scopes, &mut mistakes));
    let origins = origins.map(|origins| read_origins(kind, &origins, &mut mistakes));
    let caps = [("message_cap", message_cap.flatten()), ("visitor_message_cap", visitor_message_cap.flatten())];
    check_caps(caps, &mut mistakes);
    check_expiry(expires_at.flatten(), now, &mut mistakes);
    let rates = key.rate_limits.unwrap_or_else(|| RateLimits::usual(kind));
    let rate_limits = rate_limits.map(|patch| patch.map(|patch| patch.over(rates, &mut mistakes)));
    if !mistakes.is_empty() {
        return Err(KeyError::Invalid(mistakes));
    }
    by.require(scopes.as_deref().unwrap_or_default())?;
    Ok(KeyChange { name, scopes, origins, message_cap, visitor_message_cap, rate_limits, expires_at })
}
