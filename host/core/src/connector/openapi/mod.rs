//! From an OpenAPI document (3.0 or 3.1) to a declarative definition: choose operations, get a connector.
//!
//! Nothing is fetched: references lead within the document only. Everything is bounded, since documents come from
//! anywhere: how far references lead, how much of a schema is kept, how large the definition becomes. What the document
//! doesn't say isn't guessed (pagination, what errors mean), and what couldn't be taken over is told.

mod action;
mod body;
mod document;
mod names;
mod parameters;
mod schema;
mod security;
mod servers;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use self::{
    document::{Document, MOST_OPERATIONS, Operation},
    names::{connector_id, line, plain, snake, unique},
};
use super::manifest::{Mistake, from_value, is_version};

/// What a connector may have, and what a definition may be posted with.
const MOST_ACTIONS: usize = 256;
const MOST_BYTES: usize = 1_000_000;
const MOST_WARNINGS: usize = 100;

/// Why there is no definition.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    NotOpenApi(String),
    /// At `operations/{n}` each.
    #[error("{} of the chosen operations can't be imported", .0.len())]
    Operations(Vec<Mistake>),
    #[error("at most {MOST_ACTIONS} operations make one connector; choose fewer")]
    TooMany,
    #[error("the definition would have {bytes} bytes, and {MOST_BYTES} can be posted; choose fewer operations")]
    TooLarge { bytes: usize },
    /// The definition has mistakes: something in the document that the import doesn't know.
    #[error("the document says what a definition can't: choose other operations, or mend it")]
    Unsound(Vec<Mistake>),
}

/// What an importer asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// By `operationId` or `GET /path`.
    pub operations: Vec<String>,
    /// The connector's; made from the title when absent.
    pub id: Option<String>,
    pub name: Option<String>,
    pub version: Option<String>,
    /// Where the service is, in place of the document's servers.
    pub server: Option<String>,
}

/// A definition, as it can be posted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    pub definition: Value,
    /// What an admin should look at.
    pub warnings: Vec<String>,
}

/// What can be imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listing {
    pub title: String,
    pub version: String,
    pub operations: Vec<Choice>,
    /// There are more operations than are listed.
    pub more: bool,
}

/// An operation to choose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// What it is chosen by.
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub supported: bool,
    /// Why it isn't supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Every operation of a document, and whether it can be imported.
///
/// # Errors
/// When it is no document that is read.
pub fn list(document: Value, server: Option<&str>) -> Result<Listing, ImportError> {
    let document = Document::new(document)?;
    let operations = document.operations();
    let more = operations.len() == MOST_OPERATIONS;
    let carriers = parameters::Carriers::default();
    let choices = operations.iter().map(|operation| {
        let reason = action::Plan::new(&document, *operation, server, &carriers).err();
        Choice {
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
    Ok(Listing {
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

/// A definition of the chosen operations.
///
/// # Errors
/// Why there is none.
pub fn import(document: Value, wanted: &Wanted) -> Result<Imported, ImportError> {
    let document = Document::new(document)?;
    if wanted.operations.len() > MOST_ACTIONS {
        return Err(ImportError::TooMany);
    }
    let chosen = choose(&document, &wanted.operations)?;
    let security::Ways { mut ways, carriers, mut warnings } = security::ways(&document, &chosen);
    let mut taken = BTreeSet::new();
    let (mut actions, mut hosts, mut settings, mut mistakes) = (Vec::new(), Vec::new(), BTreeSet::new(), Vec::new());
    let mut schemas = serde_json::Map::new();
    for (at, operation) in chosen.iter().enumerate() {
        let plan = match action::Plan::new(&document, *operation, wanted.server.as_deref(), &carriers) {
            Ok(plan) => plan,
            Err(message) => {
                mistakes.push(Mistake { path: format!("/operations/{at}"), message });
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
            settings.insert(name.clone());
            schemas.entry(name.clone()).or_insert(schema.clone());
        }
        warnings.extend(plan.warnings().iter().map(|warning| format!("{id}: {warning}")));
        actions.push(plan.action(&document, &id));
    }
    if !mistakes.is_empty() {
        return Err(ImportError::Operations(mistakes));
    }
    let info =
        |name: &str| document.root().pointer(&format!("/info/{name}")).and_then(Value::as_str).unwrap_or_default();
    let title =
        Some(line(info("title"), 100)).filter(|title| !title.is_empty()).unwrap_or_else(|| "Imported".to_owned());
    let version = Some(info("version")).filter(|version| is_version(version)).unwrap_or("1.0.0");
    let usual = ways.remove(0);
    let mut definition = json!({
        "id": wanted.id.clone().unwrap_or_else(|| connector_id(&title)),
        "name": wanted.name.clone().unwrap_or(title),
        "version": wanted.version.clone().unwrap_or_else(|| version.to_owned()),
        "hosts": hosts, "auth": usual, "auth_alternatives": ways,
        "settings": {"type": "object", "properties": schemas},
        "actions": actions,
    });
    let description = plain(info("description"), 1_000);
    if !description.is_empty() {
        definition["description"] = json!(description);
    }
    if let Some(test) = actions.iter().find(|action| is_test(action)) {
        definition["test"] = json!({"action": test["id"], "input": {}});
    } else {
        warnings.push(
            "no chosen operation reads without an input: name a `test`, with an input that your account has".to_owned(),
        );
    }
    finish(definition, warnings)
}

/// A read that needs nothing tests a connection.
fn is_test(action: &Value) -> bool {
    action["side_effect"] == "read" && action["input"].get("required").is_none() && action["request"]["method"] == "GET"
}

fn finish(definition: Value, mut warnings: Vec<String>) -> Result<Imported, ImportError> {
    let bytes = definition.to_string().len();
    if bytes > MOST_BYTES {
        return Err(ImportError::TooLarge { bytes });
    }
    let mistakes = from_value(definition.clone()).mistakes;
    if !mistakes.is_empty() {
        return Err(ImportError::Unsound(mistakes));
    }
    let more = warnings.len().saturating_sub(MOST_WARNINGS);
    warnings.truncate(MOST_WARNINGS);
    if more > 0 {
        warnings.push(format!("{more} more like these"));
    }
    Ok(Imported { definition, warnings })
}

fn choose<'d>(document: &'d Document, wanted: &[String]) -> Result<Vec<Operation<'d>>, ImportError> {
    let operations = document.operations();
    let (mut chosen, mut mistakes): (Vec<Operation<'_>>, Vec<Mistake>) = (Vec::new(), Vec::new());
    for (at, wanted) in wanted.iter().enumerate() {
        let place = wanted.split_once(' ').map(|(method, path)| (method.to_ascii_lowercase(), path.trim()));
        let named = |operation: &&Operation<'_>| operation.value.get("operationId").is_some_and(|id| id == wanted);
        let placed = |operation: &&Operation<'_>| {
            place.as_ref().is_some_and(|(method, path)| operation.method == method && operation.path == *path)
        };
        let found = operations.iter().find(named).or_else(|| operations.iter().find(placed));
        match found {
            Some(found) if chosen.iter().any(|known| (known.method, known.path) == (found.method, found.path)) => {}
            Some(found) => chosen.push(*found),
            None => mistakes.push(Mistake {
                path: format!("/operations/{at}"),
                message: format!("there is no operation `{}`", line(wanted, 100)),
            }),
        }
    }
    if chosen.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake { path: "/operations".to_owned(), message: "choose one operation at least".to_owned() });
    }
    if mistakes.is_empty() { Ok(chosen) } else { Err(ImportError::Operations(mistakes)) }
}

#[cfg(test)]
mod tests;
