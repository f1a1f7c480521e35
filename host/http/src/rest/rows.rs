//! `/rest/v1/{table}`: reads, inserts, updates and deletes rows.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use resly_rest::{body::Form, limits, media::Media, prefer::Return, registry::Verb};
use resly_service::{
    App,
    rest::{self, Deletion, Reading, RowChange, Written},
};

use super::{errors::Refusal, headers::Asked, root::allow};
use crate::{
    body,
    guard::{DataReader, DataWriter},
    problem::Problem,
};

/// What rows take in memory while they are parsed and written, in bodies of their size.
const COPIES: usize = 8;
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Reads rows.
#[utoipa::path(get, path = "/rest/v1/{table}", tag = "data", operation_id = "readRows",
    params(
        ("table" = String, Path, description = "A table of `/rest/v1/`"),
        ("select" = Option<String>, Query, description = "Columns, aggregates and embedded relations"),
        ("order" = Option<String>, Query, description = "Columns with `.asc`, `.desc`, `.nullsfirst`, `.nullslast`"),
        ("limit" = Option<u32>, Query, description = "At most 1000"),
        ("offset" = Option<u32>, Query, description = "Rows to skip"),
    ),
    responses((status = 200, description = "The rows"), (status = 206, description = "A part of the rows")))]
pub async fn read(
    State(app): State<Arc<App>>,
    DataReader(principal): DataReader,
    Path(table): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let asked = Asked::read(&parts)?;
    let (single, media, applied) = (asked.single(), asked.media, asked.preferences.applied(false));
    let Asked { query, preferences, range, .. } = asked;
    let found = rest::read(&app, principal.organization, Reading { table, query, preferences, range, single }).await?;
    let status = StatusCode::from_u16(found.status).unwrap_or(StatusCode::OK);
    Ok(answer(status, Some((media, found.rows.body(media))), &found.content_range, applied))
}

/// The headers of a read: with `Prefer: count=exact`, `Content-Range` counts the rows.
#[utoipa::path(head, path = "/rest/v1/{table}", tag = "data", operation_id = "countRows",
    params(("table" = String, Path, description = "A table of `/rest/v1/`")),
    responses((status = 200, description = "As of a read, without its body"),
        (status = 206, description = "The same, of a part of the rows")))]
pub async fn count(
    app: State<Arc<App>>,
    reader: DataReader,
    table: Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    read(app, reader, table, request).await
}

/// Which methods a table takes, with any key that may read.
#[utoipa::path(options, path = "/rest/v1/{table}", tag = "data", operation_id = "tableOptions",
    params(("table" = String, Path, description = "A table of `/rest/v1/`")),
    responses((status = 200, description = "The methods, in `Allow`")))]
pub async fn options(_: DataReader, Path(table): Path<String>) -> Result<Response, Refusal> {
    let verbs = rest::verbs(&table)?.iter().map(|verb| match verb {
        Verb::Insert => "POST",
        Verb::Update => "PATCH",
        Verb::Delete => "DELETE",
    });
    let methods: Vec<&str> = ["OPTIONS", "GET", "HEAD"].into_iter().chain(verbs).collect();
    Ok(allow(&methods.join(",")))
}

/// Inserts rows; updates those that are there already with `Prefer: resolution=merge-duplicates`.
#[utoipa::path(post, path = "/rest/v1/{table}", tag = "data", operation_id = "insertRows",
    params(("table" = String, Path, description = "A table of `/rest/v1/`")),
    responses((status = 201, description = "The rows are there; with `Prefer: return=representation`, as the body")))]
pub async fn insert(
    State(app): State<Arc<App>>,
    DataWriter(principal): DataWriter,
    Path(table): Path<String>,
    request: Request,
) -> Result<Response, Response> {
    let (insertion, answered) = change_of(table, request).await?;
    let written = rest::insert(&app, principal.organization, insertion).await.map_err(refuse)?;
    Ok(answered.response(StatusCode::CREATED, StatusCode::CREATED, &written, false))
}

/// Updates the rows for which the conditions hold. A request without conditions is refused.
#[utoipa::path(patch, path = "/rest/v1/{table}", tag = "data", operation_id = "updateRows",
    params(("table" = String, Path, description = "A table of `/rest/v1/`")),
    responses((status = 204, description = "The rows are updated"),
        (status = 200, description = "The same, with `Prefer: return=representation`")))]
pub async fn update(
    State(app): State<Arc<App>>,
    DataWriter(principal): DataWriter,
    Path(table): Path<String>,
    request: Request,
) -> Result<Response, Response> {
    let (update, answered) = change_of(table, request).await?;
    let written = rest::update(&app, principal.organization, update).await.map_err(refuse)?;
    Ok(answered.response(StatusCode::NO_CONTENT, StatusCode::OK, &written, true))
}

/// Deletes the rows for which the conditions hold. A request without conditions is refused.
#[utoipa::path(delete, path = "/rest/v1/{table}", tag = "data", operation_id = "deleteRows",
    params(("table" = String, Path, description = "A table of `/rest/v1/`")),
    responses((status = 204, description = "The rows are gone"),
        (status = 200, description = "The same, with `Prefer: return=representation`")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    DataWriter(principal): DataWriter,
    Path(table): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let asked = Asked::read(&parts)?;
    let answered = Answered::of(&asked);
    let (returns, single) = (asked.returns(), asked.single());
    let Asked { query, preferences, .. } = asked;
    let deletion = Deletion { table, query, preferences, returns, single };
    let written = rest::delete(&app, principal.organization, deletion).await?;
    Ok(answered.response(StatusCode::NO_CONTENT, StatusCode::OK, &written, false))
}

fn refuse(error: impl Into<Refusal>) -> Response {
    error.into().into_response()
}

/// What a request with a body changes, and how it is answered.
async fn change_of(table: String, request: Request) -> Result<(RowChange, Answered), Response> {
    let (parts, body) = request.into_parts();
    let asked = Asked::read(&parts).map_err(refuse)?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let form = Form::of(content_type).map_err(refuse)?;
    let bytes = body::read(body, &parts, limits::BODY).await.map_err(Problem::into_response)?;
    let admission = body::Admission::of(&parts.extensions).map_err(Problem::into_response)?;
    admission.reserve(bytes.len().saturating_mul(COPIES)).map_err(Problem::into_response)?;
    let answered = Answered::of(&asked);
    let (returns, single) = (asked.returns(), asked.single());
    let Asked { query, preferences, .. } = asked;
    Ok((RowChange { table, query, preferences, form, body: bytes.to_vec(), returns, single }, answered))
}

/// What a write is answered with.
struct Answered {
    returned: Return,
    media: Media,
    counts: bool,
    applied: Option<String>,
}

impl Answered {
    fn of(asked: &Asked) -> Self {
        Self {
            returned: asked.preferences.returned.unwrap_or_default(),
            media: asked.media,
            counts: asked.preferences.count.is_some(),
            applied: asked.preferences.applied(true),
        }
    }

    /// `ranged` when `Content-Range` tells the rows, as it does for updates.
    fn response(self, bare: StatusCode, full: StatusCode, written: &Written, ranged: bool) -> Response {
        let Written { rows, affected } = written;
        let total = if self.counts { affected.to_string() } else { "*".to_owned() };
        let range = match affected.checked_sub(1) {
            Some(last) if ranged => format!("0-{last}/{total}"),
            _ => format!("*/{total}"),
        };
        match self.returned {
            Return::Representation => answer(full, Some((self.media, rows.body(self.media))), &range, self.applied),
            Return::Minimal | Return::Headers => answer(bare, None, &range, self.applied),
        }
    }
}

fn answer(status: StatusCode, body: Option<(Media, String)>, range: &str, applied: Option<String>) -> Response {
    let mut response = match body {
        Some((media, text)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()))], text).into_response()
        }
        None => Response::new(Body::empty()),
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_PROFILE, HeaderValue::from_static("public"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let applied = applied.and_then(|applied| HeaderValue::try_from(applied).ok());
    for (name, value) in [(header::CONTENT_RANGE, HeaderValue::try_from(range).ok()), (PREFERENCE_APPLIED, applied)] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    response
}
