//! `/api/admin/workflows`: rules for customers' messages that match.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    id::{ConnectionId, WorkflowId},
    time::Timestamp,
    workflow::{Workflow as StoredWorkflow, WorkflowStore},
};
use resly_service::{
    App, FieldError,
    workflows::{self, WorkflowError, WorkflowSpec},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    body,
    guard::Admin,
    problem::Problem,
    query::{NoParameters, Query},
};

/// How a rule is written. It is read member by member, so that every mistake is told at once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "utoipa's derive reads it")]
pub struct WorkflowRequest {
    name: String,
    /// 1 to 50 words or phrases; any of them in a message is a match.
    triggers: Vec<String>,
    /// The connection that a match is about.
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// The action of that connection that a match asks for.
    action: Option<String>,
    /// What a match adds to the model's instructions.
    instructions: Option<String>,
    enabled: Option<bool>,
}

/// A rule.
#[derive(Serialize, ToSchema)]
pub struct Workflow {
    #[schema(value_type = String, format = "uuid")]
    id: WorkflowId,
    name: String,
    /// Any of them in a message, without regard to case, is a match.
    triggers: Vec<String>,
    /// What a match is about.
    #[schema(required, value_type = Option<String>, format = "uuid")]
    connection: Option<ConnectionId>,
    /// The action of that connection that a match asks for.
    #[schema(required)]
    action: Option<String>,
    /// What a match adds to the model's instructions.
    #[schema(required)]
    instructions: Option<String>,
    enabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<StoredWorkflow> for Workflow {
    fn from(workflow: StoredWorkflow) -> Self {
        let StoredWorkflow { id, name, triggers, connection, action, instructions, enabled, created_at } = workflow;
        Self { id, name, triggers, connection, action, instructions, enabled, created_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Workflows {
    workflows: Vec<Workflow>,
}

/// Adds a rule.
#[utoipa::path(post, path = "/api/admin/workflows", tag = "admin", operation_id = "createWorkflow",
    request_body = WorkflowRequest,
    responses((status = 201, description = "The rule", body = Workflow)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    body::Json(request): body::Json<Value>,
) -> Result<(StatusCode, Json<Workflow>), Problem> {
    let created = workflows::create(&app, principal.organization, read(request)?).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// Replaces a rule.
#[utoipa::path(put, path = "/api/admin/workflows/{id}", tag = "admin", operation_id = "replaceWorkflow",
    params(("id" = String, Path, description = "The rule's id")),
    request_body = WorkflowRequest,
    responses((status = 200, description = "The rule", body = Workflow)))]
pub async fn replace(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    body::Json(request): body::Json<Value>,
) -> Result<Json<Workflow>, Problem> {
    let id = id.parse().map_err(|_| WorkflowError::Missing)?;
    Ok(Json(workflows::replace(&app, principal.organization, id, read(request)?).await?.into()))
}

/// The organization's rules.
#[utoipa::path(get, path = "/api/admin/workflows", tag = "admin", operation_id = "listWorkflows",
    responses((status = 200, description = "The rules", body = Workflows)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Workflows>, Problem> {
    let workflows = app.store.workflows(principal.organization).await?;
    Ok(Json(Workflows { workflows: workflows.into_iter().map(Workflow::from).collect() }))
}

/// Deletes a rule.
#[utoipa::path(delete, path = "/api/admin/workflows/{id}", tag = "admin", operation_id = "deleteWorkflow",
    params(("id" = String, Path, description = "The rule's id")),
    responses((status = 204, description = "It is gone")))]
pub async fn delete(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| WorkflowError::Missing)?;
    let deleted = app.store.delete_workflow(principal.organization, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(WorkflowError::Missing.into()) }
}

/// Reads a rule. The mistakes of members that can't be read are told together with those of the rest.
fn read(request: Value) -> Result<WorkflowSpec, Problem> {
    let Value::Object(mut members) = request else {
        return Err(Problem::invalid_at("$", "an object is expected"));
    };
    let mut mistakes = Vec::new();
    let name: String = member(&mut members, "name", "a text", &mut mistakes).unwrap_or_default();
    let triggers: Vec<String> = member(&mut members, "triggers", "a list of texts", &mut mistakes).unwrap_or_default();
    let connection: Option<String> = member(&mut members, "connection", "an id", &mut mistakes);
    let action: Option<String> = member(&mut members, "action", "a text", &mut mistakes);
    let instructions: Option<String> = member(&mut members, "instructions", "a text", &mut mistakes);
    let enabled: Option<bool> = member(&mut members, "enabled", "true or false", &mut mistakes);
    let unknown = members.keys().take(8).map(|name| {
        FieldError::new(
            name,
            "there is no such member: `name`, `triggers`, `connection`, `action`, `instructions`, `enabled`",
        )
    });
    mistakes.extend(unknown);
    Ok(WorkflowSpec { name, triggers, connection, action, instructions, enabled, unread: mistakes })
}

/// Takes a member out of a body. `null` counts as absent. A member that doesn't fit becomes a mistake at its name.
fn member<T: DeserializeOwned>(
    members: &mut Map<String, Value>,
    name: &str,
    expected: &str,
    mistakes: &mut Vec<FieldError>,
) -> Option<T> {
    match members.remove(name)? {
        Value::Null => None,
        value => serde_path_to_error::deserialize(value)
            .map_err(|error: serde_path_to_error::Error<serde_json::Error>| {
                let within = error.path().to_string();
                let path = if within == "." { name.to_owned() } else { format!("{name}{within}") };
                mistakes.push(FieldError::new(path, format!("{expected} is expected")));
            })
            .ok(),
    }
}
