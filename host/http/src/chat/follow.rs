//! `/api/chat/{id}/stream`: resumes the stream of an answer in progress, or cancels the answer.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri};
use resly_core::id::MessageId;
use resly_service::{
    App,
    cluster::follow::{self, InProgress},
};

use super::{
    format::Format,
    json, person,
    post::{answer, identify},
};
use crate::{
    guard::ChatKey,
    problem::{Problem, kinds},
    rates::RateGate,
};

/// Resumes a stream in progress.
///
/// `id` is the conversation's, or the client's own name for it. The stream starts at the answer's beginning, whichever
/// host writes the answer.
#[utoipa::path(
    get, path = "/api/chat/{id}/stream", tag = "chat", operation_id = "resumeChat",
    params(
        ("id" = String, Path, description = "The conversation's id, or the client's name for it"),
        ("visitorId" = Option<String>, Query, description = "The visitor whose conversation it is, when it has one"),
        ("format" = Option<String>, Query, description = "As for `POST /api/chat`"),
    ),
    responses(
        (status = 200, description = "The answer from its beginning, then as it comes", content(
            (String = "text/plain"), (String = "text/event-stream"), (json::Answer = "application/json"),
        )),
        (status = 204, description = "Nothing is in progress"),
        (status = 409, description = "Another host writes the answer, and this one doesn't know how to reach it"),
    ),
)]
pub async fn resume(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let query = request.uri().query();
    let format = Format::choose(query, request.headers())?;
    let person = person(&principal, query)?;
    RateGate::pass_visitor(request.extensions(), person.visitor.as_deref()).await?;
    let events = match follow::follow(&app, &person, &id, format.delivery()).await? {
        InProgress::Here(live) => live.answer(),
        InProgress::Elsewhere(events) => events,
        InProgress::Unreachable(answer) => return Err(answer_elsewhere(answer)),
        InProgress::Nothing => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let (conversation, message) = (events.conversation, events.message);
    let mut response = answer(events, format, false).await?;
    identify(response.headers_mut(), conversation, message);
    Ok(response)
}

/// Cancels the answer in progress. What was written until then is kept.
///
/// An answer that another host writes is cancelled at once, or within two seconds if that host can't be reached.
#[utoipa::path(
    delete, path = "/api/chat/{id}/stream", tag = "chat", operation_id = "cancelChat",
    params(
        ("id" = String, Path, description = "The conversation's id, or the client's name for it"),
        ("visitorId" = Option<String>, Query, description = "The visitor whose conversation it is, when it has one"),
    ),
    responses(
        (status = 204, description = "It is stopped or about to be, or nothing was in progress"),
    ),
)]
pub async fn cancel(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    let person = person(&principal, uri.query())?;
    follow::cancel(&app, &person, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer_elsewhere(answer: MessageId) -> Problem {
    let detail = format!(
        "another host writes this answer, and it has told no address for other hosts; once it is finished, read the \
         answer with `GET /api/messages/{}`",
        answer.0
    );
    Problem::new(&kinds::ANSWER_ELSEWHERE, detail)
}
