//! Imports an OpenAPI document (3.0, 3.1, 3.2, or Swagger 2.0): turns chosen operations into a declarative definition.
//!
//! Nothing is fetched, because references lead within the document only. Documents are untrusted, so everything is
//! bounded: chains of references, the size of schemas, the size of the definition. What the document doesn't say
//! (pagination, the meaning of errors) isn't guessed, and what couldn't be imported is reported.

mod action;
mod answer;
mod body;
mod budget;
mod document;
mod fixtures;
mod media;
mod names;
mod parameters;
mod schema;
mod security;
mod servers;
mod shape;
mod swagger;
mod yaml;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use self::{
    action::Servers,
    document::{Document, MOST_OPERATIONS, Operation},
    names::{connector_id, line, plain, snake, unique},
    servers::{PlainHttp, Server, loopback_only},
};
use crate::{
    json_weight::{WeighError, weigh},
    manifest::{from_value, is_version},
    violation::{Violation, Violations},
};

/// The most actions and bytes of a definition.
const MOST_ACTIONS: usize = 256;
const MOST_BYTES: usize = 1_000_000;
const MOST_WARNINGS: usize = 100;
/// The most that a document may weigh once it is parsed, in bytes.
const MOST_WEIGHT: usize = 256 << 20;

/// Why an operation is listed as unsupported after the listing's budget was used up.
const NOT_LOOKED_AT: &str =
    "it wasn't looked at: the document's parameters and bodies are too large to look at all of its operations";

/// Why there is no definition.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    NotOpenApi(String),
    /// Mistakes of the request: in a chosen operation at `/operations/{n}`, or in another member of [`ImportOptions`].
    #[error("what is asked for can't be imported")]
    Asked(Vec<Violation>),
    #[error("at most {MOST_ACTIONS} operations make one connector; choose fewer")]
    TooMany,
    #[error("the definition would have {bytes} bytes, and {MOST_BYTES} can be posted; choose fewer operations")]
    TooLarge { bytes: usize },
    /// Found before the definition is built, which would take much time and memory.
    #[error(
        "with `{operation}` the chosen operations have larger schemas than one definition can hold; choose fewer operations"
    )]
    OverBudget { operation: String },
    /// The definition has mistakes, because the document has something that the import doesn't know.
    #[error("the document says what a definition can't: choose other operations, or mend it")]
    Unsound(Vec<Violation>),
}

/// The options of an import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The operations to import, by `operationId` or `GET /path`.
    pub operations: Vec<String>,
    /// The connector's id. Made from the title when absent.
    pub id: Option<String>,
    pub name: Option<String>,
    pub version: Option<String>,
    /// The service's address, in place of the document's servers.
    pub server: Option<String>,
}

/// A definition in the form in which it can be posted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    pub definition: Value,
    /// Points for an admin to review.
    pub warnings: Vec<String>,
}

/// The operations of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperationList {
    pub title: String,
    pub version: String,
    pub operations: Vec<OperationSummary>,
    /// Whether there are more operations than are listed.
    pub more: bool,
}

/// One operation of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperationSummary {
    /// The name by which it is chosen.
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub supported: bool,
    /// Why it isn't supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Parses a document: as JSON when it begins like JSON, else as YAML.
///
/// # Errors
/// Where the text is invalid.
pub fn read(text: &str) -> Result<Value, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['{', '[']) {
        if let Err(error @ WeighError::TooHeavy { .. }) = weigh(text, MOST_WEIGHT) {
            return Err(ImportError::NotOpenApi(format!("the document can't be taken: {error}")));
        }
        let wrong = |error| ImportError::NotOpenApi(format!("the document is not valid JSON: {error}"));
        return serde_json::from_str(text).map_err(wrong);
    }
    yaml::parse(text).map_err(|error| ImportError::NotOpenApi(format!("the document is not valid YAML: {error}")))
}

/// Every operation of a document, and whether it can be imported.
///
/// # Errors
/// When the document can't be read, or `server` isn't a usable address.
pub fn list(document: Value, server: Option<&str>) -> Result<OperationList, ImportError> {
    list_for(document, server, &loopback_only)
}

/// [`list`] for a host that decides itself which `http` addresses can be called.
///
/// # Errors
/// As [`list`].
pub fn list_for(
    document: Value,
    server: Option<&str>,
    plain_http: PlainHttp<'_>,
) -> Result<OperationList, ImportError> {
    list_operations(&Document::to_list(document)?, server, plain_http)
}

fn list_operations(
    document: &Document,
    server: Option<&str>,
    plain_http: PlainHttp<'_>,
) -> Result<OperationList, ImportError> {
    let server = server.map(|server| servers::of(server, plain_http)).transpose();
    let server = server.map_err(|message| ImportError::Asked(vec![Violation::new("/server", message)]))?;
    let operations = document.operations();
    let more = operations.len() == MOST_OPERATIONS;
    let carriers = parameters::CredentialParameters::default();
    let servers = Servers { given: server.as_ref(), plain_http };
    let choices = operations.iter().map(|operation| {
        let judged = |document: &Document| action::Plan::new(document, *operation, servers, &carriers).err();
        let reason = if document.budget().is_exhausted() { None } else { judged(document) };
        // Results after the end of the budget may be wrong.
        let reason = if document.budget().is_exhausted() { Some(NOT_LOOKED_AT.to_owned()) } else { reason };
        OperationSummary {
            id: operation.name(),
            method: operation.method.to_ascii_uppercase(),
            path: operation.path.to_owned(),
            summary: summary(operation),
            supported: reason.is_none(),
            reason,
        }
    });
    let info =
        |name: &str| document.root().pointer(&format!("/info/{name}")).and_then(Value::as_str).unwrap_or_default();
    Ok(OperationList {
        title: line(info("title"), 200),
        version: line(info("version"), 60),
        operations: choices.collect(),
        more,
    })
}

fn summary(operation: &Operation<'_>) -> String {
    let text = |name: &str| {
        operation.value.get(name).and_then(Value::as_str).map(|text| line(text, 200)).filter(|text| !text.is_empty())
    };
    text("summary").or_else(|| text("description")).unwrap_or_default()
}

/// Builds a definition of the chosen operations.
///
/// # Errors
/// All reasons why it can't be built.
pub fn import(document: Value, wanted: &ImportOptions) -> Result<Imported, ImportError> {
    import_for(document, wanted, &loopback_only)
}

/// [`import`] for a host that decides itself which `http` addresses can be called.
///
/// # Errors
/// As [`import`].
pub fn import_for(document: Value, wanted: &ImportOptions, plain_http: PlainHttp<'_>) -> Result<Imported, ImportError> {
    import_operations(&Document::new(document)?, wanted, plain_http)
}

fn import_operations(
    document: &Document,
    wanted: &ImportOptions,
    plain_http: PlainHttp<'_>,
) -> Result<Imported, ImportError> {
    if wanted.operations.len() > MOST_ACTIONS {
        return Err(ImportError::TooMany);
    }
    let mut violations = Violations::default();
    let server = wanted.server.as_deref().map(|server| {
        servers::of(server, plain_http).unwrap_or_else(|message| {
            violations.add("/server", message);
            Server::placeholder()
        })
    });
    let servers = Servers { given: server.as_ref(), plain_http };
    let (places, chosen) = choose(document, &wanted.operations, &mut violations);
    let security::AuthOptions { mut ways, carriers, mut warnings } = security::ways(document, &chosen);
    let mut taken = BTreeSet::new();
    let (mut actions, mut hosts, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    let mut schemas = serde_json::Map::new();
    for (at, operation) in places.into_iter().zip(&chosen) {
        let over_budget = || ImportError::OverBudget { operation: line(&operation.name(), 100) };
        let plan = action::Plan::new(document, *operation, servers, &carriers);
        if document.budget().is_exhausted() {
            return Err(over_budget());
        }
        let plan = match plan {
            Ok(plan) => plan,
            Err(message) => {
                violations.add(format!("/operations/{at}"), format!("`{}`: {message}", line(&operation.name(), 100)));
                continue;
            }
        };
        let name =
            Some(snake(&operation.name())).filter(|name| !name.is_empty()).unwrap_or_else(|| snake(&operation.place()));
        let id = unique(if name.is_empty() { "call".to_owned() } else { name }, &mut taken);
        if !hosts.contains(&plan.server.host) {
            hosts.push(plan.server.host.clone());
        }
        for (name, schema) in &plan.server.settings {
            schemas.entry(name.clone()).or_insert(schema.clone());
        }
        warnings.extend(plan.warnings().iter().map(|warning| format!("{id}: {warning}")));
        let (action, answer) = plan.action(document, &id);
        // The size of its input was counted when it was made.
        let rest = ["request", "output"].into_iter().filter_map(|name| action.get(name));
        if !document.budget().take_bytes(rest.map(|part| part.to_string().len()).sum()) {
            return Err(over_budget());
        }
        actions.push(action);
        answers.push(answer);
    }
    let mut definition = head(document, wanted);
    violations.extend(head_violations(&definition));
    if !violations.is_empty() {
        return Err(ImportError::Asked(violations.into_list()));
    }
    definition["hosts"] = json!(hosts);
    definition["auth"] = ways.remove(0);
    definition["auth_alternatives"] = json!(ways);
    definition["settings"] = json!({"type": "object", "properties": schemas});
    if let Some(test) = actions.iter().find(|action| is_test(action)) {
        definition["test"] = json!({"action": test["id"], "input": {}});
    } else {
        warnings.push(
            "no chosen operation reads without an input: name a `test`, with an input that your account has".to_owned(),
        );
    }
    definition["actions"] = json!(actions);
    warnings.extend(fixtures::add(&mut definition, answers, MOST_BYTES));
    finish(definition, warnings)
}

/// The head of the definition, from the options or from the document.
fn head(document: &Document, wanted: &ImportOptions) -> Value {
    let info =
        |name: &str| document.root().pointer(&format!("/info/{name}")).and_then(Value::as_str).unwrap_or_default();
    let title =
        Some(line(info("title"), 100)).filter(|title| !title.is_empty()).unwrap_or_else(|| "Imported".to_owned());
    let version = Some(info("version")).filter(|version| is_version(version)).unwrap_or("1.0.0");
    let mut head = json!({
        "id": wanted.id.clone().unwrap_or_else(|| connector_id(&title)),
        "name": wanted.name.clone().unwrap_or(title),
        "version": wanted.version.clone().unwrap_or_else(|| version.to_owned()),
        "actions": [],
    });
    let description = plain(info("description"), 1_000);
    if !description.is_empty() {
        head["description"] = json!(description);
    }
    head
}

/// Mistakes in the options about the connector's head.
fn head_violations(head: &Value) -> impl Iterator<Item = Violation> + use<> {
    from_value(head.clone()).violations.into_iter().filter(|violation| violation.path != "/actions")
}

/// Whether an action can test a connection: it reads, and needs no input.
fn is_test(action: &Value) -> bool {
    action["side_effect"] == "read" && action["input"].get("required").is_none() && action["request"]["method"] == "GET"
}

fn finish(definition: Value, mut warnings: Vec<String>) -> Result<Imported, ImportError> {
    let bytes = definition.to_string().len();
    if bytes > MOST_BYTES {
        return Err(ImportError::TooLarge { bytes });
    }
    let violations = from_value(definition.clone()).violations;
    if !violations.is_empty() {
        return Err(ImportError::Unsound(violations));
    }
    let more = warnings.len().saturating_sub(MOST_WARNINGS);
    warnings.truncate(MOST_WARNINGS);
    if more > 0 {
        warnings.push(format!("{more} more like these"));
    }
    Ok(Imported { definition, warnings })
}

/// Finds the requested operations, each once, with their positions in the request.
fn choose<'d>(
    document: &'d Document,
    wanted: &[String],
    violations: &mut Violations,
) -> (Vec<usize>, Vec<Operation<'d>>) {
    let operations = document.operations();
    let (mut places, mut chosen): (Vec<usize>, Vec<Operation<'_>>) = (Vec::new(), Vec::new());
    for (at, wanted) in wanted.iter().enumerate() {
        let place = wanted.split_once(' ').map(|(method, path)| (method.to_ascii_lowercase(), path.trim()));
        let named = |operation: &&Operation<'_>| operation.value.get("operationId").is_some_and(|id| id == wanted);
        let placed = |operation: &&Operation<'_>| {
            place.as_ref().is_some_and(|(method, path)| operation.method == method && operation.path == *path)
        };
        let found = operations.iter().find(named).or_else(|| operations.iter().find(placed));
        match found {
            Some(found) if chosen.iter().any(|known| (known.method, known.path) == (found.method, found.path)) => {}
            Some(found) => {
                places.push(at);
                chosen.push(*found);
            }
            None => {
                violations.add(format!("/operations/{at}"), format!("there is no operation `{}`", line(wanted, 100)))
            }
        }
    }
    if wanted.is_empty() {
        violations.add("/operations", "choose one operation at least");
    }
    (places, chosen)
}

#[cfg(test)]
mod tests;
