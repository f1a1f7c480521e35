//! Workflow rules.

use async_trait::async_trait;
use resly_core::{
    boxed,
    error::StoreError,
    id::{ConnectionId, OrganizationId, WorkflowId},
    workflow::{Workflow, WorkflowStore},
};
use serde::Serialize;

use crate::{
    Store,
    audit::{Author, Subject, view},
    error::{failed, violates_policy},
    sql::{Conn, execute, row, rows},
    types::{Id, Json, Text, Time},
};

#[derive(sqlx_macros::FromRow)]
struct WorkflowRow {
    id: Id,
    name: String,
    triggers: Json<Vec<String>>,
    connection_id: Option<Id>,
    action: Option<String>,
    instructions: Option<String>,
    enabled: bool,
    created_at: Time,
}

impl From<WorkflowRow> for Workflow {
    fn from(row: WorkflowRow) -> Self {
        Self {
            id: WorkflowId(row.id.0),
            name: row.name,
            triggers: row.triggers.0,
            connection: row.connection_id.map(|connection| ConnectionId(connection.0)),
            action: row.action,
            instructions: row.instructions,
            enabled: row.enabled,
            created_at: row.created_at.0,
        }
    }
}

/// What the audit log shows of a rule.
#[derive(Serialize)]
struct WorkflowView<'w> {
    name: &'w str,
    triggers: &'w [String],
    connection: Option<ConnectionId>,
    action: Option<&'w str>,
    instructions: Option<&'w str>,
    enabled: bool,
}

impl<'w> WorkflowView<'w> {
    fn of(rule: &'w Workflow) -> Self {
        Self {
            name: &rule.name,
            triggers: &rule.triggers,
            connection: rule.connection,
            action: rule.action.as_deref(),
            instructions: rule.instructions.as_deref(),
            enabled: rule.enabled,
        }
    }
}

async fn find(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: WorkflowId,
) -> Result<Option<Workflow>, sqlx::Error> {
    let found = row!(
        db,
        WorkflowRow,
        "SELECT id, name, triggers, connection_id, action, instructions, enabled, created_at
         FROM workflows WHERE id = $1 AND organization_id = $2",
        Id(id.0),
        Id(organization.0)
    )?;
    Ok(found.map(Workflow::from))
}

async fn put(db: &mut Conn<'_>, organization: OrganizationId, rule: &Workflow) -> Result<bool, sqlx::Error> {
    let put = execute!(
        db,
        "INSERT INTO workflows
             (id, organization_id, name, triggers, connection_id, action, instructions, enabled, created_at)
         VALUES ($1, $2, $3, $4, (SELECT id FROM connections WHERE id = $5 AND organization_id = $2), $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE
         SET name = excluded.name, triggers = excluded.triggers, connection_id = excluded.connection_id,
             action = excluded.action, instructions = excluded.instructions, enabled = excluded.enabled
         WHERE workflows.organization_id = excluded.organization_id",
        Id(rule.id.0),
        Id(organization.0),
        Text(&rule.name),
        Json(&rule.triggers),
        rule.connection.map(|connection| Id(connection.0)),
        rule.action.as_deref().map(Text),
        rule.instructions.as_deref().map(Text),
        rule.enabled,
        Time(rule.created_at)
    );
    match put {
        // Where policies bind the host, PostgreSQL itself refuses to replace another organization's row.
        Err(error) if violates_policy(&error) => Ok(false),
        put => Ok(put? > 0),
    }
}

impl Store {
    /// Creates a rule, or replaces the one with its id. A connection of another organization is left out. False when
    /// the id is another organization's; then nothing changes.
    #[boxed]
    pub async fn put_workflow(&self, organization: OrganizationId, rule: Workflow) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(organization, "keep a workflow", move |mut db| {
            Box::pin(async move {
                let before = find(&mut db, organization, rule.id).await?;
                let put = put(&mut db, organization, &rule).await?;
                let (subject, after) = (Subject::new(rule.id, &rule.name), view(&WorkflowView::of(&rule))?);
                match before {
                    _ if !put => {}
                    Some(before) => {
                        let before = view(&WorkflowView::of(&before))?;
                        by.changed(&mut db, organization, "workflow.change", subject, before, after).await?;
                    }
                    None => by.created(&mut db, organization, "workflow.create", subject, after).await?,
                }
                Ok(put)
            })
        })
        .await
    }

    /// The organization's rules, oldest first.
    pub async fn list_workflows(&self, organization: OrganizationId) -> Result<Vec<Workflow>, StoreError> {
        let doing = "list the workflows";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            WorkflowRow,
            "SELECT id, name, triggers, connection_id, action, instructions, enabled, created_at
             FROM workflows WHERE organization_id = $1 ORDER BY created_at, id",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        Ok(found.into_iter().map(Workflow::from).collect())
    }

    /// Deletes a rule. False when the organization has no such rule.
    #[boxed]
    pub async fn delete_workflow(&self, organization: OrganizationId, id: WorkflowId) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(organization, "delete a workflow", move |mut db| {
            Box::pin(async move {
                if let Some(before) = find(&mut db, organization, id).await? {
                    let subject = Subject::new(id, &before.name);
                    let before = view(&WorkflowView::of(&before))?;
                    by.deleted(&mut db, organization, "workflow.delete", subject, before).await?;
                }
                let deleted = execute!(
                    db,
                    "DELETE FROM workflows WHERE id = $1 AND organization_id = $2",
                    Id(id.0),
                    Id(organization.0)
                )?;
                Ok(deleted > 0)
            })
        })
        .await
    }
}

#[async_trait]
impl WorkflowStore for Store {
    async fn workflows(&self, organization: OrganizationId) -> Result<Vec<Workflow>, StoreError> {
        self.list_workflows(organization).await
    }
}
