//! `GET /api/messages/{id}`: a message with its citations, steps and tokens.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_service::App;

use super::{chat::Answer, guard::ChatKey, problem::Problem};

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
