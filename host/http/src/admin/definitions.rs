//! `/api/admin/connectors/{check,dry-run,import}`: a declarative definition before it is stored.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{header, request::Parts};
use resly_manifest::{
    ParsedManifest, SCHEMA, Violation,
    openapi::{self, ImportError, ImportOptions, Imported, OperationList, OperationSummary},
};
use resly_service::{
    App,
    definition::{self, DefinitionError, DryRunSpec, Source},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::actions::caller;
use crate::{
    Api,
    body::{self, Admission},
    dry_run::DryRun,
    guard::Admin,
    problem::{Problem, kinds, members::InvalidMember},
};

/// Reads a definition from a body as JSON or TOML, by its media type.
pub(super) async fn reading(parts: &Parts, bytes: Bytes) -> Result<ParsedManifest, Problem> {
    let json = match body::media_type(&parts.headers)?.as_deref() {
        None | Some("application/json") => true,
        Some("application/toml") => false,
        Some(other) => {
            return Err(Problem::new(
                &kinds::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "a definition is application/json or application/toml, a packed component for \
                     /api/admin/connectors is application/wasm; this is {other:.100}"
                ),
            ));
        }
    };
    let read = move || {
        if json {
            return Ok(Source::Json(body::parse_weighed(&bytes)?).read());
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Problem::new(&kinds::INVALID_CONNECTOR, "the definition is not UTF-8"))?;
        Ok(Source::Toml(text.to_owned()).read())
    };
    Admission::of(&parts.extensions)?.examine(read).await?
}

/// The JSON Schema of a definition, for editors.
pub async fn schema() -> ([(http::HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/schema+json")], SCHEMA)
}

/// What is wrong with a definition.
#[derive(Serialize, ToSchema)]
pub struct CheckResult {
    ok: bool,
    /// Their paths are JSON Pointers (RFC 6901) into the definition.
    errors: Vec<InvalidMember>,
}

impl From<Vec<Violation>> for CheckResult {
    fn from(mistakes: Vec<Violation>) -> Self {
        Self { ok: mistakes.is_empty(), errors: mistakes.iter().map(InvalidMember::from).collect() }
    }
}

/// Tells every mistake of a declarative definition, as JSON or TOML. Nothing is stored.
#[utoipa::path(post, path = "/api/admin/connectors/check", tag = "admin", operation_id = "checkDefinition",
    request_body(description = "The definition (`/schemas/connector.json`)", content((BTreeMap<String, Value> = "application/json"), (String = "application/toml"))),
    responses((status = 200, description = "What is wrong with it", body = CheckResult)))]
pub async fn check(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    request: Request,
) -> Result<Json<CheckResult>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body, &parts, body::BODY_CAP).await?;
    let reading = reading(&parts, bytes).await?;
    match definition::validate(&app, principal.organization, reading).await {
        Ok(_) => Ok(Json(Vec::new().into())),
        Err(DefinitionError::Violations(mistakes)) => Ok(Json(mistakes.into())),
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// An OpenAPI document (3.0, 3.1 or 3.2, or Swagger 2.0); its YAML, or its JSON, as a text does too.
    document: Value,
    /// By `operationId` or `GET /path`. Without them, the answer lists the operations.
    operations: Option<Vec<String>>,
    /// The connector's; made from the document's title when absent.
    id: Option<String>,
    name: Option<String>,
    version: Option<String>,
    /// Where the service is, in place of the document's servers.
    server: Option<String>,
}

/// A definition, or, when no operations were chosen, what there is to choose.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum ImportAnswer {
    Definition(ImportedDefinition),
    Operations(ImportableOperations),
}

#[derive(Serialize, ToSchema)]
pub struct ImportedDefinition {
    /// It can be posted to `/api/admin/connectors`.
    #[schema(value_type = BTreeMap<String, Value>)]
    definition: Value,
    /// What an admin should look at.
    warnings: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ImportableOperations {
    title: String,
    version: String,
    operations: Vec<ImportableOperation>,
    /// There are more operations than are listed.
    more: bool,
}

#[derive(Serialize, ToSchema)]
pub struct ImportableOperation {
    /// What it is chosen by.
    id: String,
    method: String,
    path: String,
    summary: String,
    supported: bool,
    /// Why it isn't supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Imported> for ImportAnswer {
    fn from(Imported { definition, warnings }: Imported) -> Self {
        Self::Definition(ImportedDefinition { definition, warnings })
    }
}

impl From<OperationList> for ImportAnswer {
    fn from(OperationList { title, version, operations, more }: OperationList) -> Self {
        let operation = |OperationSummary { id, method, path, summary, supported, reason }: OperationSummary| {
            ImportableOperation { id, method, path, summary, supported, reason }
        };
        let operations = operations.into_iter().map(operation).collect();
        Self::Operations(ImportableOperations { title, version, operations, more })
    }
}

/// Makes a definition of an OpenAPI document's operations, or lists what there is to choose. Nothing is stored or fetched.
#[utoipa::path(post, path = "/api/admin/connectors/import", tag = "admin", operation_id = "importOpenApi",
    request_body = ImportRequest,
    responses((status = 200, description = "The definition; without `operations`, those there are", body = ImportAnswer)))]
pub async fn import(
    State(app): State<Arc<App>>,
    Admin(_): Admin,
    body::LargeJson { bytes, admission }: body::LargeJson,
) -> Result<Response, Problem> {
    // The document is parsed and dropped on that thread. Only the answer's text leaves it.
    let answer = admission.examine(move || {
        let ImportRequest { document, operations, id, name, version, server } = body::parse_large(&bytes)?;
        drop(bytes);
        let plain_http = |url: &str| app.egress.refuses_plain_http(url);
        let document = match document {
            Value::String(text) => openapi::read(&text).map_err(|error| import_problem(&error))?,
            document => document,
        };
        let answer = match operations {
            None => openapi::list_for(document, server.as_deref(), &plain_http).map(ImportAnswer::from),
            Some(operations) => {
                let wanted = ImportOptions { operations, id, name, version, server };
                openapi::import_for(document, &wanted, &plain_http).map(ImportAnswer::from)
            }
        };
        let answer = answer.map_err(|error| import_problem(&error))?;
        serde_json::to_string(&answer).map_err(|error| Problem::internal(&error))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], answer.await??).into_response())
}

fn import_problem(error: &ImportError) -> Problem {
    let problem = Problem::new(&kinds::IMPORT_FAILED, error.to_string());
    let one = |path: &str, message: String| vec![InvalidMember { path: path.to_owned(), message }];
    let errors = match error {
        ImportError::Asked(mistakes) | ImportError::Unsound(mistakes) => {
            mistakes.iter().map(InvalidMember::from).collect()
        }
        ImportError::NotOpenApi(message) => one("/document", message.clone()),
        ImportError::TooMany | ImportError::TooLarge { .. } | ImportError::OverBudget { .. } => {
            one("/operations", error.to_string())
        }
    };
    problem.with(|members| members.errors = Some(errors))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunRequest {
    /// The definition; its TOML as a text does too.
    definition: Value,
    /// What a connection would be set to.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    settings: Option<Value>,
    /// The action's id.
    action: String,
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    input: Option<Value>,
}

/// Shows the first request that an action of a definition would send. Nothing is stored, dialled or counted.
#[utoipa::path(post, path = "/api/admin/connectors/dry-run", tag = "admin", operation_id = "dryRunDefinition",
    request_body = DryRunRequest,
    responses((status = 200, description = "The request, with the credential masked", body = DryRun)))]
pub async fn dry_run(
    State(api): State<Api>,
    Admin(principal): Admin,
    body::Json(asked): body::Json<DryRunRequest>,
) -> Result<Json<DryRun>, Problem> {
    let DryRunRequest { definition, settings, action, input } = asked;
    let definition = Source::within(definition);
    let reading = api.readers.examine(principal.organization, move || definition.read()).await?;
    let absent = || json!({});
    let spec = DryRunSpec { settings: settings.unwrap_or_else(absent), action, input: input.unwrap_or_else(absent) };
    Ok(Json(definition::dry_run(&api.app, caller(&principal, None), reading, spec).await?.into()))
}
