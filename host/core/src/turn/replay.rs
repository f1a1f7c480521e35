//! The stored answer to a repeated request, with the present state of the approvals that it asked for.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    approvals::{asked_by, finished_event, result},
    live::TurnEvent,
    tools::CALL_CONNECTOR,
};
use crate::{
    approval::{Approval, ApprovalState, Approvals, ChatClient},
    conversation::Message,
    error::StoreError,
};

/// The response to a request that was answered before under the same idempotency key.
pub struct Replay {
    pub message: Message,
    /// The approvals of the answer, in their present state.
    approvals: Vec<Approval>,
}

impl Replay {
    pub(super) async fn of(message: Message, approvals: &Approvals, person: &ChatClient) -> Result<Self, StoreError> {
        let mut found = Vec::new();
        for id in asked_by(&message) {
            found.extend(approvals.find(person, id).await?);
        }
        Ok(Self { message, approvals: found })
    }

    /// The approvals that still wait for a person.
    pub fn pending(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.iter().filter(|approval| approval.state == ApprovalState::Pending)
    }

    /// The events of the calls that needed an approval: each one's start, then its question or its result.
    pub fn events(&self) -> impl Iterator<Item = TurnEvent> {
        self.approvals.iter().flat_map(|approval| {
            let (id, name) = (approval.call.clone(), CALL_CONNECTOR.to_owned());
            let started = TurnEvent::ToolStarted { id, name: name.clone(), input: self.input(approval) };
            let then = match (approval.state, result(approval)) {
                (ApprovalState::Pending, _) => TurnEvent::ApprovalAsked(Arc::new(approval.clone())),
                (_, Ok(output)) => finished_event(approval, name, true, output),
                (_, Err(error)) => finished_event(approval, name, false, error.for_client()),
            };
            [started, then]
        })
    }

    /// The arguments of the model's call. When the stored round lacks them, they are rebuilt from the approval.
    fn input(&self, approval: &Approval) -> Value {
        let call =
            self.approvals.iter().flat_map(|approval| &approval.round.calls).find(|call| call.id == approval.call);
        let kept = call.and_then(|call| serde_json::from_str::<Value>(&call.arguments).ok());
        kept.filter(|arguments| arguments["action"].is_string()).unwrap_or_else(
            || json!({"connection": approval.connection, "action": approval.action, "input": approval.input}),
        )
    }
}
