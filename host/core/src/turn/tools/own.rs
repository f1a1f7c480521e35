//! The host's own tools: search the knowledge, find connector actions, open a ticket, hand over to a person.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{SEARCH_KNOWLEDGE, ToolOutcome, ToolResult, Toolbox, parse};
use crate::{
    connector::{available::AvailableAction, fault::FaultKind, tool_error::ToolErrorKind},
    conversation::handover::{self, HandOver, HandoverSource},
    id::TicketId,
    knowledge::Passage,
    model::ToolCall,
    turn::{cite::Citations, store::NewTicket},
};

/// The most actions that one search returns.
const FOUND: usize = 8;

#[derive(Deserialize)]
struct SearchArguments {
    query: String,
}

#[derive(Deserialize)]
struct TicketArguments {
    subject: String,
    body: String,
}

#[derive(Deserialize)]
struct HandOverArguments {
    summary: String,
}

impl Toolbox<'_> {
    pub(super) async fn search_knowledge(&self, call: &ToolCall) -> ToolOutcome {
        let query = match parse::<SearchArguments>(call) {
            Ok(arguments) => arguments.query,
            Err(message) => return ToolOutcome::Done(self.failed(&call.name, FaultKind::InvalidInput, &message)),
        };
        let limit = self.turns.limits.passages;
        match self.turns.retriever.retrieve(self.principal.organization, &query, limit).await {
            Ok(passages) => ToolOutcome::Found(passages),
            Err(failure) => {
                tracing::warn!(%failure, "a search for the model failed");
                ToolOutcome::Done(self.failed(
                    &call.name,
                    ToolErrorKind::Unavailable,
                    "the search is not available right now",
                ))
            }
        }
    }

    pub(super) fn render_passages(&self, passages: &[Passage], citations: &mut Citations) -> ToolResult {
        let cites: Vec<u32> = passages.iter().map(|passage| citations.passage(passage)).collect();
        let found = cites.iter().zip(passages);
        let found = found.map(|(n, passage)| json!({"n": n, "title": passage.title, "text": passage.text}));
        ToolResult { cites: cites.clone(), ..self.succeeded(SEARCH_KNOWLEDGE, found.collect()) }
    }

    pub(super) fn search_connectors(&self, call: &ToolCall) -> ToolResult {
        let query = match parse::<SearchArguments>(call) {
            Ok(arguments) => arguments.query.to_lowercase(),
            Err(message) => return self.failed(&call.name, FaultKind::InvalidInput, &message),
        };
        let words: Vec<&str> = query.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).collect();
        let mut scored: Vec<(usize, &AvailableAction)> = self
            .available
            .for_key(self.principal.kind)
            .map(|offered| {
                let AvailableAction { action, name, .. } = offered;
                let text = format!("{name} {} {} {}", action.action, action.title, action.description).to_lowercase();
                (words.iter().filter(|word| text.contains(**word)).count(), offered)
            })
            .filter(|(score, _)| *score > 0)
            .collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let mut found: Vec<Value> = scored
            .iter()
            .take(FOUND)
            .map(|(_, AvailableAction { action, name, .. })| {
                json!({"connection": action.connection, "name": name, "action": action.action,
                    "description": action.description, "input": action.input})
            })
            .collect();
        if scored.len() > FOUND {
            found.push(json!({"note": format!("{} more fit; search for less", scored.len() - FOUND)}));
        }
        self.succeeded(&call.name, json!(found))
    }

    pub(super) async fn create_ticket(&self, call: &ToolCall) -> ToolResult {
        let TicketArguments { subject, body } = match parse::<TicketArguments>(call) {
            Ok(arguments) if arguments.subject.len() <= 800 && arguments.body.len() <= 40_000 => arguments,
            Ok(_) => return self.failed(&call.name, FaultKind::InvalidInput, "the subject or the body is too long"),
            Err(message) => return self.failed(&call.name, FaultKind::InvalidInput, &message),
        };
        let now = self.turns.clock.now();
        let id = TicketId(self.turns.random.uuid(now));
        let organization = self.principal.organization;
        let conversation = Some(self.accepted.conversation);
        let ticket = NewTicket { id, organization, conversation, subject, body, now };
        match self.turns.store.create_ticket(ticket).await {
            Ok(()) => self.succeeded(&call.name, json!({"ticket_id": id, "status": "open"})),
            Err(failure) => {
                tracing::error!(%failure, "a ticket could not be stored");
                self.failed(
                    &call.name,
                    ToolErrorKind::Unavailable,
                    "the ticket could not be opened; ask the customer to try again",
                )
            }
        }
    }

    pub(super) async fn hand_over(&self, call: &ToolCall) -> ToolResult {
        let summary = match parse::<HandOverArguments>(call) {
            Ok(arguments) => handover::cut(&arguments.summary, handover::SUMMARY_BYTES),
            Err(message) => return self.failed(&call.name, FaultKind::InvalidInput, &message),
        };
        let request = HandOver {
            organization: self.principal.organization,
            conversation: self.accepted.conversation,
            by: HandoverSource::Model,
            summary: Some(summary).filter(|summary| !summary.trim().is_empty()),
            answer: Some(self.accepted.answer),
            now: self.turns.clock.now(),
        };
        match self.turns.store.hand_over(request).await {
            Ok(Some(handed)) => {
                self.succeeded(&call.name, json!({"status": handed.state.name(), "customer": handed.notice}))
            }
            // The conversation is deleted meanwhile.
            Ok(None) => self.failed(&call.name, ToolErrorKind::Unavailable, "the conversation is gone"),
            Err(failure) => {
                tracing::error!(%failure, "a conversation could not be handed over");
                let message = "the conversation could not be handed over; ask the customer to try again";
                self.failed(&call.name, ToolErrorKind::Unavailable, message)
            }
        }
    }
}
