//! `/api/chat/{id}/stream`: come back to an answer in progress, or stop it.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri};
use resly_core::{approval::ChatClient, turn::live::LiveTurn};
use resly_service::App;

use super::{
    format::Format,
    person,
    post::{answer, identify},
    whole,
};
use crate::{guard::ChatKey, problem::Problem, rates::RateGate};

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
            (String = "text/plain"), (String = "text/event-stream"), (whole::Answer = "application/json"),
        )),
        (status = 204, description = "Nothing is in progress"),
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
    let Some(live) = find(&app, &person, &id).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let mut response = answer(&live, format, false).await?;
    identify(response.headers_mut(), live.conversation, live.message);
    Ok(response)
}

/// Cancels the answer in progress. What was written until then is kept.
#[utoipa::path(
    delete, path = "/api/chat/{id}/stream", tag = "chat", operation_id = "cancelChat",
    params(
        ("id" = String, Path, description = "The conversation's id, or the client's name for it"),
        ("visitorId" = Option<String>, Query, description = "The visitor whose conversation it is, when it has one"),
    ),
    responses(
        (status = 204, description = "It is stopped, or nothing was in progress"),
    ),
)]
pub async fn cancel(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    if let Some(live) = find(&app, &person(&principal, uri.query())?, &id).await? {
        live.cancel();
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The turn that is running in a conversation. One of another organization, visitor or publishable key is one that isn't.
async fn find(app: &App, person: &ChatClient, id: &str) -> Result<Option<Arc<LiveTurn>>, Problem> {
    let conversation = app.turns.store.find_conversation(person, id).await?;
    Ok(conversation.and_then(|conversation| app.turns.live.find(person.organization, conversation)))
}
