//! Takes files.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::header;
use resly_service::{
    App,
    sources::{self, FILE_MOST, NewFile},
};

use super::{Source, taken};
use crate::{
    body,
    guard::Admin,
    problem::{Problem, kinds},
    query::{FromQuery, Parameters, Query},
};

pub struct FileParameters {
    filename: Option<String>,
    title: Option<String>,
    url: Option<String>,
    key: Option<String>,
}

impl FromQuery for FileParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        let mut text = |name| parameters.text(name);
        Self { filename: text("filename"), title: text("title"), url: text("url"), key: text("key") }
    }
}

/// Adds a file: text, Markdown, HTML, PDF, DOCX or CSV. The body is the file itself, of at most 16 MiB.
///
/// The file is stored before the answer and read in the sandbox. When that takes longer than two seconds the answer is 202,
/// and `GET /api/admin/sources/{id}` tells how it goes. A source with the same `key`, or without one the same `url`, is
/// replaced and keeps its id; the same file again changes nothing.
#[utoipa::path(post, path = "/api/admin/sources/files", tag = "admin", operation_id = "uploadSource",
    params(
        ("filename" = Option<String>, Query, description = "The file's name; its ending tells the format, when the bytes don't"),
        ("title" = Option<String>, Query, description = "Wins over the document's own title"),
        ("url" = Option<String>, Query, description = "Where people read it; citations link to it"),
        ("key" = Option<String>, Query, description = "Your own name for it, such as its path"),
    ),
    request_body(description = "The file", content_type = "application/octet-stream", content = String),
    responses((status = 201, description = "The source, which is read", body = Source),
        (status = 200, description = "The source that was there, which is read", body = Source),
        (status = 202, description = "The file is stored and will be read; `Location` tells how that goes", body = Source)))]
pub async fn upload(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(FileParameters { filename, title, url, key }): Query<FileParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if content_type.as_deref().is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/")) {
        return Err(Problem::new(
            &kinds::UNSUPPORTED_MEDIA_TYPE,
            "send the file itself as the body, not a form: `curl --data-binary @FILE` in place of `-F file=@FILE`, with the \
             file's content type and `?filename=FILE`",
        ));
    }
    let bytes = body::read(body, &parts, FILE_MOST).await?;
    let file = NewFile { bytes, content_type, filename, title, url, key };
    Ok(taken(sources::upload(&app, principal.organization, file).await?))
}
