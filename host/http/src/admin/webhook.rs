//! `/api/admin/webhook`: the webhook that gets an organization's alerts, and its deliveries.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    alert::Event,
    id::{AlertId, DeliveryId, WebhookId},
    time::Timestamp,
};
use resly_service::{
    App,
    webhooks::{self, SavedWebhook, WebhookError, WebhookSpec},
};
use resly_store::{DeliveryState, Webhook as StoredWebhook};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// https, at a public address, unless an operator lists the host.
    url: String,
    /// Of `connection.needs_auth`, `connection.failing`, `connection.recovered`, `credential.expiring`, `usage.threshold`,
    /// `plan.changed`, `subscription.changed`; all when absent.
    events: Option<Vec<String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecretRequest {
    /// For how long messages are signed with the old secret as well, in seconds: a day when absent, a week at most.
    overlap_s: Option<u64>,
}

/// Where alerts are sent. Its secret is shown once only.
#[derive(Serialize, ToSchema)]
pub struct Webhook {
    #[schema(value_type = String, format = "uuid")]
    id: WebhookId,
    url: String,
    /// `null` is all of them.
    #[schema(required, value_type = Option<Vec<openapi_enums::Event>>)]
    events: Option<Vec<Event>>,
    /// When the secret that was replaced stops signing.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Only in the answer that makes the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<StoredWebhook> for Webhook {
    fn from(StoredWebhook { id, url, events, previous, created_at, .. }: StoredWebhook) -> Self {
        let previous_secret_until = previous.map(|(_, until)| until);
        Self { id, url, events, previous_secret_until, created_at, secret: None }
    }
}

#[derive(Serialize, ToSchema)]
pub struct RotatedSecret {
    /// Shown this once.
    secret: String,
    /// When the secret before it stops signing.
    #[schema(value_type = String, format = DateTime)]
    previous_secret_until: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub struct WebhookTest {
    ok: bool,
    /// What the webhook's server answered with.
    #[schema(required)]
    status: Option<u16>,
    /// Why it didn't work.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// A message to the webhook.
#[derive(Serialize, ToSchema)]
pub struct Delivery {
    #[schema(value_type = String, format = "uuid")]
    id: DeliveryId,
    #[schema(value_type = openapi_enums::Event)]
    r#type: Event,
    #[schema(required, value_type = Option<String>, format = "uuid")]
    alert: Option<AlertId>,
    #[schema(value_type = openapi_enums::DeliveryState)]
    state: DeliveryState,
    tries: u32,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_try_at: Option<Timestamp>,
    /// Of the newest answer.
    #[schema(required)]
    last_status: Option<u16>,
    /// Why the newest try failed.
    #[schema(required)]
    last_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<resly_store::Delivery> for Delivery {
    fn from(delivery: resly_store::Delivery) -> Self {
        let resly_store::Delivery { id, event, alert, state, tries, next_try_at, .. } = delivery;
        let resly_store::Delivery { last_status, last_error, created_at, ended_at, .. } = delivery;
        Self { id, r#type: event, alert, state, tries, next_try_at, last_status, last_error, created_at, ended_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Deliveries {
    deliveries: Vec<Delivery>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// Sets the webhook, or changes where the one there is leads. The secret is shown when it is made, and never again.
#[utoipa::path(put, path = "/api/admin/webhook", tag = "admin", operation_id = "setWebhook",
    request_body = WebhookRequest,
    responses((status = 200, description = "It was there and is changed", body = Webhook),
        (status = 201, description = "It is new, and comes with its `secret`", body = Webhook)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<WebhookRequest>,
) -> Result<(StatusCode, Json<Webhook>), Problem> {
    let spec = WebhookSpec { url: request.url, events: request.events };
    let SavedWebhook { webhook, secret } = webhooks::set(&app, principal.organization, spec).await?;
    let status = if secret.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let secret = secret.map(|secret| secret.expose_secret().to_owned());
    Ok((status, Json(Webhook { secret, ..webhook.into() })))
}

/// The webhook, without its secret.
#[utoipa::path(get, path = "/api/admin/webhook", tag = "admin", operation_id = "getWebhook",
    responses((status = 200, description = "The webhook", body = Webhook)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Webhook>, Problem> {
    let webhook = app.store.webhook(principal.organization).await?;
    Ok(Json(webhook.ok_or(WebhookError::Missing)?.into()))
}

/// Removes the webhook. Messages that weren't delivered yet are given up.
#[utoipa::path(delete, path = "/api/admin/webhook", tag = "admin", operation_id = "deleteWebhook",
    responses((status = 204, description = "It is gone")))]
pub async fn delete(State(app): State<Arc<App>>, Admin(principal): Admin) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_webhook(principal.organization, app.clock.now()).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(WebhookError::Missing.into()) }
}

/// Makes a new secret. The old one signs as well until `previous_secret_until`.
#[utoipa::path(post, path = "/api/admin/webhook/rotate", tag = "admin", operation_id = "rotateWebhookSecret",
    request_body(content = Option<RotateSecretRequest>),
    responses((status = 200, description = "The new secret", body = RotatedSecret)))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<RotateSecretRequest>,
) -> Result<Json<RotatedSecret>, Problem> {
    let rotated = webhooks::rotate_secret(&app, principal.organization, request.overlap_s).await?;
    let webhooks::RotatedSecret { secret, previous_until } = rotated;
    Ok(Json(RotatedSecret { secret: secret.expose_secret().to_owned(), previous_secret_until: previous_until }))
}

/// Sends a `webhook.test` at once, and tells how that went.
#[utoipa::path(post, path = "/api/admin/webhook/test", tag = "admin", operation_id = "testWebhook",
    responses((status = 200, description = "How it went", body = WebhookTest)))]
pub async fn test(State(app): State<Arc<App>>, Admin(principal): Admin) -> Result<Json<WebhookTest>, Problem> {
    let tested = app.hooks.test(principal.organization).await?.ok_or(WebhookError::Missing)?;
    Ok(Json(WebhookTest { ok: tested.error.is_none(), status: tested.status, message: tested.error }))
}

/// The webhook's messages, delivered or pending, newest first.
#[utoipa::path(get, path = "/api/admin/webhook/deliveries", tag = "admin", operation_id = "listWebhookDeliveries",
    params(
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = Deliveries)))]
pub async fn deliveries(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(page): Query<Page>,
) -> Result<Json<Deliveries>, Problem> {
    let mut found = app.store.deliveries(principal.organization, page.before, page.limit + 1).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |delivery| (delivery.created_at, delivery.id.0));
    Ok(Json(Deliveries { deliveries: found.into_iter().map(Delivery::from).collect(), next }))
}

/// Sends a message once more that was delivered or given up. Its id stays, so that a receiver who had it can tell.
#[utoipa::path(post, path = "/api/admin/webhook/deliveries/{id}/replay", tag = "admin", operation_id = "replayWebhookDelivery",
    params(("id" = String, Path, description = "The message's id")),
    responses((status = 204, description = "It is queued, and sent within seconds")))]
pub async fn replay(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| WebhookError::NoMessage)?;
    webhooks::replay(&app, principal.organization, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
