//! The tools a model is offered ([`specs`]), and what happens when it calls one: an action of a connection ([`connector`]),
//! or what the host itself can do ([`own`]). A call is a wish: whether it is granted is decided by the key, the offer and
//! the connection's policy, and its output is data.

mod connector;
mod own;
mod specs;

use serde_json::{Value, json};

use self::connector::ActionCall;
pub(super) use self::{
    connector::{CALL_CONNECTOR, Called, asked_step, render_result},
    specs::specs,
};
use super::{Turns, cite::Citations, prompt::fence, store::AcceptedTurn};
use crate::{
    approval::Approval,
    connector::{available::Offer, tool_error::ToolErrorKind},
    knowledge::Passage,
    model::ToolCall,
    principal::Principal,
};

const SEARCH_KNOWLEDGE: &str = "search_knowledge";
const CREATE_TICKET: &str = "create_ticket";

/// What came of a tool call. Calls run at the same time, and sources are numbered in the model's order: a result is
/// [rendered](Toolbox::render) when its turn comes.
pub(super) enum ToolOutcome {
    Done(ToolResult),
    /// A connector's action was called.
    Called(Box<ActionCall>),
    /// A search in the company's knowledge found this.
    Found(Vec<Passage>),
    /// Nothing yet: a person has to confirm it.
    Asks(Box<Approval>),
}

/// What a tool call gave.
pub(super) struct ToolResult {
    pub ok: bool,
    /// For clients: the output, or `{"error", "message"}` in words for customers.
    pub output: Value,
    /// For the model: the output, or what it can act on; fenced and cut.
    pub content: String,
    /// For the record: what was called and how it went.
    pub step: Value,
    /// The numbers that `content` may be cited by.
    pub cites: Vec<u32>,
}

/// What the tools of one turn work on.
pub(super) struct Toolbox<'a> {
    pub turns: &'a Turns,
    pub principal: &'a Principal,
    /// Whom the client asks for.
    pub visitor: Option<&'a str>,
    pub accepted: &'a AcceptedTurn,
    pub offer: &'a Offer,
}

impl Toolbox<'_> {
    /// Whether a call changes nothing, so that it may run beside others.
    pub(super) fn is_read(&self, call: &ToolCall) -> bool {
        match call.name.as_str() {
            CALL_CONNECTOR => self.is_read_action(call),
            name => name != CREATE_TICKET,
        }
    }

    /// Runs a tool. `id` is the host's id of the call; `asked` is what this answer asks a person to confirm already.
    pub(super) async fn run(&self, id: &str, call: &ToolCall, asked: &[Approval]) -> ToolOutcome {
        ToolOutcome::Done(match call.name.as_str() {
            CALL_CONNECTOR => return self.call_connector(id, call, asked).await,
            SEARCH_KNOWLEDGE => return self.search_knowledge(call).await,
            "search_connectors" => self.search_connectors(call),
            CREATE_TICKET => self.create_ticket(call).await,
            other => self.failed(
                other,
                ToolErrorKind::UnknownTool,
                "there is no such tool; use only those that were offered",
            ),
        })
    }

    /// What a call gave, with numbers for what it may be cited by; the approval when it waits for a person.
    pub(super) fn render(&self, ran: ToolOutcome, citations: &mut Citations) -> Result<ToolResult, Box<Approval>> {
        match ran {
            ToolOutcome::Done(result) => Ok(result),
            ToolOutcome::Called(action) => Ok(self.render_action(*action, citations)),
            ToolOutcome::Found(passages) => Ok(self.render_passages(&passages, citations)),
            ToolOutcome::Asks(approval) => Err(approval),
        }
    }

    fn succeeded(&self, tool: &str, output: Value) -> ToolResult {
        ToolResult {
            ok: true,
            content: fence(None, tool, [], &output, &[], self.turns.limits.tool_output_bytes),
            output,
            step: json!({"tool": tool, "ok": true}),
            cites: Vec::new(),
        }
    }

    pub(super) fn failed(&self, tool: &str, kind: impl Into<ToolErrorKind>, message: &str) -> ToolResult {
        let error = ToolError::new(kind, message).of_write(tool == CREATE_TICKET);
        ToolResult {
            ok: false,
            content: fence(None, "error", [], &error.for_model(), &[], self.turns.limits.tool_output_bytes),
            output: error.for_client(),
            step: json!({"tool": tool, "ok": false, "reason": error.kind.name()}),
            cites: Vec::new(),
        }
    }
}

/// Why a tool gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ToolError {
    pub kind: ToolErrorKind,
    /// What the model can act on.
    message: String,
    /// Whether the call was to change something: then every text says whether it did.
    write: bool,
}

impl ToolError {
    pub fn new(kind: impl Into<ToolErrorKind>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), write: false }
    }

    /// The same, of a call that was to change something.
    #[must_use]
    pub fn of_write(self, write: bool) -> Self {
        Self { write, ..self }
    }

    fn for_model(&self) -> Value {
        if !self.write {
            return json!({"error": self.kind.name(), "message": self.message});
        }
        let done = if self.kind.may_have_run() { "unknown" } else { "no" };
        json!({"error": self.kind.name(), "done": done, "message": self.kind.write_for_model(&self.message)})
    }

    /// What a client may show to a customer.
    pub fn for_client(&self) -> Value {
        let text = if self.write { self.kind.write_for_customer() } else { self.kind.for_customer() };
        json!({"error": self.kind.name(), "message": text})
    }
}

fn parse<T: serde::de::DeserializeOwned>(call: &ToolCall) -> Result<T, String> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    serde_json::from_str(arguments).map_err(|error| format!("the arguments don't fit the tool's schema: {error}"))
}
