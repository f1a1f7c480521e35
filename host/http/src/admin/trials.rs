//! `/api/admin/connections/{id}/actions/{action}/…`: what a call would send, and what a mapping would leave of its output.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use resly_core::{
    connector::{
        call::{CallError, CallReport, CallRequest, Caller, FOUND_NOTHING, found_nothing},
        connection::Connection,
        outbound::OutboundReason,
        sample::{ActionSample, TrialStore},
        sandbox::MappingFailure,
        trial::{DryRunReport, ShownRequest},
    },
    time::Timestamp,
};
use resly_service::{App, connections::filter_size};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use super::{connections, logs::LogLine};
use crate::{
    body,
    guard::Admin,
    problem::{Problem, call_problem, fault_problem, kinds},
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
    let connection = connections::find(&app, &principal, &id).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    let request = CallRequest {
        organization: principal.organization,
        connection: connection.id,
        action,
        input,
        caller: Caller::Admin { key: principal.key },
        visitor: None,
    };
    DryRun::new(app.connectors.dry_run(&connection, &prepared, request).await?).map(Json)
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

impl DryRun {
    /// # Errors
    /// When the action failed before it sent anything.
    pub fn new(dry_run: DryRunReport) -> Result<Self, Problem> {
        let DryRunReport { request, result, cost, log } = dry_run;
        let ended = Self {
            fuel: cost.fuel,
            log: Vec::new(),
            request: None,
            allowed: None,
            would_send_to: None,
            credential: None,
            refused: None,
            output: None,
            message: None,
        };
        match (request, result) {
            (Some(staged), _) => Ok(Self { log: LogLine::all(log), ..ended.with_request(staged) }),
            (None, Ok(output)) => Ok(Self {
                log: LogLine::all(log),
                output: Some(output),
                message: Some("the action ended without a request"),
                ..ended
            }),
            (None, Err(fault)) => {
                let report =
                    CallReport { result: Err(fault.clone()), limit: None, set_aside: None, cached: false, cost, log };
                Err(call_problem(&fault, &report))
            }
        }
    }

    fn with_request(self, ShownRequest { asked, staged }: ShownRequest) -> Self {
        match staged {
            Ok(leaving) => Self {
                request: Some(OutboundRequest::new(leaving.method, leaving.url, leaving.headers, leaving.body)),
                allowed: Some(true),
                would_send_to: Some(leaving.to),
                credential: Some(leaving.credential),
                ..self
            },
            Err(failure) => Self {
                request: Some(OutboundRequest::new(asked.method, asked.url, asked.headers, asked.body)),
                allowed: Some(false),
                refused: Some(RefusedRequest { reason: reason(failure.reason), message: failure.message }),
                ..self
            },
        }
    }
}

impl OutboundRequest {
    fn new(method: String, url: String, headers: Vec<(String, String)>, body: Option<Bytes>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Self { method, url, headers, body: body.map(|body| String::from_utf8_lossy(&body).into_owned()) }
    }
}

fn reason(reason: OutboundReason) -> &'static str {
    match reason {
        OutboundReason::Denied => "denied",
        OutboundReason::NeedsAuth => "needs_auth",
        OutboundReason::Quota => "quota",
        OutboundReason::Timeout => "timeout",
        OutboundReason::TooLarge => "too_large",
        OutboundReason::Network | OutboundReason::CircuitOpen => "network",
        OutboundReason::Invalid => "invalid",
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
    let connection = connections::find(&app, &principal, &id).await?;
    require_action(&app, &connection, &action).await?;
    let sample = stored_sample(&app, &connection, &action).await?;
    let bytes = sample.cut_from.unwrap_or(sample.output.len() as u64);
    let (cut, at) = (sample.cut_from.is_some(), sample.at);
    Ok(Json(Sample { output: raw(sample.output)?, bytes, cut, at }))
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
    let connection = connections::find(&app, &principal, &id).await?;
    require_action(&app, &connection, &action).await?;
    let Some(filter) = asked.filter.or_else(|| connection.mappings.get(&action).cloned()) else {
        return Err(Problem::invalid_at(
            "filter",
            "a jq filter is needed: the connection has no mapping for this action",
        ));
    };
    if let Some(message) = filter_size(&filter) {
        return Err(Problem::invalid_at("filter", message));
    }
    let (input, sample_cut) = match asked.sample {
        Some(sample) => (sample, false),
        None => {
            let ActionSample { output, cut_from, .. } = stored_sample(&app, &connection, &action).await?;
            (raw(output)?, cut_from.is_some())
        }
    };
    let mapped = app.connectors.preview(principal.organization, &filter, input.get()).await?;
    let output = match mapped.result {
        Ok(output) => output,
        Err(MappingFailure::Filter { message, offset }) => {
            return Err(Problem::new(&kinds::MAPPING_FAILED, message).with(|members| {
                members.offset = Some(offset);
                members.fuel = Some(mapped.cost.fuel);
            }));
        }
        Err(MappingFailure::Fault(fault)) => return Err(fault_problem(&fault)),
    };
    let parsed = |json: &str| serde_json::from_str::<Value>(json).unwrap_or_default();
    let nothing = found_nothing(&parsed(input.get()), &parsed(&output));
    Ok(Json(MappingPreview {
        notes: nothing.then(|| format!("the filter {FOUND_NOTHING}")).into_iter().collect(),
        bytes_before: input.get().len(),
        bytes_after: output.len(),
        model_bytes: output.len().min(app.turns.limits.tool_output_bytes),
        fuel: mapped.cost.fuel,
        sample_cut,
        input,
        output: raw(output)?,
    }))
}

async fn require_action(app: &App, connection: &Connection, action: &str) -> Result<(), Problem> {
    let prepared = app.connectors.prepare(connection).await?;
    prepared.action(action).map(|_| ()).map_err(|error: CallError| error.into())
}

async fn stored_sample(app: &App, connection: &Connection, action: &str) -> Result<ActionSample, Problem> {
    let found = app.store.sample(connection.organization, connection.id, action).await?;
    found.ok_or_else(|| {
        Problem::not_found("there is no output of this action yet: call it, or give a `sample` to the preview")
    })
}

fn raw(json: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(json).map_err(|error| Problem::internal(&error))
}
