//! `/api/admin/publishers`: the publishers whose signatures an organization trusts, and whether it requires one.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{id::PublisherId, time::Timestamp};
use resly_manifest::signature::PublicKey;
use resly_service::{
    App,
    publishers::{self, NewPublisher, PublisherError},
};
use resly_store::Trust;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublisherRequest {
    /// For people: 1 to 100 characters.
    name: String,
    /// An Ed25519 key: 32 bytes in Base64, as `resly connector keygen` prints it.
    public_key: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishersPatch {
    /// Whether an upload has to be signed by one of the publishers, to be taken in and to be installed.
    required: bool,
}

#[derive(Serialize, ToSchema)]
pub struct Publisher {
    #[schema(value_type = String, format = "uuid")]
    id: PublisherId,
    /// For people.
    name: String,
    /// An Ed25519 key in Base64.
    #[schema(value_type = String)]
    public_key: PublicKey,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<resly_store::Publisher> for Publisher {
    fn from(publisher: resly_store::Publisher) -> Self {
        let resly_store::Publisher { id, name, public_key, created_at } = publisher;
        Self { id, name, public_key, created_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Publishers {
    /// Whether an upload has to be signed by one of them.
    required: bool,
    /// Oldest first.
    publishers: Vec<Publisher>,
}

impl From<Trust> for Publishers {
    fn from(Trust { required, publishers }: Trust) -> Self {
        Self { required, publishers: publishers.into_iter().map(Publisher::from).collect() }
    }
}

/// The publishers that this organization trusts.
#[utoipa::path(get, path = "/api/admin/publishers", tag = "admin", operation_id = "listPublishers",
    responses((status = 200, description = "The publishers", body = Publishers)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Publishers>, Problem> {
    Ok(Json(app.store.trust(principal.organization).await?.into()))
}

/// Trusts another publisher.
#[utoipa::path(post, path = "/api/admin/publishers", tag = "admin", operation_id = "addPublisher",
    request_body = PublisherRequest,
    responses((status = 201, description = "The publisher", body = Publisher)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(PublisherRequest { name, public_key }): body::Json<PublisherRequest>,
) -> Result<(StatusCode, Json<Publisher>), Problem> {
    let added = publishers::add(&app, principal.organization, NewPublisher { name, public_key }).await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

/// Says whether uploads have to be signed by a publisher that is trusted.
#[utoipa::path(patch, path = "/api/admin/publishers", tag = "admin", operation_id = "requirePublisher",
    request_body = PublishersPatch,
    responses((status = 200, description = "The publishers, as it is now", body = Publishers)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(patch): body::Json<PublishersPatch>,
) -> Result<Json<Publishers>, Problem> {
    Ok(Json(publishers::require(&app, principal.organization, patch.required).await?.into()))
}

/// Removes a publisher. Installed connectors go on working. When a trusted publisher is required, versions of this one
/// can no longer be installed, moved to or enabled.
#[utoipa::path(delete, path = "/api/admin/publishers/{id}", tag = "admin", operation_id = "deletePublisher",
    params(("id" = String, Path, description = "The publisher's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| PublisherError::Missing)?;
    let deleted = app.store.delete_publisher(principal.organization, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(PublisherError::Missing.into()) }
}
