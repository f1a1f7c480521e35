//! The tools a model is offered, and what happens when it calls one. A call is a wish: whether it is granted is decided
//! by the key, the offer and the connection's policy, and its output is data.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Turns,
    cite::Citations,
    confirm::NEEDS_CONFIRMATION,
    prompt::fence,
    store::{AcceptedTurn, NewTicket},
};
use crate::{
    approval::{Approval, Person, Wish},
    connector::{
        call::{CallError, CallRequest, Caller},
        offer::{Offer, Offered},
        sandbox::Fault,
    },
    id::{ConnectionId, TicketId},
    model::{NumberedPassage, ToolCall, ToolSpec},
    principal::Principal,
};

/// Over this many actions, their schemas stay out of the prompt and `search_connectors` finds them.
const FEW: usize = 24;
const FOUND: usize = 8;

pub(super) const CALL_CONNECTOR: &str = "call_connector";

/// What came of a tool call.
pub(super) enum Ran {
    Done(ToolResult),
    /// Nothing yet: a person has to confirm it.
    Asks(Box<Approval>),
}

/// What a tool call gave.
pub(super) struct ToolResult {
    pub ok: bool,
    /// For clients: the output, or `{"error", "message"}`.
    pub output: Value,
    /// For the model: the same, fenced and cut.
    pub content: String,
    /// For the record: what was called and how it went.
    pub step: Value,
}

/// The tools of one turn.
pub(super) fn specs(offer: &Offer, principal: &Principal) -> Vec<ToolSpec> {
    let offered: Vec<&Offered> = offer.for_key(principal.kind).collect();
    let mut specs = Vec::with_capacity(4);
    if !offered.is_empty() {
        specs.push(call_connector(&offered));
    }
    if offered.len() > FEW {
        specs.push(tool(
            "search_connectors",
            "Finds the connector actions that fit a need, with the schema of their input.",
            json!({"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}),
        ));
    }
    specs.push(tool(
        "search_knowledge",
        "Searches the company's knowledge for passages beyond those already given.",
        json!({"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}),
    ));
    specs.push(tool(
        "create_ticket",
        "Opens a ticket for a person to take over, when the customer asks for one or you can't help.",
        json!({"type": "object", "required": ["subject", "body"], "properties": {
            "subject": {"type": "string", "maxLength": 200}, "body": {"type": "string", "maxLength": 10_000}}}),
    ));
    specs
}

fn tool(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters, actions: Vec::new() }
}

fn call_connector(offered: &[&Offered]) -> ToolSpec {
    let mut description = "Calls an action of one of the company's live systems and returns its result.".to_owned();
    let mut connections: Vec<&str> = offered.iter().map(|o| o.action.connection.as_str()).collect();
    connections.sort_unstable();
    connections.dedup();
    let mut properties = json!({
        "connection": {"type": "string", "enum": connections},
        "action": {"type": "string"},
        "input": {"type": "object", "description": "What the action's input schema asks for."},
    });
    if offered.len() <= FEW {
        let mut actions: Vec<&str> = offered.iter().map(|o| o.action.action.as_str()).collect();
        actions.sort_unstable();
        actions.dedup();
        properties["action"]["enum"] = json!(actions);
        for Offered { action, .. } in offered {
            description.push_str(&format!(
                "\n- {}.{}{}: {} Input schema: {}",
                action.connection,
                action.action,
                match (action.writes, action.confirmed) {
                    (false, _) => "",
                    (true, false) => " (changes something)",
                    (true, true) => " (changes something; the host itself asks the customer to confirm it)",
                },
                action.description,
                action.input,
            ));
        }
    } else {
        description.push_str(" Find actions and their input schemas with search_connectors first.");
    }
    ToolSpec {
        name: CALL_CONNECTOR.to_owned(),
        description,
        parameters: json!({
            "type": "object", "properties": properties, "required": ["connection", "action", "input"]}),
        actions: offered.iter().map(|offered| offered.action.clone()).collect(),
    }
}

/// What the tools of one turn work on.
pub(super) struct Toolbox<'a> {
    pub turns: &'a Turns,
    pub principal: &'a Principal,
    /// Whom the client asks for.
    pub visitor: Option<&'a str>,
    pub accepted: &'a AcceptedTurn,
    pub offer: Arc<Offer>,
}

#[derive(Deserialize)]
struct ConnectorArguments {
    #[serde(default, alias = "connector")]
    connection: String,
    action: String,
    #[serde(default)]
    input: Value,
}

#[derive(Deserialize)]
struct SearchArguments {
    query: String,
}

#[derive(Deserialize)]
struct TicketArguments {
    subject: String,
    body: String,
}

/// The action that a call means, as clients, models and the record name it.
pub(super) struct Called {
    pub id: ConnectionId,
    /// What the model calls the connection.
    pub connection: String,
    pub action: String,
    /// For citations.
    pub title: String,
}

impl Called {
    fn offered(offered: &Offered) -> Self {
        Self {
            id: offered.connection,
            connection: offered.action.connection.clone(),
            action: offered.action.action.clone(),
            title: format!("{}: {}", offered.name, offered.action.title),
        }
    }

    /// The action of an approval, even one that isn't offered any more.
    pub(super) fn of(approval: &Approval, offer: &Offer) -> Self {
        let same = |offered: &&Offered| offered.connection == approval.connection;
        let connection = offer.actions.iter().find(same).map(|offered| offered.action.connection.clone());
        Self {
            id: approval.connection,
            connection: connection.unwrap_or_else(|| approval.connection.to_string()),
            action: approval.action.clone(),
            title: approval.title.clone(),
        }
    }
}

/// An action's output, or the kind and the words of its fault, as the result of `tool`.
pub(super) fn told(
    tool: &str,
    called: &Called,
    result: Result<Value, (String, String)>,
    notes: &[String],
    cap: usize,
    citations: &mut Citations,
) -> ToolResult {
    let (output, reason, n) = match result {
        Ok(output) => {
            let n = citations.add(called.title.clone(), None, called.id.to_string(), &output.to_string());
            (output, None, Some(n))
        }
        Err((kind, message)) => (error(&kind, &message), Some(kind), None),
    };
    let names = [("connection", called.connection.as_str()), ("action", called.action.as_str())];
    let ok = reason.is_none();
    ToolResult {
        ok,
        content: fence(n, tool, &names, &output, notes, cap),
        step: json!({"tool": tool, "connection": called.id, "action": called.action, "ok": ok, "reason": reason}),
        output,
    }
}

/// The record of a call that waits for a person.
pub(super) fn asked_step(approval: &Approval) -> Value {
    json!({"tool": CALL_CONNECTOR, "connection": approval.connection, "action": approval.action, "ok": false,
        "reason": NEEDS_CONFIRMATION, "approval": approval.id})
}

fn faulted(fault: Fault) -> (String, String) {
    (fault.kind.name().to_owned(), fault.message)
}

fn not_made(failure: &dyn std::fmt::Display, connection: ConnectionId) -> (String, String) {
    tracing::warn!(%failure, %connection, "a connector call could not be made");
    ("internal".to_owned(), "the call could not be made".to_owned())
}

impl Toolbox<'_> {
    /// Runs a tool; `asked` is what this answer asks a person to confirm already.
    pub(super) async fn run(&self, call: &ToolCall, asked: &[Approval], citations: &mut Citations) -> Ran {
        Ran::Done(match call.name.as_str() {
            CALL_CONNECTOR => return self.call_connector(call, asked, citations).await,
            "search_knowledge" => self.search_knowledge(call, citations).await,
            "search_connectors" => self.search_connectors(call),
            "create_ticket" => self.create_ticket(call).await,
            other => self.failed(other, "unknown_tool", "there is no such tool; use only those that were offered"),
        })
    }

    async fn call_connector(&self, call: &ToolCall, asked: &[Approval], citations: &mut Citations) -> Ran {
        let arguments = match parse::<ConnectorArguments>(call) {
            Ok(arguments) => arguments,
            Err(message) => return Ran::Done(self.failed(&call.name, "invalid_input", &message)),
        };
        let kind = self.principal.kind;
        let Some(offered) = self.offer.find(kind, &arguments.connection, &arguments.action) else {
            let message = format!(
                "no connection `{}` with an action `{}` is offered here",
                arguments.connection, arguments.action
            );
            return Ran::Done(self.failed(&call.name, "unknown_action", &message));
        };
        let request = CallRequest {
            organization: self.principal.organization,
            connection: offered.connection,
            action: arguments.action,
            input: if arguments.input.is_null() { json!({}) } else { arguments.input },
            caller: Caller::Chat { key: self.principal.key, kind, conversation: self.accepted.conversation },
            visitor: self.visitor.map(str::to_owned),
        };
        let confirmed = if offered.action.confirmed { self.ask(call, &request, asked).await } else { Ok(None) };
        let mut notes = Vec::new();
        let result = match confirmed {
            Ok(Some(approval)) => return Ran::Asks(Box::new(approval)),
            Ok(None) => match self.turns.connectors.call(request).await {
                Ok(report) => {
                    notes = report.notes();
                    report.result.map_err(faulted)
                }
                Err(failure) => Err(not_made(&failure, offered.connection)),
            },
            Err(refused) => Err(refused),
        };
        let cap = self.turns.limits.tool_output_bytes;
        let mut result = told(&call.name, &Called::offered(offered), result, &notes, cap, citations);
        // What the company's app, and not the model, needs to have this visitor connect their account.
        if let Some(visitor) = self.visitor.filter(|_| offered.visitors && result.step["reason"] == "needs_auth") {
            let authorize = json!({"connection": offered.connection, "visitor": visitor});
            result.output["authorize"] = authorize.clone();
            result.step["authorize"] = authorize;
        }
        Ran::Done(result)
    }

    /// Keeps a write for a person to confirm; `None` when there is nothing to confirm: it is refused, then, or allowed, as the
    /// call itself will say.
    async fn ask(
        &self,
        call: &ToolCall,
        request: &CallRequest,
        asked: &[Approval],
    ) -> Result<Option<Approval>, (String, String)> {
        let admitted = match self.turns.connectors.admit(request).await {
            Ok(Ok(admitted)) if admitted.needs_confirmation => admitted,
            _ => return Ok(None),
        };
        let same = |approval: &Approval| {
            (approval.connection, &approval.action, &approval.input)
                == (request.connection, &request.action, &request.input)
        };
        if asked.iter().any(same) {
            let message = "the customer is asked to confirm this very call already; it is made once";
            return Err(("repeated".to_owned(), message.to_owned()));
        }
        let wish = Wish {
            person: Person::from(self.principal),
            conversation: self.accepted.conversation,
            message: self.accepted.answer,
            visitor: self.visitor.map(str::to_owned),
            call: call.id.clone(),
            input: request.input.clone(),
        };
        match self.turns.approvals.ask(wish, &admitted).await {
            Ok(Ok(approval)) => Ok(Some(approval)),
            Ok(Err(fault)) => Err(faulted(fault)),
            Err(failure) => Err(not_made(&CallError::from(failure), request.connection)),
        }
    }

    async fn search_knowledge(&self, call: &ToolCall, citations: &mut Citations) -> ToolResult {
        let query = match parse::<SearchArguments>(call) {
            Ok(arguments) => arguments.query,
            Err(message) => return self.failed(&call.name, "invalid_input", &message),
        };
        let limit = self.turns.limits.passages;
        match self.turns.retriever.retrieve(self.principal.organization, &query, limit).await {
            Ok(passages) => {
                let found: Vec<Value> = passages
                    .into_iter()
                    .map(|passage| NumberedPassage { n: citations.passage(&passage), passage })
                    .map(|NumberedPassage { n, passage }| json!({"n": n, "title": passage.title, "text": passage.text}))
                    .collect();
                self.succeeded(&call.name, json!(found))
            }
            Err(failure) => {
                tracing::warn!(%failure, "a search for the model failed");
                self.failed(&call.name, "unavailable", "the search is not available right now")
            }
        }
    }

    fn search_connectors(&self, call: &ToolCall) -> ToolResult {
        let query = match parse::<SearchArguments>(call) {
            Ok(arguments) => arguments.query.to_lowercase(),
            Err(message) => return self.failed(&call.name, "invalid_input", &message),
        };
        let words: Vec<&str> = query.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).collect();
        let mut scored: Vec<(usize, &Offered)> = self
            .offer
            .for_key(self.principal.kind)
            .map(|offered| {
                let Offered { action, name, .. } = offered;
                let text = format!("{name} {} {} {}", action.action, action.title, action.description).to_lowercase();
                (words.iter().filter(|word| text.contains(**word)).count(), offered)
            })
            .filter(|(score, _)| *score > 0)
            .collect();
        scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        let mut found: Vec<Value> = scored
            .iter()
            .take(FOUND)
            .map(|(_, Offered { action, .. })| {
                json!({"connection": action.connection, "action": action.action,
                    "description": action.description, "input": action.input})
            })
            .collect();
        if scored.len() > FOUND {
            found.push(json!({"note": format!("{} more fit; search for less", scored.len() - FOUND)}));
        }
        self.succeeded(&call.name, json!(found))
    }

    async fn create_ticket(&self, call: &ToolCall) -> ToolResult {
        let TicketArguments { subject, body } = match parse::<TicketArguments>(call) {
            Ok(arguments) if arguments.subject.len() <= 800 && arguments.body.len() <= 40_000 => arguments,
            Ok(_) => return self.failed(&call.name, "invalid_input", "the subject or the body is too long"),
            Err(message) => return self.failed(&call.name, "invalid_input", &message),
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
                self.failed(&call.name, "unavailable", "the ticket could not be opened; ask the customer to try again")
            }
        }
    }

    fn succeeded(&self, tool: &str, output: Value) -> ToolResult {
        ToolResult {
            ok: true,
            content: fence(None, tool, &[], &output, &[], self.turns.limits.tool_output_bytes),
            output,
            step: json!({"tool": tool, "ok": true}),
        }
    }

    pub(super) fn failed(&self, tool: &str, reason: &str, message: &str) -> ToolResult {
        let output = error(reason, message);
        ToolResult {
            ok: false,
            content: fence(None, "error", &[], &output, &[], self.turns.limits.tool_output_bytes),
            output,
            step: json!({"tool": tool, "ok": false, "reason": reason}),
        }
    }
}

fn error(reason: &str, message: &str) -> Value {
    json!({"error": reason, "message": message})
}

fn parse<T: serde::de::DeserializeOwned>(call: &ToolCall) -> Result<T, String> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    serde_json::from_str(arguments).map_err(|error| format!("the arguments don't fit the tool's schema: {error}"))
}
