//! The actions that an organization's connections offer to a model. Every turn needs this list and it seldom changes,
//! so it is read from the store about once a second for each organization.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use resly_manifest::SideEffect;

use super::{
    call::{CallError, Connectors},
    connection::{ConfirmationPolicy, Connection, Environment, Owner},
};
use crate::{
    boxed,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    model::ActionSpec,
    principal::KeyKind,
    workflow::{Workflow, WorkflowStore},
};

/// How long a change of a connection or workflow may be unknown to new turns. A call always reads the connection anew.
/// A change is in force within a second; the rest of it is for the read itself.
const FRESH: Duration = Duration::from_millis(800);

/// One action that a model may call now.
#[derive(Clone)]
pub struct AvailableAction {
    pub connection: ConnectionId,
    pub connector: String,
    pub name: String,
    pub publishable: bool,
    pub environment: Environment,
    /// Whether each visitor has an account of their own. Such an action needs a secret key and a visitor's id.
    pub visitors: bool,
    pub action: ActionSpec,
}

/// The actions and workflows of one organization.
#[derive(Default)]
pub struct ActionSet {
    pub actions: Vec<AvailableAction>,
    pub workflows: Vec<Workflow>,
}

#[derive(Clone)]
pub struct AvailableActions {
    connectors: Connectors,
    workflows: Arc<dyn WorkflowStore>,
    cache: Cache<OrganizationId, Arc<ActionSet>>,
}

impl AvailableActions {
    pub fn new(connectors: Connectors, workflows: Arc<dyn WorkflowStore>) -> Self {
        let cache = Cache::builder().max_capacity(10_000).time_to_live(FRESH).build();
        Self { connectors, workflows, cache }
    }

    /// Reads an organization's actions anew the next time, after a change.
    pub async fn forget(&self, organization: OrganizationId) {
        self.cache.invalidate(&organization).await;
    }

    /// Reads everything anew the next time, after a change on another host.
    pub fn forget_all(&self) {
        self.cache.invalidate_all();
    }

    #[boxed]
    pub async fn of(&self, organization: OrganizationId) -> Result<Arc<ActionSet>, StoreError> {
        let made = self.cache.try_get_with(organization, async { self.make(organization).await.map(Arc::new) }).await;
        made.map_err(|error| (*error).clone())
    }

    async fn make(&self, organization: OrganizationId) -> Result<ActionSet, StoreError> {
        let connections = self.connectors.store.enabled_connections(organization).await?;
        let workflows = self.workflows.workflows(organization).await?;
        let mut actions = Vec::new();
        for connection in &connections {
            match self.connectors.prepare(connection).await {
                Ok(prepared) => {
                    let slug = slug(connection, &connections);
                    for action in &prepared.installable.manifest.actions {
                        let writes = action.side_effect == SideEffect::Write;
                        let when = if writes { connection.policy.writes() } else { Some(ConfirmationPolicy::AtOnce) };
                        let Some(when) = when else { continue };
                        actions.push(AvailableAction {
                            connection: connection.id,
                            connector: connection.connector.clone(),
                            name: connection.name.clone(),
                            publishable: connection.policy.allow_publishable
                                && connection.owner == Owner::Organization
                                && connection.environment == Environment::Production,
                            environment: connection.environment,
                            visitors: connection.owner == Owner::Visitor,
                            action: ActionSpec {
                                connection: slug.clone(),
                                action: action.id.clone(),
                                title: action.title.clone(),
                                description: action.description.clone(),
                                input: action.input.clone(),
                                writes,
                                confirmed: when == ConfirmationPolicy::WhenConfirmed,
                                triggers: triggers(&workflows, connection.id, &action.id),
                            },
                        });
                    }
                }
                Err(CallError::Store(error)) => return Err(error),
                Err(error) => tracing::warn!(%organization, connection = %connection.id, %error, "not offered"),
            }
        }
        Ok(ActionSet { actions, workflows })
    }
}

/// The model's name for a connection: the connector's id. A further connection of the same connector also gets the last
/// digits of its own id.
fn slug(connection: &Connection, all: &[Connection]) -> String {
    let first = all.iter().find(|other| other.connector == connection.connector);
    if first.is_some_and(|first| first.id == connection.id) {
        connection.connector.clone()
    } else {
        let id = connection.id.0.simple().to_string();
        format!("{}-{}", connection.connector, &id[id.len() - 6..])
    }
}

fn triggers(workflows: &[Workflow], connection: ConnectionId, action: &str) -> Vec<String> {
    workflows
        .iter()
        .filter(|workflow| {
            workflow.enabled
                && workflow.connection == Some(connection)
                && workflow.action.as_deref().is_none_or(|wanted| wanted == action)
        })
        .flat_map(|workflow| workflow.triggers.iter().cloned())
        .collect()
}

impl ActionSet {
    /// The actions that may be offered to a chat with this kind of key.
    pub fn for_key(&self, kind: KeyKind) -> impl Iterator<Item = &AvailableAction> {
        self.actions.iter().filter(move |offered| kind == KeyKind::Secret || offered.publishable)
    }

    /// Finds the action that a model names. The connection may be named by its slug, its connector, its name or its id.
    pub fn find(&self, kind: KeyKind, connection: &str, action: &str) -> Option<&AvailableAction> {
        let named = |offered: &&AvailableAction| {
            offered.action.connection == connection
                || offered.connector == connection
                || offered.name.eq_ignore_ascii_case(connection)
                || offered.connection.to_string() == connection
        };
        let mut fitting = self.for_key(kind).filter(|offered| offered.action.action == action);
        if connection.is_empty() {
            // Without a connection's name, only one action may fit.
            return fitting.next().filter(|_| fitting.next().is_none());
        }
        fitting.find(named)
    }
}
