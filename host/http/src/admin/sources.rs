//! `/api/admin/sources`: what the organization knows.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::SourceId,
    knowledge::{self, KnowledgeStore},
    time::Timestamp,
};
use resly_service::{
    App,
    sources::{self, NewSource},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

/// What a source takes in memory while it is added, in bodies of its size.
const COPIES: usize = 4;

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

#[derive(Serialize, ToSchema)]
pub struct Source {
    #[schema(value_type = String, format = "uuid")]
    id: SourceId,
    title: String,
    #[schema(required)]
    url: Option<String>,
    content_type: String,
    /// Passages that it was cut into.
    chunks: u32,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<knowledge::Source> for Source {
    fn from(source: knowledge::Source) -> Self {
        let knowledge::Source { id, title, url, content_type, chunks, created_at } = source;
        Self { id, title, url, content_type, chunks, created_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Sources {
    /// Newest first.
    sources: Vec<Source>,
}

/// Adds a source. It is cut, embedded and indexed before the answer.
#[utoipa::path(post, path = "/api/admin/sources", tag = "admin", operation_id = "createSource",
    request_body = SourceRequest,
    responses((status = 201, description = "The source", body = CreatedSource)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::LargeJson { bytes, admission }: body::LargeJson,
) -> Result<(StatusCode, Json<CreatedSource>), Problem> {
    // The text, its passages, their vectors.
    admission.reserve(bytes.len().saturating_mul(COPIES))?;
    let cut = admission.examine(move || {
        let SourceRequest { title, text, content_type, url } = body::parse_large(&bytes)?;
        drop(bytes);
        Ok::<_, Problem>(NewSource { title, text, content_type, url }.cut()?)
    });
    let added = sources::add(&app, principal.organization, cut.await??).await?;
    Ok((StatusCode::CREATED, Json(CreatedSource { id: added.id, chunks: added.chunks })))
}

/// The organization's sources, newest first.
#[utoipa::path(get, path = "/api/admin/sources", tag = "admin", operation_id = "listSources",
    responses((status = 200, description = "The sources", body = Sources)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Sources>, Problem> {
    let sources = app.store.list_sources(principal.organization).await?;
    Ok(Json(Sources { sources: sources.into_iter().map(Source::from).collect() }))
}

/// Deletes a source with its passages.
#[utoipa::path(delete, path = "/api/admin/sources/{id}", tag = "admin", operation_id = "deleteSource",
    params(("id" = String, Path, description = "The source's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("there is no such source");
    let id = id.parse().map_err(|_| missing())?;
    let deleted = app.library.remove(principal.organization, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}
