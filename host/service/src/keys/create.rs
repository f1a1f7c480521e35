//! Makes a key.

use resly_core::{
    principal::{KeyKind, Scope},
    rate::RateLimits,
    time::Timestamp,
};

use super::{
    KeyError, KeyIssuer, RateLimitsPatch,
    check::{check_caps, check_expiry, read_origins, read_scopes},
};
use crate::{
    check_name,
    key::NewSecret,
    keyring::{KeySpec, Keyring},
};

/// The properties of a new key.
#[derive(Default)]
pub struct NewKey {
    pub name: String,
    pub scopes: Vec<Scope>,
    /// When absent, publishable if there are origins.
    pub kind: Option<KeyKind>,
    /// The origins from which a publishable key may be used.
    pub origins: Vec<String>,
    /// The most messages that it may spend in a month.
    pub message_cap: Option<u64>,
    /// The most messages that each visitor may spend under it in a day.
    pub visitor_message_cap: Option<u64>,
    pub expires_at: Option<Timestamp>,
    /// Differences from the default rates of the key's kind.
    pub rate_limits: Option<RateLimitsPatch>,
}

/// Creates a key. Only the returned value holds its secret.
pub async fn create(keyring: &Keyring, by: KeyIssuer<'_>, new: NewKey) -> Result<NewSecret, KeyError> {
    let spec = spec(by, new, keyring.now())?;
    Ok(keyring.create(spec).await?)
}

fn spec(by: KeyIssuer<'_>, new: NewKey, now: Timestamp) -> Result<KeySpec, KeyError> {
    let NewKey { name, scopes, kind, origins, message_cap, visitor_message_cap, expires_at, rate_limits } = new;
    let kind = kind.unwrap_or(if origins.is_empty() { KeyKind::Secret } else { KeyKind::Publishable });
    let mut mistakes = Vec::new();
    mistakes.extend(check_name(&name));
    let scopes = read_scopes(kind, scopes, &mut mistakes);
    let origins = read_origins(kind, &origins, &mut mistakes);
    check_caps([("message_cap", message_cap), ("visitor_message_cap", visitor_message_cap)], &mut mistakes);
    check_expiry(expires_at, now, &mut mistakes);
    let rate_limits = rate_limits.map(|patch| patch.over(RateLimits::usual(kind), &mut mistakes));
    if !mistakes.is_empty() {
        return Err(KeyError::Invalid(mistakes));
    }
    by.require(&scopes)?;
    let organization = by.organization();
    Ok(KeySpec { organization, name, kind, scopes, origins, message_cap, visitor_message_cap, rate_limits, expires_at })
}

#[cfg(test)]
mod tests {
    use resly_core::{
        id::{KeyId, OrganizationId},
        principal::Principal,
    };
    use uuid::Uuid;

    use super::{super::RateLimitPatch, *};

    fn admin() -> Principal {
        Principal {
            organization: OrganizationId(Uuid::nil()),
            key: KeyId(Uuid::nil()),
            kind: KeyKind::Secret,
            scopes: vec![Scope::Admin],
            origins: vec![],
            message_cap: None,
            visitor_message_cap: None,
        }
    }

    fn read(new: NewKey) -> Result<KeySpec, KeyError> {
        spec(KeyIssuer::Key(&admin()), new, "2026-10-10T12:00:00Z".parse().unwrap())
    }

    fn key(scopes: &[Scope], origins: &[&str]) -> NewKey {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        NewKey { name: "w".to_owned(), scopes: scopes.to_vec(), origins, ..NewKey::default() }
    }

    #[test]
    fn a_publishable_key_can_do_little_and_only_from_its_origins() {
        let spec = read(key(&[Scope::Chat], &["https://Shop.example/"])).unwrap();
        assert_eq!((spec.kind, spec.origins), (KeyKind::Publishable, vec!["https://shop.example".to_owned()]));
        let of_kind = |kind, new| read(NewKey { kind: Some(kind), ..new });
        assert!(of_kind(KeyKind::Publishable, key(&[Scope::Admin], &["https://a.example"])).is_err());
        assert!(of_kind(KeyKind::Publishable, key(&[Scope::Chat], &[])).is_err());
        assert!(of_kind(KeyKind::Secret, key(&[Scope::Chat], &["https://a.example"])).is_err());
    }

    #[test]
    fn a_publishable_key_has_rates_unless_an_admin_says_otherwise() {
        let widget = |rate_limits| read(NewKey { rate_limits, ..key(&[Scope::Chat], &["https://a.example"]) });
        assert_eq!(widget(None).unwrap().rate_limits, None, "the defaults");
        let requests = |most| RateLimitPatch { requests_per_minute: Some(Some(most)), ..RateLimitPatch::default() };
        let address = RateLimitPatch { streams: Some(None), ..RateLimitPatch::default() };
        let given = widget(Some(RateLimitsPatch { key: requests(9), address, ..RateLimitsPatch::default() })).unwrap();
        let usual = RateLimits::usual(KeyKind::Publishable);
        let rates = given.rate_limits.unwrap();
        assert_eq!((rates.key.requests_per_minute, rates.key.streams), (Some(9), usual.key.streams));
        assert_eq!((rates.address.streams, rates.visitor), (None, usual.visitor));
        assert!(widget(Some(RateLimitsPatch { key: requests(0), ..RateLimitsPatch::default() })).is_err());
        let cap = |message_cap| read(NewKey { message_cap, ..key(&[Scope::Chat], &[]) });
        assert!(cap(Some(i64::MAX.unsigned_abs())).is_ok() && cap(Some(10_u64.pow(19))).is_err());
        let over = "2026-10-10T11:59:59Z".parse().ok();
        assert!(read(NewKey { expires_at: over, ..key(&[Scope::Chat], &[]) }).is_err());
    }

    #[test]
    fn an_admin_makes_no_operators() {
        assert!(matches!(read(key(&[Scope::Operator], &[])), Err(KeyError::OperatorOnly)));
        let nothing = read(NewKey { name: String::new(), ..key(&[], &[]) });
        assert!(matches!(nothing, Err(KeyError::Invalid(mistakes)) if mistakes.len() == 2));
        let member = KeyIssuer::Member(OrganizationId(Uuid::nil()));
        let now = "2026-10-10T12:00:00Z".parse().unwrap();
        assert!(matches!(spec(member, key(&[Scope::Operator], &[]), now), Err(KeyError::OperatorOnly)));
        assert!(spec(member, key(&[Scope::Admin, Scope::DataWrite], &[]), now).is_ok());
        let host = KeyIssuer::Host(OrganizationId(Uuid::nil()));
        assert!(spec(host, key(&[Scope::Operator], &[]), now).is_ok());
    }
}
