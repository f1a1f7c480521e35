//! Workflows, which are rules for customers' messages: add one, and replace one.

use resly_core::{
    boxed,
    connector::call::{CallError, ConnectionStore},
    error::StoreError,
    id::{ConnectionId, OrganizationId, WorkflowId},
    workflow::{HAND_OVER, Workflow, WorkflowStore},
};

use crate::{App, FieldError};

/// The most triggers, and the most bytes of a trigger and of a name.
const TRIGGERS: usize = 50;
const TRIGGER: usize = 200;
const NAME: usize = 200;

/// Why a rule can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    #[error("there is no such workflow")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A rule as an admin sent it.
#[derive(Default)]
pub struct WorkflowSpec {
    pub name: String,
    /// A message that contains one of them is a match.
    pub triggers: Vec<String>,
    /// The id of the connection that a match is about.
    pub connection: Option<String>,
    /// The action of that connection that a match asks for, or [`HAND_OVER`] without a connection.
    pub action: Option<String>,
    /// What a match adds to the model's instructions.
    pub instructions: Option<String>,
    /// True when absent.
    pub enabled: Option<bool>,
    /// The mistakes of members that couldn't be read. They are told together with those found here, and these members
    /// aren't checked again.
    pub unread: Vec<FieldError>,
}

/// Adds a rule.
#[boxed]
pub async fn create(app: &App, organization: OrganizationId, spec: WorkflowSpec) -> Result<Workflow, WorkflowError> {
    let id = WorkflowId(app.random.uuid(app.clock.now()));
    let workflow = check(app, organization, id, spec).await?;
    app.store.put_workflow(organization, workflow.clone()).await?;
    Ok(workflow)
}

/// Replaces a rule.
#[boxed]
pub async fn replace(
    app: &App,
    organization: OrganizationId,
    id: WorkflowId,
    spec: WorkflowSpec,
) -> Result<Workflow, WorkflowError> {
    let old = app.store.workflows(organization).await?.into_iter().find(|workflow| workflow.id == id);
    let created_at = old.ok_or(WorkflowError::Missing)?.created_at;
    let workflow = Workflow { created_at, ..check(app, organization, id, spec).await? };
    if !app.store.put_workflow(organization, workflow.clone()).await? {
        return Err(WorkflowError::Missing);
    }
    Ok(workflow)
}

async fn check(
    app: &App,
    organization: OrganizationId,
    id: WorkflowId,
    spec: WorkflowSpec,
) -> Result<Workflow, WorkflowError> {
    let mut mistakes = check_texts(&spec);
    let WorkflowSpec { name, triggers, connection, action, instructions, enabled, unread } = spec;
    let was_read = |path: &str| !unread.iter().any(|mistake| mistake.path == path);
    let wanted = connection.as_deref().map(str::parse::<ConnectionId>);
    match wanted {
        None if action.as_deref() == Some(HAND_OVER) => {}
        None if action.is_some() && was_read("connection") => {
            let missing = format!("missing: `action` is an action of one, or `{HAND_OVER}` without a connection");
            mistakes.push(FieldError::new("connection", missing));
        }
        None => {}
        Some(Err(_)) => mistakes.push(FieldError::new("connection", "there is no such connection")),
        Some(Ok(wanted)) => match app.store.connection(organization, wanted).await? {
            None => mistakes.push(FieldError::new("connection", "there is no such connection")),
            Some(connection) => {
                let prepared = app.connectors.prepare(&connection).await?;
                if let Some(action) = &action
                    && prepared.installable.manifest.action(action).is_none()
                {
                    mistakes.push(FieldError::new("action", "the connection's connector has no such action"));
                }
            }
        },
    }
    if !(unread.is_empty() && mistakes.is_empty()) {
        return Err(WorkflowError::Invalid([unread, mistakes].concat()));
    }
    let (connection, enabled) = (connection.and_then(|id| id.parse().ok()), enabled.unwrap_or(true));
    let created_at = app.clock.now();
    Ok(Workflow { id, name, triggers, connection, action, instructions, enabled, created_at })
}

/// The mistakes that can be found without the store.
fn check_texts(spec: &WorkflowSpec) -> Vec<FieldError> {
    let was_read = |path: &str| !spec.unread.iter().any(|mistake| mistake.path == path);
    let mut mistakes = Vec::new();
    if was_read("name") && (spec.name.trim().is_empty() || spec.name.len() > NAME) {
        mistakes.push(FieldError::new("name", "1 to 200 bytes are expected"));
    }
    if was_read("triggers") && (spec.triggers.is_empty() || spec.triggers.len() > TRIGGERS) {
        mistakes.push(FieldError::new("triggers", "1 to 50 are expected"));
    }
    for (at, trigger) in spec.triggers.iter().enumerate().take(TRIGGERS) {
        if trigger.trim().is_empty() || trigger.len() > TRIGGER {
            mistakes.push(FieldError::new(format!("triggers[{at}]"), "1 to 200 bytes are expected"));
        }
    }
    if spec.instructions.as_ref().is_some_and(|text| text.len() > 8_000) {
        mistakes.push(FieldError::new("instructions", "at most 8,000 bytes are expected"));
    }
    let hands_over = spec.action.as_deref() == Some(HAND_OVER);
    let nothing = spec.connection.is_none() && spec.instructions.is_none() && !hands_over;
    if nothing && was_read("connection") && was_read("instructions") {
        mistakes.push(FieldError::new(
            "$",
            "a rule needs a `connection`, `instructions`, or both, or the action `hand_over`",
        ));
    }
    mistakes
}
