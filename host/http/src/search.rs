//! `POST /api/search`: ranked passages for a query.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use resly_core::{
    id::{PassageId, SourceId},
    knowledge,
};
use resly_service::{App, FieldError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::Json, guard::Searcher, problem::Problem, rate_limit};

const QUERY_CAP: usize = 4_000;
const LIMIT_CAP: usize = 50;

#[derive(Deserialize, ToSchema)]
pub struct SearchRequest {
    /// At most 4,000 characters.
    query: String,
    /// 1 to 50; 10 when absent.
    limit: Option<usize>,
    /// Whether the query is still being typed: its last word may then be the beginning of one. False when absent.
    #[serde(default)]
    typing: bool,
}

#[derive(Serialize, ToSchema)]
pub struct SearchResults {
    /// Best first.
    results: Vec<Passage>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    #[schema(value_type = String, format = "uuid")]
    id: PassageId,
    #[schema(value_type = String, format = "uuid")]
    source_id: SourceId,
    title: String,
    /// The headings above it, such as `Billing › Refunds`.
    section: String,
    #[schema(required)]
    url: Option<String>,
    text: String,
    /// Comparable within one answer only.
    score: f32,
}

impl From<knowledge::Passage> for Passage {
    fn from(passage: knowledge::Passage) -> Self {
        let knowledge::Passage { id, source_id, title, section, url, text, score } = passage;
        Self { id, source_id, title, section, url, text, score }
    }
}

/// Searches the organization's knowledge. Counts one message.
#[utoipa::path(
    post, path = "/api/search", tag = "search", operation_id = "search",
    request_body = SearchRequest,
    responses(
        (status = 200, description = "The best passages, best first", body = SearchResults),
    ),
)]
pub async fn handle(
    State(app): State<Arc<App>>,
    Searcher(principal): Searcher,
    Json(request): Json<SearchRequest>,
) -> Result<Response, Problem> {
    let limit = request.limit.unwrap_or(10);
    let mut mistakes = Vec::new();
    if request.query.trim().is_empty() || request.query.chars().count() > QUERY_CAP {
        mistakes.push(FieldError::new("query", format!("1 to {QUERY_CAP} characters are expected")));
    }
    if !(1..=LIMIT_CAP).contains(&limit) {
        mistakes.push(FieldError::new("limit", format!("1 to {LIMIT_CAP} is expected")));
    }
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    let _place = app.turns.load.enter().await?;
    // Found first and counted after: a search that fails adds nothing, one that a limit refuses shows nothing.
    let found = match request.typing {
        true => app.library.retrieve_as_you_type(principal.organization, &request.query, limit).await,
        false => app.turns.retriever.retrieve(principal.organization, &request.query, limit).await,
    };
    let passages = found?;
    let now = app.clock.now();
    let (organization, key) = (principal.organization, principal.key);
    let remaining = app.turns.store.count_search(organization, key, principal.message_cap, now).await?;
    let mut response =
        axum::Json(SearchResults { results: passages.into_iter().map(Passage::from).collect() }).into_response();
    rate_limit::insert(response.headers_mut(), remaining, now);
    Ok(response)
}
