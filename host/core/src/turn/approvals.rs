//! Settles the approvals that the last answer asked for: reads the customer's decision, makes the approved calls, and
//! gives the model their results.
//!
//! The stored record of the last answer names these approvals. A history that the client sends can't name any.

use std::sync::Arc;

use serde_json::json;

use super::{
    failure::TurnFailure,
    live::TurnEvent,
    run::{Run, micros, store_failure},
    tools::{self, Called, ToolError, ToolResult},
};
use crate::{
    approval::{
        Approval, ApprovalState, ChatClient, Outcome, Verdict,
        reply::{self, Reply},
        round::{self, Round, RoundCall},
    },
    connector::{available::ActionSet, fault, tool_error::ToolErrorKind},
    conversation::Message,
    id::ApprovalId,
    model::{ModelMessage, ProviderData, Role, ToolCall},
};

/// The reason in the step of a call that a person has to confirm first.
pub(super) const NEEDS_CONFIRMATION: &str = "needs_confirmation";

/// The reason of an approval that was declined because the customer said neither yes nor no.
const NOT_CONFIRMED: &str = "not confirmed";

/// The approvals that the last answer of a history asks for, and the customer's messages since then, oldest first.
struct Pending<'h> {
    approvals: Vec<ApprovalId>,
    said: Vec<&'h str>,
}

impl<'h> Pending<'h> {
    fn of(history: &'h [Message]) -> Option<Self> {
        // An answer that failed before it had any text asked for no approval.
        let asks = |message: &Message| message.role == Role::Assistant && !message.content.is_empty();
        let at = history.iter().rposition(asks)?;
        let approvals: Vec<ApprovalId> = asked_by(&history[at]).collect();
        let said = history[at + 1..].iter().filter(|message| message.role == Role::User);
        (!approvals.is_empty())
            .then(|| Self { approvals, said: said.map(|message| message.content.as_str()).collect() })
    }

    /// The customer's decision in words. `None` when they sent no message; the client may have sent verdicts instead.
    fn reply(&self) -> Option<Reply> {
        match self.said.as_slice() {
            [] => None,
            [only] => Some(reply::read(only)),
            _ => Some(Reply::Unclear),
        }
    }
}

/// The approvals that an answer asks for, from its stored steps.
pub(super) fn asked_by(answer: &Message) -> impl Iterator<Item = ApprovalId> {
    answer.steps.iter().filter_map(|step| match step["reason"].as_str() {
        Some(NEEDS_CONFIRMATION) => step["approval"].as_str()?.parse().ok(),
        _ => None,
    })
}

impl Run {
    /// Settles the approvals of the last answer, and adds its calls with their results to the dialogue. Returns whether
    /// the request did nothing but answer those approvals.
    pub(super) async fn settle(
        &mut self,
        available: &Arc<ActionSet>,
        messages: &mut Vec<ModelMessage>,
    ) -> Result<bool, TurnFailure> {
        let Some(pending) = Pending::of(&self.accepted.history) else { return Ok(false) };
        let reply = pending.reply();
        let person = ChatClient::new(&self.request.principal, self.request.visitor.as_deref());
        let (mut round, mut decided) = (Round::default(), Vec::new());
        for id in pending.approvals {
            let started = self.turns.clock.now();
            let found = self.turns.approvals.find(&person, id).await.map_err(|error| store_failure(&error))?;
            let Some(found) = found else { continue };
            let fresh = found.state == ApprovalState::Pending;
            let mut approval = if fresh {
                let verdict = self.verdict(&found, reply);
                let decided = self.turns.approvals.decide(&person, id, verdict).await;
                decided.map_err(|error| store_failure(&error))?.unwrap_or(found)
            } else {
                found
            };
            for call in &approval.round.calls {
                self.citations.resume_numbers(&call.citations);
            }
            if !approval.round.is_empty() {
                round = std::mem::take(&mut approval.round);
            }
            let call = tool_call(&approval, available);
            let result = self.show_approval(&approval, &call, available, reply.is_none() || fresh);
            decided.push(RoundCall::new(approval.call.clone(), call, Some(result.content), Vec::new()));
            self.timing.tools_us += micros(self.turns.clock.now().since(started));
            self.renew().await;
        }
        let answered = !decided.is_empty() && reply != Some(Reply::Unclear);
        let by_words = answered && reply.is_some();
        show_round(answered_round(round, decided), by_words, messages);
        Ok(answered)
    }

    fn verdict(&self, approval: &Approval, reply: Option<Reply>) -> Verdict {
        let not_confirmed = Verdict::Decline { reason: Some(NOT_CONFIRMED.to_owned()) };
        match reply {
            Some(Reply::Yes) => Verdict::Approve,
            Some(Reply::No) => Verdict::Decline { reason: None },
            Some(Reply::Unclear) => not_confirmed,
            None => {
                let said = self.request.verdicts.iter().find(|(said, _)| *said == approval.id);
                said.map_or(not_confirmed, |(_, verdict)| verdict.clone())
            }
        }
    }

    /// Records the result of an approval, and shows it to the client when the call was made or when this answer
    /// continues the one that asked.
    fn show_approval(
        &mut self,
        approval: &Approval,
        call: &ToolCall,
        available: &Arc<ActionSet>,
        show: bool,
    ) -> ToolResult {
        let made = matches!(approval.state, ApprovalState::Executed | ApprovalState::Failed);
        let continues = self.live.continues.is_some();
        let called = Called::of(approval, available);
        let known = self.citations.offered().len();
        let cap = self.turns.limits.tool_output_bytes;
        let mut result = tools::render_result(&call.name, &called, result(approval), &[], cap, &mut self.citations);
        if self.citations.offered().len() > known {
            self.push_citations();
        }
        result.step["approval"] = json!(approval.id);
        if !show {
            return result;
        }
        self.steps.push(result.step.clone());
        if made || continues {
            let (id, name) = (call.id.clone(), call.name.clone());
            let input = serde_json::from_str(&call.arguments).unwrap_or_default();
            if !continues {
                self.live.push(TurnEvent::RoundEnded);
            }
            self.live.push(TurnEvent::ToolStarted { id, name: name.clone(), input });
            self.live.push(finished_event(approval, name, result.ok, result.output.clone()));
        }
        result
    }
}

/// The model's call, under the name that its connection has now.
fn tool_call(approval: &Approval, available: &ActionSet) -> ToolCall {
    let called = Called::of(approval, available);
    let connection = called.connection.unwrap_or_else(|| approval.connection.to_string());
    let arguments = json!({"connection": connection, "action": approval.action, "input": approval.input});
    ToolCall {
        id: approval.call.clone(),
        name: tools::CALL_CONNECTOR.to_owned(),
        arguments: arguments.to_string(),
        data: ProviderData::default(),
    }
}

/// The event that ends an approval's call for the client.
pub(super) fn finished_event(approval: &Approval, name: String, ok: bool, output: serde_json::Value) -> TurnEvent {
    let id = approval.call.clone();
    match approval.state {
        ApprovalState::Declined => TurnEvent::ToolDenied { id, name },
        _ => TurnEvent::ToolFinished { id, name, ok, output },
    }
}

/// The result of an approval's call.
pub(super) fn result(approval: &Approval) -> Result<serde_json::Value, ToolError> {
    // Only a write needs an approval, so every failure says whether the write was done.
    let undone = |kind: ToolErrorKind, message: &str| Err(ToolError::new(kind, message).of_write(true));
    match (approval.state, &approval.outcome) {
        (_, Some(Outcome::Output(output))) => Ok(output.clone()),
        (_, Some(Outcome::Error { kind, message, remedy })) => {
            undone(ToolErrorKind::Fault(*kind), &fault::for_model(*kind, message, *remedy))
        }
        (ApprovalState::Declined, None) => {
            let why = approval.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            undone(ToolErrorKind::Declined, &format!("the customer didn't confirm this{why}; it was not done"))
        }
        (ApprovalState::Pending | ApprovalState::Expired, None) => undone(
            ToolErrorKind::Expired,
            "nobody confirmed this in time; it was not done. Call it again if it is still wanted",
        ),
        (ApprovalState::Approved | ApprovalState::Executed | ApprovalState::Failed, None) => undone(
            ToolErrorKind::Unknown,
            "this was confirmed, but what came of it isn't known yet; don't call it again until somebody has looked",
        ),
    }
}

/// The round that asked, in the model's order, with the results of the calls that waited. When no round was stored,
/// only the decided calls.
fn answered_round(mut round: Round, decided: Vec<RoundCall>) -> Round {
    if round.is_empty() {
        return Round { calls: decided, data: ProviderData::default() };
    }
    for call in round.calls.iter_mut().filter(|call| call.result.is_none()) {
        if let Some(decided) = decided.iter().find(|decided| decided.id == call.id) {
            call.arguments.clone_from(&decided.arguments);
            call.result.clone_from(&decided.result);
        }
    }
    round
}

/// Adds a round to the dialogue: in place of the answer that asked or, when the customer decided in words, after them.
fn show_round(round: Round, by_words: bool, messages: &mut Vec<ModelMessage>) {
    if round.is_empty() {
        return;
    }
    let asks = |message: &ModelMessage| matches!(message, ModelMessage::Text { role: Role::Assistant, .. });
    match messages.iter().rposition(asks).filter(|_| !by_words) {
        Some(at) => {
            let text = match &mut messages[at] {
                ModelMessage::Text { text, .. } => std::mem::take(text),
                _ => String::new(),
            };
            messages.splice(at..=at, round::exchange(text, round));
        }
        None => messages.extend(round::exchange(String::new(), round)),
    }
}
