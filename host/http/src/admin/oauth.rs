//! `/api/admin/connections/{id}/oauth/start`: the link by which a person authorizes a connection.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::time::Timestamp;
use resly_service::{App, accounts::authorization};
use serde::Serialize;
use utoipa::ToSchema;

use super::connections;
use crate::{guard::Admin, problem::Problem};

#[derive(Serialize, ToSchema)]
pub struct AuthorizationLink {
    /// For the browser of who owns the account.
    authorize_url: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<authorization::AuthorizationLink> for AuthorizationLink {
    fn from(authorization::AuthorizationLink { url, expires_at }: authorization::AuthorizationLink) -> Self {
        Self { authorize_url: url, expires_at }
    }
}

/// Begins an authorization; also of a connection that has one, to authorize it again in place.
#[utoipa::path(post, path = "/api/admin/connections/{id}/oauth/start", tag = "admin", operation_id = "startAuthorization",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "The link to open", body = AuthorizationLink)))]
pub async fn start(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<AuthorizationLink>, Problem> {
    let by = Some(principal.key);
    Ok(Json(authorization::start(&app, principal.organization, by, connections::parse(&id)?).await?.into()))
}
