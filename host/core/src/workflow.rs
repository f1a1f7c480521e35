//! Workflow rules: what a turn does in addition when a customer's message matches.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId, WorkflowId},
    time::Timestamp,
};

/// The host's own action of a rule, which needs no connection: a person of the organization answers from then on.
pub const HAND_OVER: &str = "hand_over";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Workflow {
    pub id: WorkflowId,
    pub name: String,
    /// Words or phrases. A message that contains any of them matches, without regard to case.
    pub triggers: Vec<String>,
    /// The action that a match asks for.
    pub connection: Option<ConnectionId>,
    pub action: Option<String>,
    /// Instructions to the model that a match adds.
    pub instructions: Option<String>,
    pub enabled: bool,
    pub created_at: Timestamp,
}

impl Workflow {
    /// Whether a match hands the conversation over to a person.
    pub fn hands_over(&self) -> bool {
        self.connection.is_none() && self.action.as_deref() == Some(HAND_OVER)
    }

    pub fn matches(&self, message: &str) -> bool {
        let message = message.to_lowercase();
        self.enabled && self.triggers.iter().any(|trigger| message.contains(&trigger.to_lowercase()))
    }
}

#[async_trait]
pub trait WorkflowStore: Send + Sync + 'static {
    async fn workflows(&self, organization: OrganizationId) -> Result<Vec<Workflow>, StoreError>;
}
