//! `/api/chat/{id}/stream`: resumes the stream of an answer in progress, or cancels the answer.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri};
use resly_core::{approval::ChatClient, id::MessageId, turn::live::LiveTurn};
use resly_service::App;

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
/// `id` is the conversation's, or the client's own name for it. The stream starts at the answer's beginning.
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
        (status = 409, description = "Another host writes the answer"),
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
    let live = match find(&app, &person, &id).await? {
        InProgress::Here(live) => live,
        InProgress::Elsewhere(answer) => return Err(answer_elsewhere(answer)),
        InProgress::Nothing => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let mut response = answer(&live, format, false).await?;
    identify(response.headers_mut(), live.conversation, live.message);
    Ok(response)
}

/// Cancels the answer in progress. What was written until then is kept.
///
/// An answer that another host writes is cancelled within two seconds.
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
    match find(&app, &person, &id).await? {
        InProgress::Here(live) => live.cancel(),
        InProgress::Elsewhere(answer) => app.turns.store.request_cancel(person.organization, answer).await?,
        InProgress::Nothing => {}
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Where a conversation's answer is being written.
enum InProgress {
    Here(Arc<LiveTurn>),
    /// On another host of the same database.
    Elsewhere(MessageId),
    Nothing,
}

/// Finds the turn that is running in a conversation. A conversation of another organization, visitor or publishable key
/// looks like none.
async fn find(app: &App, person: &ChatClient, id: &str) -> Result<InProgress, Problem> {
    let (store, organization) = (&app.turns.store, person.organization);
    let Some(conversation) = store.find_conversation(person, id).await? else { return Ok(InProgress::Nothing) };
    if let Some(live) = app.turns.live.find(organization, conversation) {
        return Ok(InProgress::Here(live));
    }
    let answer = store.answer_in_progress(organization, conversation, app.clock.now()).await?;
    // A turn of this host is in the database a moment before it is in memory.
    let live = app.turns.live.find(organization, conversation);
    let here = live.map(InProgress::Here);
    Ok(here.or(answer.map(InProgress::Elsewhere)).unwrap_or(InProgress::Nothing))
}

fn answer_elsewhere(answer: MessageId) -> Problem {
    let detail = format!(
        "another host writes this answer, and only that host can stream it; once it is finished, read it with \
         `GET /api/messages/{}`",
        answer.0
    );
    Problem::new(&kinds::ANSWER_ELSEWHERE, detail)
}
