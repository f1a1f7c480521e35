//! `/api/admin/keys`: make, list, rotate and delete API keys.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::KeyId,
    principal::{KeyKind, Principal, Scope},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        body,
        guard::Admin,
        problem::{Mistake, Problem, kinds},
        query::{Nothing, Query},
    },
    keyring::KeySpec,
    origins::parse_origin,
};

const LONGEST_OVERLAP_S: u64 = 30 * 24 * 3600;
const USUAL_OVERLAP_S: u64 = 3600;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKeyRequest {
    /// 1 to 100 characters, for people.
    name: String,
    /// `chat`, `search`, `admin`, and, for operators, `operator`.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// `secret` (the default) or `publishable`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    kind: Option<KeyKind>,
    /// For a publishable key: the origins it may be used from, such as `https://shop.example`.
    #[serde(default)]
    origins: Vec<String>,
    /// The most messages this key may spend in a month.
    #[serde(default)]
    message_cap: Option<u64>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// How long the old key goes on working, in seconds; an hour when absent.
    overlap_s: Option<u64>,
}

/// Makes a key. Its text is in this answer only.
#[utoipa::path(post, path = "/api/admin/keys", tag = "admin", operation_id = "createKey",
    request_body = NewKeyRequest,
    responses((status = 201, description = "`{id, key}`", body = crate::http::schema::CreatedKey),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<NewKeyRequest>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let spec = spec(&principal, request)?;
    let secret = app.keyring.create(spec).await?;
    app.origins.forget();
    Ok((StatusCode::CREATED, Json(json!({"id": secret.id, "key": secret.expose()}))))
}

fn spec(principal: &Principal, request: NewKeyRequest) -> Result<KeySpec, Problem> {
    let NewKeyRequest { name, mut scopes, kind, origins, message_cap } = request;
    let kind = kind.unwrap_or(if origins.is_empty() { KeyKind::Secret } else { KeyKind::Publishable });
    let mut mistakes = Vec::new();
    if name.trim().is_empty() || name.chars().count() > 100 {
        mistakes.push(Mistake::new("name", "1 to 100 characters are expected"));
    }
    scopes.sort_by_key(|scope| *scope as u8);
    scopes.dedup();
    if scopes.is_empty() {
        mistakes.push(Mistake::new("scopes", "at least one of `chat`, `search`, `admin` is expected"));
    }
    let origins: Vec<String> = origins
        .iter()
        .enumerate()
        .filter_map(|(at, origin)| {
            parse_origin(origin).map_err(|error| mistakes.push(Mistake::new(format!("origins[{at}]"), error))).ok()
        })
        .collect();
    match kind {
        KeyKind::Secret if !origins.is_empty() => {
            mistakes.push(Mistake::new("origins", "only a publishable key has origins"));
        }
        KeyKind::Publishable => {
            if scopes.iter().any(|scope| !matches!(scope, Scope::Chat | Scope::Search)) {
                mistakes.push(Mistake::new("scopes", "a publishable key may only have `chat` and `search`"));
            }
            if origins.is_empty() && mistakes.is_empty() {
                mistakes.push(Mistake::new("origins", "a publishable key needs the origins it may be used from"));
            }
        }
        KeyKind::Secret => {}
    }
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    grants_within(principal, &scopes)?;
    let organization = principal.organization;
    Ok(KeySpec { organization, name, kind, scopes, origins, message_cap })
}

/// Nobody hands out, or lays hands on, more than they have.
fn grants_within(principal: &Principal, scopes: &[Scope]) -> Result<(), Problem> {
    if scopes.contains(&Scope::Operator) && !principal.may(Scope::Operator) {
        return Err(Problem::new(
            &kinds::INSUFFICIENT_SCOPE,
            "only an operator's key may make, rotate or delete a key with the scope `operator`",
        ));
    }
    Ok(())
}

/// The organization's keys, without their secrets.
#[utoipa::path(get, path = "/api/admin/keys", tag = "admin", operation_id = "listKeys",
    responses((status = 200, description = "`{keys: [...]}`", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
) -> Result<Json<Value>, Problem> {
    let keys: Vec<Value> = app
        .store
        .list_keys(principal.organization)
        .await?
        .into_iter()
        .map(|key| {
            json!({"id": key.id, "name": key.name, "kind": key.kind, "scopes": key.scopes, "origins": key.origins,
                "message_cap": key.message_cap, "created_at": key.created_at, "expires_at": key.expires_at,
                "last_used_at": key.last_used_at})
        })
        .collect();
    Ok(Json(json!({"keys": keys})))
}

/// Puts a new key in an old one's place. Both work until the overlap is over.
#[utoipa::path(post, path = "/api/admin/keys/{id}/rotate", tag = "admin", operation_id = "rotateKey",
    params(("id" = String, Path, description = "The key's id")),
    request_body(content = Option<RotateRequest>),
    responses((status = 200, description = "`{id, key}`", body = crate::http::schema::CreatedKey),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body::Json(request): body::Json<RotateRequest>,
) -> Result<Json<Value>, Problem> {
    let overlap_s = request.overlap_s.unwrap_or(USUAL_OVERLAP_S);
    if overlap_s > LONGEST_OVERLAP_S {
        return Err(Problem::invalid_at("overlap_s", format!("0 to {LONGEST_OVERLAP_S} is expected")));
    }
    let old = own_key(&app, &principal, &id).await?;
    let spec = KeySpec {
        organization: principal.organization,
        name: old.name,
        kind: old.principal.kind,
        scopes: old.principal.scopes,
        origins: old.principal.origins,
        message_cap: old.principal.message_cap,
    };
    let secret = app.keyring.rotate(old.principal.key, spec, Duration::from_secs(overlap_s)).await?;
    let secret = secret.ok_or_else(|| Problem::not_found("there is no such key"))?;
    app.origins.forget();
    Ok(Json(json!({"id": secret.id, "key": secret.expose()})))
}

/// Deletes a key. It stops working within a second, everywhere.
#[utoipa::path(delete, path = "/api/admin/keys/{id}", tag = "admin", operation_id = "deleteKey",
    params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is gone"),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let key = own_key(&app, &principal, &id).await?;
    if !app.keyring.delete(principal.organization, key.principal.key).await? {
        return Err(Problem::not_found("there is no such key"));
    }
    app.origins.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// A key of the caller's organization that the caller may lay hands on.
async fn own_key(app: &App, principal: &Principal, id: &str) -> Result<resly_store::StoredKey, Problem> {
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

    fn read(request: Value) -> Result<KeySpec, &'static str> {
        spec(&admin(), serde_json::from_value(request).unwrap()).map_err(|problem| problem.kind().slug)
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
    fn an_admin_makes_no_operators() {
        assert_eq!(read(json!({"name": "o", "scopes": ["operator"]})).err(), Some("insufficient-scope"));
        assert_eq!(read(json!({"name": "", "scopes": []})).err(), Some("invalid-request"));
    }
}
