//! `/api/admin/synonyms`: the words and phrases that an organization's customers use for one another.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::knowledge::{self, KnowledgeStore};
use resly_service::{App, synonyms};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

/// What questions are also looked for by. At most 1,000 sets and one-way entries together.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Synonyms {
    /// Each set has 2 to 20 words or phrases that mean the same, of at most 100 characters.
    #[serde(default)]
    #[schema(required)]
    sets: Vec<Vec<String>>,
    #[serde(default)]
    #[schema(required)]
    one_way: Vec<OneWaySynonym>,
}

/// A question with `from` is also one with any of `to`, and not the other way round.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneWaySynonym {
    from: String,
    /// 1 to 20 words or phrases.
    to: Vec<String>,
}

impl From<knowledge::Synonyms> for Synonyms {
    fn from(knowledge::Synonyms { sets, one_way }: knowledge::Synonyms) -> Self {
        let entry = |knowledge::OneWay { from, to }| OneWaySynonym { from, to };
        Self { sets, one_way: one_way.into_iter().map(entry).collect() }
    }
}

impl From<Synonyms> for knowledge::Synonyms {
    fn from(Synonyms { sets, one_way }: Synonyms) -> Self {
        let entry = |OneWaySynonym { from, to }| knowledge::OneWay { from, to };
        Self { sets, one_way: one_way.into_iter().map(entry).collect() }
    }
}

/// The organization's synonyms.
#[utoipa::path(get, path = "/api/admin/synonyms", tag = "admin", operation_id = "getSynonyms",
    responses((status = 200, description = "The synonyms", body = Synonyms)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Synonyms>, Problem> {
    Ok(Json(app.store.synonyms(principal.organization).await?.into()))
}

/// Replaces all synonyms. They are in force within a second.
#[utoipa::path(put, path = "/api/admin/synonyms", tag = "admin", operation_id = "setSynonyms",
    request_body = Synonyms,
    responses((status = 200, description = "The synonyms", body = Synonyms)))]
pub async fn set(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<Synonyms>,
) -> Result<Json<Synonyms>, Problem> {
    let synonyms = knowledge::Synonyms::from(request);
    synonyms::set(&app, principal.organization, synonyms.clone()).await?;
    Ok(Json(synonyms.into()))
}
