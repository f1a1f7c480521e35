//! Adds pages of the web.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use resly_service::{
    App,
    sources::{self, NewPage},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Source, taken};
use crate::{body, guard::Admin, problem::Problem};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    /// A public https URL, or a host that an operator lists in `RESLY_EGRESS_ALLOW`.
    url: String,
    /// Wins over the page's own title.
    title: Option<String>,
    /// Seconds between two readings, 300 to 2,592,000. The page is read once when absent.
    refresh_every_s: Option<u32>,
}

/// Adds a page by its URL, or has the one with the same URL read again. The host fetches it.
///
/// When that takes longer than two seconds the answer is 202, and `GET /api/admin/sources/{id}` tells how it goes.
#[utoipa::path(post, path = "/api/admin/sources/pages", tag = "admin", operation_id = "addPage",
    request_body = PageRequest,
    responses((status = 201, description = "The source, which is read", body = Source),
        (status = 200, description = "The source that was there, which is read", body = Source),
        (status = 202, description = "The page will be read; `Location` tells how that goes", body = Source)))]
pub async fn add(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(PageRequest { url, title, refresh_every_s }): body::Json<PageRequest>,
) -> Result<Response, Problem> {
    Ok(taken(sources::add_page(&app, principal.organization, NewPage { url, title, refresh_every_s }).await?))
}
