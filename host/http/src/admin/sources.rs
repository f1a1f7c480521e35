//! `/api/admin/sources`: what the organization knows.

pub mod files;
pub mod pages;
pub mod texts;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use resly_core::{
    id::{CrawlId, SourceId},
    knowledge::{self, SourceKind, SourceStatus},
    time::Timestamp,
};
use resly_service::{
    App,
    sources::{self, ListedSources, Taken},
};
use resly_store::StoredSource;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
};

#[derive(Serialize, ToSchema)]
pub struct Source {
    #[schema(value_type = String, format = "uuid")]
    id: SourceId,
    /// Where it comes from.
    #[schema(value_type = openapi_enums::SourceKind)]
    kind: SourceKind,
    /// The crawl that keeps it.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    crawl: Option<CrawlId>,
    /// `queued` and `reading` until it is `ready` or has `failed`. What was known of it before is found meanwhile.
    #[schema(value_type = openapi_enums::SourceStatus)]
    status: SourceStatus,
    /// Why it could not be read, or why the next try waits.
    #[schema(required)]
    failure: Option<SourceFailure>,
    /// What was left out of the text.
    #[schema(required)]
    note: Option<String>,
    progress: ReadProgress,
    title: String,
    #[schema(required)]
    url: Option<String>,
    /// Your own key for it, when it was sent with one.
    #[schema(required)]
    key: Option<String>,
    content_type: String,
    /// SHA-256 of the file or page, in hexadecimal digits.
    #[schema(required)]
    sha256: Option<String>,
    /// Passages that it was cut into.
    chunks: u32,
    /// Seconds between two readings of a page.
    #[schema(required)]
    refresh_every_s: Option<u32>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When anything of it changed, also that it was compared with where it comes from.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it was last compared with where it comes from.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    checked_at: Option<Timestamp>,
    /// When it is read next.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_read_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub struct SourceFailure {
    #[schema(value_type = openapi_enums::SourceFailureKind)]
    kind: knowledge::FailureKind,
    /// What happened and what to do.
    message: String,
}

/// How far a reading is.
#[derive(Serialize, ToSchema)]
pub struct ReadProgress {
    /// Passages that have a vector.
    embedded: u32,
    /// Passages that need one; 0 before the text is known.
    passages: u32,
}

impl From<knowledge::Source> for Source {
    fn from(source: knowledge::Source) -> Self {
        let knowledge::Source { id, kind, crawl, status, failure, note, progress, title, url, content_type, .. } =
            source;
        let knowledge::Source { identity, content_hash, chunks, refresh_every_s, .. } = source;
        let knowledge::Source { created_at, updated_at, checked_at, due_at: next_read_at, .. } = source;
        let failure = failure.map(|knowledge::SourceFailure { kind, message }| SourceFailure { kind, message });
        let knowledge::ReadProgress { embedded, passages } = progress;
        Self {
            id,
            kind,
            crawl,
            status,
            failure,
            note,
            progress: ReadProgress { embedded, passages },
            title,
            url,
            key: sources::key_of(identity.as_deref()).map(str::to_owned),
            content_type,
            sha256: content_hash.map(|hash| data_encoding::HEXLOWER.encode(&hash)),
            chunks,
            refresh_every_s,
            created_at,
            updated_at,
            checked_at,
            next_read_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Sources {
    /// Newest first.
    sources: Vec<Source>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SourceWithText {
    #[serde(flatten)]
    source: Source,
    /// As it was sent, or as it was read of the document.
    text: String,
}

impl From<StoredSource> for SourceWithText {
    fn from(StoredSource { source, text }: StoredSource) -> Self {
        Self { source: source.into(), text }
    }
}

pub struct SourceParameters {
    status: Option<SourceStatus>,
    crawl: Option<CrawlId>,
    key_prefix: Option<String>,
    page: Page,
}

impl FromQuery for SourceParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self {
            status: parameters.choice("status", &SourceStatus::ALL, SourceStatus::name),
            crawl: parameters.id("crawl"),
            key_prefix: parameters.text("key_prefix"),
            page: Page::from_query(parameters),
        }
    }
}

/// A page of the organization's sources.
#[utoipa::path(get, path = "/api/admin/sources", tag = "admin", operation_id = "listSources",
    params(
        ("status" = Option<String>, Query, description = "`queued`, `reading`, `ready` or `failed`"),
        ("crawl" = Option<String>, Query, description = "Only this crawl's"),
        ("key_prefix" = Option<String>, Query, description = "Only sources whose own key begins with this"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = Sources)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(SourceParameters { status, crawl, key_prefix, page }): Query<SourceParameters>,
) -> Result<Json<Sources>, Problem> {
    let listed = ListedSources { status, crawl, key_prefix, before: page.before, limit: page.limit + 1 };
    let mut found = sources::list(&app, principal.organization, listed).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |source| (source.created_at, source.id.0));
    Ok(Json(Sources { sources: found.into_iter().map(Source::from).collect(), next }))
}

/// One source with its text.
#[utoipa::path(get, path = "/api/admin/sources/{id}", tag = "admin", operation_id = "getSource",
    params(("id" = String, Path, description = "The source's id")),
    responses((status = 200, description = "The source", body = SourceWithText)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    _: Query<NoParameters>,
) -> Result<Json<SourceWithText>, Problem> {
    Ok(Json(sources::find(&app, principal.organization, id_of(&id)?).await?.into()))
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
    let deleted = app.library.remove(principal.organization, id_of(&id)?).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

fn missing() -> Problem {
    Problem::not_found("there is no such source")
}

fn id_of(text: &str) -> Result<SourceId, Problem> {
    text.parse().map_err(|_| missing())
}

/// 202 while the document waits or is read; else 201 for a new source, and 200 for one that was there.
fn taken(taken: Taken) -> Response {
    let Taken { source, is_new } = taken;
    let (id, waits) = (source.id, matches!(source.status, SourceStatus::Queued | SourceStatus::Reading));
    let shown = Json(Source::from(source));
    let place = [(header::LOCATION, format!("/api/admin/sources/{id}"))];
    match (waits, is_new) {
        (true, _) => (StatusCode::ACCEPTED, place, shown).into_response(),
        (false, true) => (StatusCode::CREATED, place, shown).into_response(),
        (false, false) => (StatusCode::OK, shown).into_response(),
    }
}
