//! `/api/admin/keys`: make, list, change, rotate and delete API keys.

mod rates;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::KeyId,
    principal::{KeyKind, Principal, Scope},
    rate::RateLimits,
    time::Timestamp,
};
use resly_service::{App, FieldError, check_name, keyring::KeySpec, origins::parse_origin};
use resly_store::{KeyChange, StoredKey};
use serde::Deserialize;
use utoipa::ToSchema;

use self::{
    rates::RatesPatch,
    view::{CreatedKey, Key, Keys},
};
use super::connections::present;
use crate::{
    body,
    guard::Admin,
    names,
    problem::{Problem, kinds},
    query::{NoParameters, Query},
};

const LONGEST_OVERLAP_S: u64 = 30 * 24 * 3600;
const USUAL_OVERLAP_S: u64 = 3600;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyRequest {
    /// 1 to 100 characters, for people.
    name: String,
    /// `chat`, `search`, `admin`, and, for operators, `operator`.
    #[schema(value_type = Vec<names::Scope>)]
    scopes: Vec<Scope>,
    /// `secret` (the default) or `publishable`.
    #[serde(default)]
    #[schema(value_type = Option<names::KeyKind>)]
    kind: Option<KeyKind>,
    /// For a publishable key: the origins it may be used from, such as `https://shop.example`. Wildcards are refused.
    #[serde(default)]
    origins: Vec<String>,
    /// The most messages this key may spend in a month.
    #[serde(default)]
    message_cap: Option<u64>,
    /// RFC 3339: when the key ends by itself.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// `{key, visitor, address}`, each with `requests_per_minute` and `streams`; `null` is unlimited, and what isn't named
    /// has the default of the key's kind.
    #[serde(default)]
    rate_limits: Option<RatesPatch>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPatch {
    name: Option<String>,
    #[schema(value_type = Option<Vec<names::Scope>>)]
    scopes: Option<Vec<Scope>>,
    /// All of a publishable key's origins, in the place of those it has.
    origins: Option<Vec<String>>,
    /// `null` lifts it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>)]
    message_cap: Option<Option<u64>>,
    /// RFC 3339; `null` for never. A key that was rotated ends with its overlap at the latest.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// What isn't named stays; `null` is the defaults of the key's kind.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RatesPatch>)]
    rate_limits: Option<Option<RatesPatch>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKeyRequest {
    /// How long the old key goes on working, in seconds; an hour when absent.
    overlap_s: Option<u64>,
}

/// Makes a key. Its text is in this answer only.
#[utoipa::path(post, path = "/api/admin/keys", tag = "admin", operation_id = "createKey",
    request_body = NewKeyRequest,
    responses((status = 201, description = "The key", body = CreatedKey)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<NewKeyRequest>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let spec = spec(&principal, request, app.clock.now())?;
    let secret = app.keyring.create(spec).await?;
    app.origins.forget();
    Ok((StatusCode::CREATED, Json(CreatedKey::from(&secret))))
}

fn spec(principal: &Principal, request: NewKeyRequest, now: Timestamp) -> Result<KeySpec, Problem> {
    let NewKeyRequest { name, scopes, kind, origins, message_cap, expires_at, rate_limits } = request;
    let kind = kind.unwrap_or(if origins.is_empty() { KeyKind::Secret } else { KeyKind::Publishable });
    let mut mistakes = Vec::new();
    mistakes.extend(check_name(&name));
    let scopes = read_scopes(kind, scopes, &mut mistakes);
    let origins = read_origins(kind, &origins, &mut mistakes);
    check_expiry(expires_at, now, &mut mistakes);
    let rate_limits = rate_limits.map(|patch| patch.over(RateLimits::usual(kind), &mut mistakes));
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    grants_within(principal, &scopes)?;
    let organization = principal.organization;
    Ok(KeySpec { organization, name, kind, scopes, origins, message_cap, rate_limits, expires_at })
}

fn check_expiry(expires_at: Option<Timestamp>, now: Timestamp, mistakes: &mut Vec<FieldError>) {
    if expires_at.is_some_and(|at| at <= now) {
        mistakes.push(FieldError::new("expires_at", "it is over already; a time in the future is expected"));
    }
}

fn read_scopes(kind: KeyKind, mut scopes: Vec<Scope>, mistakes: &mut Vec<FieldError>) -> Vec<Scope> {
    scopes.sort_by_key(|scope| *scope as u8);
    scopes.dedup();
    if scopes.is_empty() {
        mistakes.push(FieldError::new("scopes", "at least one of `chat`, `search`, `admin` is expected"));
    }
    let open = |scope: &Scope| matches!(scope, Scope::Chat | Scope::Search);
    if kind == KeyKind::Publishable && !scopes.iter().all(open) {
        mistakes.push(FieldError::new("scopes", "a publishable key may only have `chat` and `search`"));
    }
    scopes
}

fn read_origins(kind: KeyKind, origins: &[String], mistakes: &mut Vec<FieldError>) -> Vec<String> {
    match kind {
        KeyKind::Secret if !origins.is_empty() => {
            mistakes.push(FieldError::new("origins", "only a publishable key has origins"));
        }
        KeyKind::Publishable if origins.is_empty() => {
            mistakes.push(FieldError::new("origins", "a publishable key needs the origins it may be used from"));
        }
        KeyKind::Secret | KeyKind::Publishable => {}
    }
    let read = origins.iter().enumerate().filter_map(|(at, origin)| {
        parse_origin(origin).map_err(|error| mistakes.push(FieldError::new(format!("origins[{at}]"), error))).ok()
    });
    read.collect()
}

/// Nobody hands out, or lays hands on, more than they have.
fn grants_within(principal: &Principal, scopes: &[Scope]) -> Result<(), Problem> {
    if scopes.contains(&Scope::Operator) && !principal.may(Scope::Operator) {
        return Err(Problem::new(
            &kinds::INSUFFICIENT_SCOPE,
            "only an operator's key may make, change, rotate or delete a key with the scope `operator`",
        ));
    }
    Ok(())
}

/// The organization's keys, without their secrets.
#[utoipa::path(get, path = "/api/admin/keys", tag = "admin", operation_id = "listKeys",
    responses((status = 200, description = "The keys", body = Keys)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Keys>, Problem> {
    let keys = app.store.list_keys(principal.organization).await?;
    Ok(Json(Keys::new(keys)))
}

/// One key, without its secret.
#[utoipa::path(get, path = "/api/admin/keys/{id}", tag = "admin", operation_id = "getKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = Key)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<Key>, Problem> {
    let keys = app.store.list_keys(principal.organization).await?;
    let key = keys.into_iter().find(|key| key.id.to_string() == id.to_ascii_lowercase());
    Ok(Json(key.ok_or_else(|| Problem::not_found("there is no such key"))?.into()))
}

/// Changes a key. What isn't named stays; the change holds within a second, everywhere.
#[utoipa::path(patch, path = "/api/admin/keys/{id}", tag = "admin", operation_id = "changeKey",
    params(("id" = String, Path, description = "The key's id")),
    request_body = KeyPatch,
    responses((status = 200, description = "The key as it is now", body = Key)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body::Json(patch): body::Json<KeyPatch>,
) -> Result<Json<Key>, Problem> {
    let key = own_key(&app, &principal, &id).await?;
    let change = read_change(&principal, &key, patch, app.clock.now())?;
    let changed = app.keyring.change(principal.organization, key.principal.key, change).await?;
    app.origins.forget();
    Ok(Json(changed.into()))
}

fn read_change(principal: &Principal, key: &StoredKey, patch: KeyPatch, now: Timestamp) -> Result<KeyChange, Problem> {
    let KeyPatch { name, scopes, origins, message_cap, expires_at, rate_limits } = patch;
    let kind = key.principal.kind;
    let mut mistakes = Vec::new();
    if let Some(name) = &name {
        mistakes.extend(check_name(name));
    }
    let scopes = scopes.map(|scopes| read_scopes(kind, scopes, &mut mistakes));
    let origins = origins.map(|origins| read_origins(kind, &origins, &mut mistakes));
    check_expiry(expires_at.flatten(), now, &mut mistakes);
    let rates = key.rate_limits.unwrap_or_else(|| RateLimits::usual(kind));
    let rate_limits = rate_limits.map(|patch| patch.map(|patch| patch.over(rates, &mut mistakes)));
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    grants_within(principal, scopes.as_deref().unwrap_or_default())?;
    Ok(KeyChange { name, scopes, origins, message_cap, rate_limits, expires_at })
}

/// Puts a new key in an old one's place. Both work until the overlap is over. A key that has expired stays so.
#[utoipa::path(post, path = "/api/admin/keys/{id}/rotate", tag = "admin", operation_id = "rotateKey",
    params(("id" = String, Path, description = "The key's id")),
    request_body(content = Option<RotateKeyRequest>),
    responses((status = 200, description = "The key", body = CreatedKey)))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body::Json(request): body::Json<RotateKeyRequest>,
) -> Result<Json<CreatedKey>, Problem> {
    let overlap_s = request.overlap_s.unwrap_or(USUAL_OVERLAP_S);
    if overlap_s > LONGEST_OVERLAP_S {
        return Err(Problem::invalid_at("overlap_s", format!("0 to {LONGEST_OVERLAP_S} is expected")));
    }
    let old = own_key(&app, &principal, &id).await?;
    let overlap = Duration::from_secs(overlap_s);
    let (organization, kind) = (principal.organization, old.principal.kind);
    let secret = app.keyring.rotate(organization, old.principal.key, kind, overlap).await?;
    app.origins.forget();
    Ok(Json(CreatedKey::from(&secret)))
}

/// Deletes a key. It stops working within a second, everywhere. The last key that may administer the organization stays.
#[utoipa::path(delete, path = "/api/admin/keys/{id}", tag = "admin", operation_id = "deleteKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let key = own_key(&app, &principal, &id).await?;
    app.keyring.delete(principal.organization, key.principal.key).await?;
    app.origins.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// A key of the caller's organization that the caller may lay hands on.
async fn own_key(app: &App, principal: &Principal, id: &str) -> Result<StoredKey, Problem> {
    let missing = || Problem::not_found("there is no such key");
    let id: KeyId = id.parse().map_err(|_| missing())?;
    let key = app.store.key_by_id(id).await?;
    let key = key.filter(|key| key.principal.organization == principal.organization).ok_or_else(missing)?;
    grants_within(principal, &key.principal.scopes)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use resly_core::id::OrganizationId;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn admin() -> Principal {
        Principal {
            organization: OrganizationId(Uuid::nil()),
            key: KeyId(Uuid::nil()),
            kind: KeyKind::Secret,
            scopes: vec![Scope::Admin],
            origins: vec![],
            message_cap: None,
        }
    }

    fn now() -> Timestamp {
        "2026-10-10T12:00:00Z".parse().unwrap()
    }

    fn read(request: Value) -> Result<KeySpec, &'static str> {
        spec(&admin(), serde_json::from_value(request).unwrap(), now()).map_err(|problem| problem.kind().slug)
    }

    #[test]
    fn a_publishable_key_can_do_little_and_only_from_its_origins() {
        let spec = read(json!({"name": "w", "scopes": ["chat"], "origins": ["https://Shop.example/"]})).unwrap();
        assert_eq!((spec.kind, spec.origins), (KeyKind::Publishable, vec!["https://shop.example".to_owned()]));
        assert!(
            read(json!({"name": "w", "scopes": ["admin"], "kind": "publishable", "origins": ["https://a.example"]}))
                .is_err()
        );
        assert!(read(json!({"name": "w", "scopes": ["chat"], "kind": "publishable"})).is_err());
        assert!(
            read(json!({"name": "w", "scopes": ["chat"], "kind": "secret", "origins": ["https://a.example"]})).is_err()
        );
    }

    #[test]
    fn a_publishable_key_has_rates_unless_an_admin_says_otherwise() {
        let widget = |rates: Value| {
            read(json!({"name": "w", "scopes": ["chat"], "origins": ["https://a.example"], "rate_limits": rates}))
        };
        assert_eq!(widget(Value::Null).unwrap().rate_limits, None, "the defaults");
        let given = widget(json!({"key": {"requests_per_minute": 9}, "address": {"streams": null}})).unwrap();
        let usual = RateLimits::usual(KeyKind::Publishable);
        let rates = given.rate_limits.unwrap();
        assert_eq!((rates.key.requests_per_minute, rates.key.streams), (Some(9), usual.key.streams));
        assert_eq!((rates.address.streams, rates.visitor), (None, usual.visitor));
        assert!(widget(json!({"key": {"requests_per_minute": 0}})).is_err());
        assert!(read(json!({"name": "w", "scopes": ["chat"], "expires_at": "2026-10-10T11:59:59Z"})).is_err());
    }

    #[test]
    fn an_admin_makes_no_operators() {
        assert_eq!(read(json!({"name": "o", "scopes": ["operator"]})).err(), Some("insufficient-scope"));
        assert_eq!(read(json!({"name": "", "scopes": []})).err(), Some("invalid-request"));
    }
}
