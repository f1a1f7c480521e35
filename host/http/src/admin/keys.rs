//! `/api/admin/keys`: make, list, change, rotate and delete API keys.

mod rates;
pub mod view;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::KeyId,
    principal::{KeyKind, Scope},
    time::Timestamp,
};
use resly_service::{
    App,
    keys::{self, KeyError, KeyIssuer, Overlap},
};
use serde::Deserialize;
use utoipa::ToSchema;

use self::{
    rates::RatesPatch,
    view::{CreatedKey, Key, Keys},
};
use crate::{
    body,
    guard::Admin,
    openapi_enums,
    present::present,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyRequest {
    /// 1 to 100 characters, for people.
    name: String,
    /// `chat`, `search`, `admin`, and, for operators, `operator`.
    #[schema(value_type = Vec<openapi_enums::Scope>)]
    scopes: Vec<Scope>,
    /// `secret` (the default) or `publishable`.
    #[serde(default)]
    #[schema(value_type = Option<openapi_enums::KeyKind>)]
    kind: Option<KeyKind>,
    /// For a publishable key: the origins it may be used from, such as `https://shop.example`. Wildcards are refused.
    #[serde(default)]
    origins: Vec<String>,
    /// The most messages this key may spend in a month.
    #[serde(default)]
    message_cap: Option<u64>,
    /// The most messages that each visitor (`visitorId`) may spend under this key in a day (UTC).
    #[serde(default)]
    visitor_message_cap: Option<u64>,
    /// RFC 3339: when the key ends by itself.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// `{key, visitor, address}`, each with `requests_per_minute` and `streams`; `null` is unlimited, and what isn't named
    /// has the default of the key's kind.
    #[serde(default)]
    rate_limits: Option<RatesPatch>,
}

impl From<NewKeyRequest> for keys::NewKey {
    fn from(request: NewKeyRequest) -> Self {
        let NewKeyRequest { name, scopes, kind, origins, message_cap, visitor_message_cap, expires_at, rate_limits } =
            request;
        let rate_limits = rate_limits.map(Into::into);
        Self { name, scopes, kind, origins, message_cap, visitor_message_cap, expires_at, rate_limits }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPatch {
    name: Option<String>,
    #[schema(value_type = Option<Vec<openapi_enums::Scope>>)]
    scopes: Option<Vec<Scope>>,
    /// All of a publishable key's origins, in the place of those it has.
    origins: Option<Vec<String>>,
    /// `null` lifts it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>)]
    message_cap: Option<Option<u64>>,
    /// `null` lifts it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u64>)]
    visitor_message_cap: Option<Option<u64>>,
    /// RFC 3339; `null` for never. A key that was rotated ends with its overlap at the latest.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// What isn't named stays; `null` is the defaults of the key's kind.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<RatesPatch>)]
    rate_limits: Option<Option<RatesPatch>>,
}

impl From<KeyPatch> for keys::KeyPatch {
    fn from(patch: KeyPatch) -> Self {
        let KeyPatch { name, scopes, origins, message_cap, visitor_message_cap, expires_at, rate_limits } = patch;
        let rate_limits = rate_limits.map(|rates| rates.map(Into::into));
        Self { name, scopes, origins, message_cap, visitor_message_cap, expires_at, rate_limits }
    }
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
    let secret = keys::create(&app.keyring, KeyIssuer::Key(&principal), request.into()).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey::from(&secret))))
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
    let key = app.store.key(principal.organization, parse(&id)?).await?;
    Ok(Json(key.ok_or(KeyError::Missing)?.into()))
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
    let changed = keys::change(&app.keyring, KeyIssuer::Key(&principal), parse(&id)?, patch.into()).await?;
    Ok(Json(changed.into()))
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
    let overlap = Overlap::from_seconds(request.overlap_s)?;
    let secret = keys::rotate(&app.keyring, KeyIssuer::Key(&principal), parse(&id)?, overlap).await?;
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
    keys::delete(&app.keyring, KeyIssuer::Key(&principal), parse(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A text that is no id looks like an id that doesn't exist.
fn parse(id: &str) -> Result<KeyId, KeyError> {
    id.parse().map_err(|_| KeyError::Missing)
}
