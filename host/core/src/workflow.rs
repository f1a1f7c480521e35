//! Workflow rules: what an organization wants done when a customer's message matches.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId, WorkflowId},
    time::Timestamp,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workflow {
    pub id: WorkflowId,
    pub name: String,
    /// Words or phrases; any of them in the message, without regard to case, is a match.
    pub triggers: Vec<String>,
    /// The action that a match asks for.
    pub connection: Option<ConnectionId>,
    pub action: Option<String>,
    /// What a match adds to the model's instructions.
    pub instructions: Option<String>,
    pub enabled: bool,
    pub created_at: Timestamp,
}

impl Workflow {
    pub fn matches(&self, message: &str) -> bool {
        let message = message.to_lowercase();
        self.enabled && self.triggers.iter().any(|trigger| message.contains(&trigger.to_lowercase()))
    }
}

#[async_trait]
pub trait WorkflowStore: Send + Sync + 'static {
    async fn workflows(&self, organization: OrganizationId) -> Result<Vec<Workflow>, StoreError>;
}
