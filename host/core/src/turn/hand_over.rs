//! Hands a conversation over from within a turn: because a rule says so, or by the model's tool.

use serde_json::json;

use super::{
    failure::TurnFailure,
    run::{End, Run, store_failure},
};
use crate::{
    conversation::handover::{ConversationState, HandOver, HandoverSource},
    model::FinishReason,
    workflow::HAND_OVER,
};

impl Run {
    /// Hands the conversation over because a rule says so. The model isn't asked.
    pub(super) async fn hand_over_by_rule(&mut self) -> Result<End, TurnFailure> {
        let request = HandOver {
            organization: self.request.principal.organization,
            conversation: self.accepted.conversation,
            by: HandoverSource::Rule,
            summary: None,
            answer: Some(self.accepted.answer),
            now: self.turns.clock.now(),
        };
        let handed = self.turns.store.hand_over(request).await.map_err(|error| store_failure(&error))?;
        self.steps.push(json!({"tool": HAND_OVER, "ok": true}));
        let notice = handed.map_or(ConversationState::Waiting.notice(), |handed| handed.notice);
        self.draft.write(notice.to_owned());
        self.finish = FinishReason::Stop;
        Ok(End::HandedOver)
    }

    /// Whether the model has handed the conversation over in this answer.
    pub(super) fn is_handed_over(&self) -> bool {
        self.steps.iter().any(|step| step["tool"] == HAND_OVER && step["ok"] == true)
    }
}
