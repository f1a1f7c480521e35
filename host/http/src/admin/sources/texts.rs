//! Adds and replaces texts.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use resly_core::id::SourceId;
use resly_service::{
    App,
    sources::{self, ChunkedSource, NewSource},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Source, id_of, taken};
use crate::{body, guard::Admin, problem::Problem};

/// What a source takes in memory while it is added or replaced, in bodies of its size.
const COPIES: usize = 6;
/// What a passage takes meanwhile beside its text: its vector, and its words for the index.
const PASSAGE: usize = 6 << 10;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceRequest {
    title: String,
    /// At most 16 MiB with the rest of the body.
    text: String,
    /// `text/plain` (the default) or `text/markdown`.
    content_type: Option<String>,
    /// Where people read it; citations link to it. When it ends in `#`, they link to the section by its heading's anchor.
    url: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct CreatedSource {
    #[schema(value_type = String, format = "uuid")]
    id: SourceId,
    /// Passages that it was cut into.
    chunks: u32,
}

async fn cut(body: body::LargeJson) -> Result<ChunkedSource, Problem> {
    let body::LargeJson { bytes, admission } = body;
    // The text, its passages, their vectors; what is known of it.
    let copies = bytes.len().saturating_mul(COPIES);
    admission.reserve(copies)?;
    let share = admission.clone();
    let cut = admission.examine(move || {
        let SourceRequest { title, text, content_type, url } = body::parse_large(&bytes)?;
        drop(bytes);
        let cut = NewSource { title, text, content_type, url }.cut()?;
        share.reserve(copies.saturating_add(cut.passages().saturating_mul(PASSAGE)))?;
        Ok::<_, Problem>(cut)
    });
    cut.await?
}

/// Adds a source. It is cut, embedded and indexed before the answer.
#[utoipa::path(post, path = "/api/admin/sources", tag = "admin", operation_id = "createSource",
    request_body = SourceRequest,
    responses((status = 201, description = "The source", body = CreatedSource)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body: body::LargeJson,
) -> Result<(StatusCode, Json<CreatedSource>), Problem> {
    let added = sources::add(&app, principal.organization, cut(body).await?).await?;
    Ok((StatusCode::CREATED, Json(CreatedSource { id: added.id, chunks: added.chunks })))
}

/// Adds a source, or replaces the one with the same `url`, which keeps its id. Passages that stay aren't embedded again.
#[utoipa::path(put, path = "/api/admin/sources", tag = "admin", operation_id = "putSource",
    request_body = SourceRequest,
    responses((status = 201, description = "The source, which is new", body = Source),
        (status = 200, description = "The source that was replaced", body = Source)))]
pub async fn put(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body: body::LargeJson,
) -> Result<Response, Problem> {
    Ok(taken(sources::put(&app, principal.organization, cut(body).await?).await?))
}

/// Replaces the title, text and URL of a source, which keeps its id. It is a text from then on. Passages that stay aren't
/// embedded again.
#[utoipa::path(put, path = "/api/admin/sources/{id}", tag = "admin", operation_id = "replaceSource",
    params(("id" = String, Path, description = "The source's id")), request_body = SourceRequest,
    responses((status = 200, description = "The source", body = Source)))]
pub async fn replace(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body: body::LargeJson,
) -> Result<Json<Source>, Problem> {
    let id = id_of(&id)?;
    let replaced = sources::replace(&app, principal.organization, id, cut(body).await?).await?;
    Ok(Json(replaced.into()))
}
