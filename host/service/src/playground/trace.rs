//! What happened in a turn, gathered from its events, with the time of each step.

use std::sync::Arc;

use resly_core::{
    approval::Approval,
    id::{ConversationId, MessageId},
    knowledge::Citation,
    time::{Clock, Timestamp},
    turn::{
        failure::TurnFailure,
        live::{TurnEvent, TurnResult},
    },
};
use serde_json::Value;

/// A tool call of the model.
#[derive(Clone, Debug)]
pub struct TracedCall {
    pub id: String,
    pub tool: String,
    pub input: Value,
    /// What came of it. `None` while it runs, and when it waits for a person or was declined.
    pub output: Option<Value>,
    pub ok: bool,
    /// Microseconds from the question to its start, and to its end.
    pub started_us: u64,
    pub ended_us: Option<u64>,
}

/// A turn as its reader saw it.
pub struct TurnTrace {
    pub question: String,
    pub conversation: ConversationId,
    pub message: MessageId,
    pub started_at: Timestamp,
    pub text: String,
    /// The sources that the answer was given; those that it cites once it has ended.
    pub citations: Vec<Citation>,
    pub calls: Vec<TracedCall>,
    /// What the answer asks to confirm.
    pub approvals: Vec<Arc<Approval>>,
    pub result: Option<Arc<TurnResult>>,
    pub failure: Option<TurnFailure>,
    /// Microseconds from the question to the first text, and to the end.
    pub first_text_us: Option<u64>,
    pub ended_us: Option<u64>,
    clock: Arc<dyn Clock>,
}

impl TurnTrace {
    pub(super) fn new(
        question: String,
        conversation: ConversationId,
        message: MessageId,
        started_at: Timestamp,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            question,
            conversation,
            message,
            started_at,
            text: String::new(),
            citations: Vec::new(),
            calls: Vec::new(),
            approvals: Vec::new(),
            result: None,
            failure: None,
            first_text_us: None,
            ended_us: None,
            clock,
        }
    }

    /// Adds the next event.
    pub fn observe(&mut self, event: &TurnEvent) {
        let at = u64::try_from(self.clock.now().since(self.started_at).as_micros()).unwrap_or(u64::MAX);
        match event {
            TurnEvent::Citations(citations) => self.citations = citations.to_vec(),
            TurnEvent::Text(text) => {
                self.first_text_us.get_or_insert(at);
                self.text.push_str(text);
            }
            TurnEvent::ToolStarted { id, name, input } => self.calls.push(TracedCall {
                id: id.clone(),
                tool: name.clone(),
                input: input.clone(),
                output: None,
                ok: false,
                started_us: at,
                ended_us: None,
            }),
            TurnEvent::ToolFinished { id, ok, output, .. } => {
                if let Some(call) = self.calls.iter_mut().rfind(|call| call.id == *id) {
                    (call.ok, call.output, call.ended_us) = (*ok, Some(output.clone()), Some(at));
                }
            }
            TurnEvent::ApprovalAsked(approval) => self.approvals.push(Arc::clone(approval)),
            TurnEvent::ToolDenied { .. } | TurnEvent::RoundEnded => {}
            TurnEvent::Finished(result) => {
                self.text.clone_from(&result.text);
                self.citations.clone_from(&result.citations);
                (self.result, self.ended_us) = (Some(Arc::clone(result)), Some(at));
            }
            TurnEvent::Failed(failure) => (self.failure, self.ended_us) = (Some(failure.clone()), Some(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resly_core::testing::ManualClock;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_trace_has_the_time_of_each_step() {
        let clock = Arc::new(ManualClock::default());
        let (conversation, message) = (ConversationId(Uuid::nil()), MessageId(Uuid::nil()));
        let mut trace =
            TurnTrace::new("Where?".to_owned(), conversation, message, clock.now(), Arc::clone(&clock) as _);
        let (id, name) = ("call_1".to_owned(), "call_connector".to_owned());
        clock.advance(Duration::from_micros(10));
        trace.observe(&TurnEvent::ToolStarted { id: id.clone(), name: name.clone(), input: json!({"a": 1}) });
        clock.advance(Duration::from_micros(20));
        trace.observe(&TurnEvent::ToolFinished { id, name, ok: true, output: json!("out") });
        trace.observe(&TurnEvent::Text("Here".to_owned()));
        clock.advance(Duration::from_micros(5));
        trace.observe(&TurnEvent::Text(".".to_owned()));
        trace.observe(&TurnEvent::Failed(TurnFailure::Deadline));
        let [call] = &trace.calls[..] else { panic!("{:?}", trace.calls) };
        assert_eq!((call.started_us, call.ended_us, call.ok), (10, Some(30), true));
        assert_eq!((trace.first_text_us, trace.ended_us, trace.text.as_str()), (Some(30), Some(35), "Here."));
        assert_eq!(trace.failure, Some(TurnFailure::Deadline));
    }
}
