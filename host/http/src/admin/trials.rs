//! `/api/admin/connections/{id}/actions/{action}/…`: dry runs, the last output, and previews of mappings.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::time::Timestamp;
use resly_service::{
    App,
    actions::{self, ActionError, PreviewSpec},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use super::{actions::caller, connections};
use crate::{
    body,
    dry_run::DryRun,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

/// Shows the first request that a call would send, with the credential masked. Nothing is dialled or counted toward a
/// limit.
#[utoipa::path(post, path = "/api/admin/connections/{id}/actions/{action}/dry-run", tag = "admin", operation_id = "dryRunAction",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id")),
    request_body(content = BTreeMap<String, Value>, description = "The action's input"),
    responses((status = 200, description = "The request, with the credential masked", body = DryRun)))]
pub async fn dry_run(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, action)): Path<(String, String)>,
    body::Json(input): body::Json<Value>,
) -> Result<Json<DryRun>, Problem> {
    let by = caller(&principal, None);
    Ok(Json(actions::dry_run(&app, by, connections::parse(&id)?, action, input).await?.into()))
}

/// The last output of an action before the connection's mapping, from an admin's calls and tests and from the sandbox.
#[utoipa::path(get, path = "/api/admin/connections/{id}/actions/{action}/sample", tag = "admin", operation_id = "getSample",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id")),
    responses((status = 200, description = "The output", body = Sample)))]
pub async fn sample(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path((id, action)): Path<(String, String)>,
) -> Result<Json<Sample>, Problem> {
    let sample = actions::sample(&app, principal.organization, connections::parse(&id)?, &action).await?;
    let bytes = sample.cut_from.unwrap_or(sample.output.len() as u64);
    let (cut, at) = (sample.cut_from.is_some(), sample.at);
    Ok(Json(Sample { output: RawValue::from_string(sample.output).map_err(ActionError::from)?, bytes, cut, at }))
}

/// The last output of an action, before the connection's mapping.
#[derive(Serialize, ToSchema)]
pub struct Sample {
    #[schema(value_type = Value)]
    output: Box<RawValue>,
    /// Of the whole output.
    bytes: u64,
    /// Lists and texts were cut to what is kept.
    cut: bool,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// A jq filter; the connection's own mapping when absent.
    filter: Option<String>,
    /// What to apply it to; the action's last output when absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    sample: Option<Box<RawValue>>,
}

/// `null` is a sample like any other JSON, so it isn't read as absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// What a jq filter makes of an output.
#[derive(Serialize, ToSchema)]
pub struct MappingPreview {
    #[schema(value_type = Value)]
    input: Box<RawValue>,
    #[schema(value_type = Value)]
    output: Box<RawValue>,
    bytes_before: usize,
    bytes_after: usize,
    /// How much of the output a model is shown; the rest is cut, and it is told so.
    model_bytes: usize,
    fuel: u64,
    /// Whether the kept output was cut before the filter saw it.
    sample_cut: bool,
    /// What to look at, such as a filter that found nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Applies a jq filter to the action's last output, as the connection's mapping would be applied.
#[utoipa::path(post, path = "/api/admin/connections/{id}/actions/{action}/mapping/preview", tag = "admin", operation_id = "previewMapping",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id")),
    request_body = PreviewRequest,
    responses((status = 200, description = "What comes out", body = MappingPreview)))]
pub async fn preview(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, action)): Path<(String, String)>,
    body::Json(asked): body::Json<PreviewRequest>,
) -> Result<Json<MappingPreview>, Problem> {
    let spec = PreviewSpec { action, filter: asked.filter, sample: asked.sample };
    let preview = actions::preview(&app, principal.organization, connections::parse(&id)?, spec).await?;
    let actions::MappingPreview { input, output, model_bytes, fuel, sample_cut, notes } = preview;
    let (bytes_before, bytes_after) = (input.get().len(), output.get().len());
    Ok(Json(MappingPreview { input, output, bytes_before, bytes_after, model_bytes, fuel, sample_cut, notes }))
}
