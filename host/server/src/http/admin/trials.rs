//! `/api/admin/connections/{id}/actions/{action}/…`: what a call would send, and what a mapping would leave of its output.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{
        call::{CallError, CallReport, CallRequest, Caller},
        connection::Connection,
        sandbox::Unmapped,
        trial::{ActionSample, Rehearsal, Staged, TrialStore},
    },
    outbound::OutboundReason,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json, value::RawValue};
use utoipa::ToSchema;

use super::connections;
use crate::{
    app::App,
    http::{
        body,
        guard::Admin,
        problem::{Problem, call_problem, fault_problem, kinds},
        query::{Nothing, Query},
    },
};

/// Shows the first request that a call would send, with the credential masked. Nothing is dialled or counted toward a
/// limit.
#[utoipa::path(post, path = "/api/admin/connections/{id}/actions/{action}/dry-run", tag = "admin", operation_id = "dryRunAction",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id")),
    request_body = Object,
    responses((status = 200, description = "The request, with the credential masked", body = crate::http::schema::DryRun)))]
pub async fn dry_run(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, action)): Path<(String, String)>,
    body::Json(input): body::Json<Value>,
) -> Result<Json<Value>, Problem> {
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
    shown(app.connectors.rehearse(&connection, &prepared, request).await?).map(Json)
}

/// A dry run as it is answered.
pub(crate) fn shown(rehearsal: Rehearsal) -> Result<Value, Problem> {
    let Rehearsal { request, result, cost, log } = rehearsal;
    let mut shown = json!({"fuel": cost.fuel, "log": log});
    match (request, result) {
        (Some(staged), _) => add_request(&mut shown, staged),
        (None, Ok(output)) => {
            shown["request"] = Value::Null;
            shown["output"] = output;
            shown["message"] = json!("the action ended without a request");
        }
        (None, Err(fault)) => {
            let report =
                CallReport { result: Err(fault.clone()), limit: None, set_aside: None, cached: false, cost, log };
            return Err(call_problem(&fault, &report));
        }
    }
    Ok(shown)
}

fn add_request(shown: &mut Value, Staged { asked, departure }: Staged) {
    let (method, url, headers, body) = match &departure {
        Ok(leaving) => (&leaving.method, &leaving.url, &leaving.headers, &leaving.body),
        Err(_) => (&asked.method, &asked.url, &asked.headers, &asked.body),
    };
    let headers: Vec<Value> = headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let text = body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
    shown["request"] = json!({"method": method, "url": url, "headers": headers, "body": text});
    match departure {
        Ok(leaving) => {
            shown["allowed"] = json!(true);
            shown["would_send_to"] = json!(leaving.to);
            shown["credential"] = json!(leaving.credential);
        }
        Err(failure) => {
            shown["allowed"] = json!(false);
            shown["refused"] = json!({"reason": reason(failure.reason), "message": failure.message});
        }
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
    responses((status = 200, description = "`{output, at, cut, bytes}`", body = crate::http::schema::Sample)))]
pub async fn sample(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
    Path((id, action)): Path<(String, String)>,
) -> Result<Json<Sample>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    require_action(&app, &connection, &action).await?;
    let sample = kept(&app, &connection, &action).await?;
    let bytes = sample.cut_from.unwrap_or(sample.output.len() as u64);
    let (cut, at) = (sample.cut_from.is_some(), sample.at);
    Ok(Json(Sample { output: raw(sample.output)?, bytes, cut, at }))
}

#[derive(Serialize)]
pub struct Sample {
    output: Box<RawValue>,
    /// Of the whole output.
    bytes: u64,
    /// Lists and texts were cut to what is kept.
    cut: bool,
    at: Timestamp,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// A jq filter; the connection's own mapping when absent.
    filter: Option<String>,
    /// What to apply it to; the action's last output when absent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    sample: Option<Box<RawValue>>,
}

/// What is given is given, `null` too: it is JSON as any other.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
pub struct Preview {
    input: Box<RawValue>,
    output: Box<RawValue>,
    bytes_before: usize,
    bytes_after: usize,
    /// How much of the output a model is shown; the rest is cut, and it is told so.
    model_bytes: usize,
    fuel: u64,
    /// Whether the kept output was cut before the filter saw it.
    sample_cut: bool,
}

/// Applies a jq filter to the action's last output, as the connection's mapping would be applied.
#[utoipa::path(post, path = "/api/admin/connections/{id}/actions/{action}/mapping/preview", tag = "admin", operation_id = "previewMapping",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id")),
    request_body = PreviewRequest,
    responses((status = 200, description = "`{input, output, bytes_before, bytes_after, model_bytes, fuel, sample_cut}`", body = crate::http::schema::MappingPreview)))]
pub async fn preview(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, action)): Path<(String, String)>,
    body::Json(asked): body::Json<PreviewRequest>,
) -> Result<Json<Preview>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    require_action(&app, &connection, &action).await?;
    let Some(filter) = asked.filter.or_else(|| connection.mappings.get(&action).cloned()) else {
        return Err(Problem::invalid_at(
            "filter",
            "a jq filter is needed: the connection has no mapping for this action",
        ));
    };
    if let Some(message) = connections::filter_size(&filter) {
        return Err(Problem::invalid_at("filter", message));
    }
    let (input, sample_cut) = match asked.sample {
        Some(sample) => (sample, false),
        None => {
            let ActionSample { output, cut_from, .. } = kept(&app, &connection, &action).await?;
            (raw(output)?, cut_from.is_some())
        }
    };
    let mapped = app.connectors.preview(principal.organization, &filter, input.get()).await?;
    let output = match mapped.result {
        Ok(output) => output,
        Err(Unmapped::Filter { message, offset }) => {
            return Err(Problem::new(&kinds::MAPPING_FAILED, message)
                .with("offset", json!(offset))
                .with("fuel", mapped.cost.fuel));
        }
        Err(Unmapped::Fault(fault)) => return Err(fault_problem(&fault)),
    };
    Ok(Json(Preview {
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

async fn kept(app: &App, connection: &Connection, action: &str) -> Result<ActionSample, Problem> {
    let found = app.store.sample(connection.organization, connection.id, action).await?;
    found.ok_or_else(|| {
        Problem::not_found("there is no output of this action yet: call it, or give a `sample` to the preview")
    })
}

fn raw(json: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(json).map_err(|error| Problem::internal(&error))
}
