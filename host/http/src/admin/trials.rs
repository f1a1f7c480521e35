//! `/api/admin/connections/{id}/actions/{action}/…`: what a call would send, and what a mapping would leave of its output.

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
    guard::Admin,
    log_line::LogLine,
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

/// What a call would send first.
#[derive(Serialize, ToSchema)]
pub struct DryRun {
    fuel: u64,
    log: Vec<LogLine>,
    /// As it would leave, with `[masked]` in the credential's place; `null` when the action ended without a request.
    #[schema(required)]
    request: Option<OutboundRequest>,
    /// False when policy refuses the request, which is then as the connector wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    /// Such as `https://api.example.com:443`.
    #[serde(skip_serializing_if = "Option::is_none")]
    would_send_to: Option<String>,
    /// Where the credential goes, such as `header x-api-key: [masked]`; `null` when none would go along.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    credential: Option<Option<String>>,
    /// Why it isn't allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusedRequest>,
    /// What the action gave without a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub struct OutboundRequest {
    method: String,
    url: String,
    headers: Vec<Header>,
    #[schema(required)]
    body: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Header {
    name: String,
    value: String,
}

#[derive(Serialize, ToSchema)]
pub struct RefusedRequest {
    /// `denied`, `needs_auth`, `quota`, `timeout`, `too_large`, `network` or `invalid`.
    reason: &'static str,
    message: String,
}

impl From<actions::DryRun> for DryRun {
    fn from(dry_run: actions::DryRun) -> Self {
        let actions::DryRun { fuel, log, request, allowed, would_send_to, credential, refused, output, message } =
            dry_run;
        Self {
            fuel,
            log: LogLine::all(log),
            request: request.map(Into::into),
            allowed,
            would_send_to,
            credential,
            refused: refused.map(|actions::RefusedRequest { reason, message }| RefusedRequest { reason, message }),
            output,
            message,
        }
    }
}

impl From<actions::RequestShown> for OutboundRequest {
    fn from(actions::RequestShown { method, url, headers, body }: actions::RequestShown) -> Self {
        let headers = headers.into_iter().map(|actions::Header { name, value }| Header { name, value }).collect();
        Self { method, url, headers, body }
    }
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

/// What is given is given, `null` too: it is JSON as any other.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dry_run() -> actions::DryRun {
        actions::DryRun {
            fuel: 7,
            log: Vec::new(),
            request: Some(actions::RequestShown {
                method: "GET".to_owned(),
                url: "https://api.example.com/".to_owned(),
                headers: vec![actions::Header { name: "accept".to_owned(), value: "*/*".to_owned() }],
                body: None,
            }),
            allowed: Some(false),
            would_send_to: Some("https://api.example.com:443".to_owned()),
            credential: Some(None),
            refused: Some(actions::RefusedRequest { reason: "denied", message: "no".to_owned() }),
            output: Some(json!({"a": 1})),
            message: Some("m"),
        }
    }

    #[test]
    fn the_api_shows_a_dry_run_as_the_command_line_does() {
        assert_eq!(json!(DryRun::from(dry_run())), json!(dry_run()));
        let ended = || actions::DryRun {
            request: None,
            allowed: None,
            would_send_to: None,
            credential: None,
            refused: None,
            output: None,
            message: None,
            ..dry_run()
        };
        assert_eq!(json!(DryRun::from(ended())), json!(ended()));
        assert_eq!(json!(ended()), json!({"fuel": 7, "log": [], "request": null}));
    }
}
