//! `/api/messages/{id}`: a message with its citations, steps and tokens, and what the visitor says of it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::outcome::Rating;
use resly_service::{App, analytics};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{body, chat::Answer, guard::ChatKey, openapi_enums, problem::Problem};

/// What the visitor says of an answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingRequest {
    #[schema(value_type = openapi_enums::Rating)]
    rating: Rating,
}

/// One message with its citations, steps and tokens; also one that was superseded.
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "chat", operation_id = "getMessage",
    params(("id" = String, Path, description = "From `X-Message-Id`")),
    responses(
        (status = 200, description = "The message", body = Answer),
    ),
)]
pub async fn get(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
) -> Result<Json<Answer>, Problem> {
    let missing = || Problem::not_found("there is no such message");
    let id = id.parse().map_err(|_| missing())?;
    let message = app.turns.store.message(principal.organization, id).await?.ok_or_else(missing)?;
    Ok(Json(Answer::stored(&message)))
}

/// Stores what the visitor says of an answer: `up` or `down`. The last word counts.
#[utoipa::path(
    post, path = "/api/messages/{id}/rating", tag = "chat", operation_id = "rateMessage",
    params(("id" = String, Path, description = "From `X-Message-Id`")),
    request_body = RatingRequest,
    responses((status = 204, description = "It is stored")),
)]
pub async fn rate(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
    body::Json(RatingRequest { rating }): body::Json<RatingRequest>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| not_rated())?;
    let rated = analytics::rate(&app, principal.organization, id, Some(rating)).await?;
    rated.then_some(StatusCode::NO_CONTENT).ok_or_else(not_rated)
}

/// Takes back what the visitor said of an answer.
#[utoipa::path(
    delete, path = "/api/messages/{id}/rating", tag = "chat", operation_id = "unrateMessage",
    params(("id" = String, Path, description = "From `X-Message-Id`")),
    responses((status = 204, description = "The answer has no rating")),
)]
pub async fn forget_rating(
    State(app): State<Arc<App>>,
    ChatKey(principal): ChatKey,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| not_rated())?;
    let rated = analytics::rate(&app, principal.organization, id, None).await?;
    rated.then_some(StatusCode::NO_CONTENT).ok_or_else(not_rated)
}

fn not_rated() -> Problem {
    Problem::not_found("there is no such answer, or it isn't whole yet")
}
