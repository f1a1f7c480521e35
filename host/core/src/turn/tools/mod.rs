//! The tools that a model may call: an action of a connection ([`connector`]), or a tool of the host itself ([`own`]).
//! [`specs`] describes them to the model.
//!
//! A model's call is only a request. The API key, the offered actions and the connection's policy decide whether it is
//! made, and its output is data, not instructions.

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
    connector::{available::ActionSet, tool_error::ToolErrorKind},
    knowledge::Passage,
    model::ToolCall,
    principal::Principal,
    workflow::HAND_OVER,
};

const SEARCH_KNOWLEDGE: &str = "search_knowledge";
const CREATE_TICKET: &str = "create_ticket";

/// The result of a tool call before its sources are numbered. Calls run at the same time, but numbers follow the
/// model's order, so [`Toolbox::render`] is called in that order.
pub(super) enum ToolOutcome {
    Done(ToolResult),
    /// A connector's action was called.
    Called(Box<ActionCall>),
    /// Passages that a search in the knowledge found.
    Found(Vec<Passage>),
    /// No result yet: a person has to confirm the call.
    Asks(Box<Approval>),
}

/// The result of a tool call, for each reader.
pub(super) struct ToolResult {
    pub ok: bool,
    /// For clients: the output, or `{"error", "message"}` in words for customers.
    pub output: Value,
    /// For the model: the output or an error that it can act on, inside its frame and cut.
    pub content: String,
    /// For the answer's record: which tool was called, and whether it succeeded.
    pub step: Value,
    /// The numbers by which the model may cite `content`.
    pub cites: Vec<u32>,
}

/// The context of the tools of one turn.
pub(super) struct Toolbox<'a> {
    pub turns: &'a Turns,
    pub principal: &'a Principal,
    /// The visitor that the client acts for.
    pub visitor: Option<&'a str>,
    pub accepted: &'a AcceptedTurn,
    pub available: &'a ActionSet,
}

impl Toolbox<'_> {
    /// Whether a call changes nothing, so that it may run at the same time as others.
    pub(super) fn is_read(&self, call: &ToolCall) -> bool {
        match call.name.as_str() {
            CALL_CONNECTOR => self.is_read_action(call),
            name => name != CREATE_TICKET && name != HAND_OVER,
        }
    }

    /// Runs a tool. `id` is the host's id of the call. `asked` are the approvals that this answer already asks for.
    pub(super) async fn run(&self, id: &str, call: &ToolCall, asked: &[Approval]) -> ToolOutcome {
        ToolOutcome::Done(match call.name.as_str() {
            CALL_CONNECTOR => return self.call_connector(id, call, asked).await,
            SEARCH_KNOWLEDGE => return self.search_knowledge(call).await,
            "search_connectors" => self.search_connectors(call),
            CREATE_TICKET => self.create_ticket(call).await,
            HAND_OVER => self.hand_over(call).await,
            other => self.failed(
                other,
                ToolErrorKind::UnknownTool,
                "there is no such tool; use only those that were offered",
            ),
        })
    }

    /// Numbers the sources of an outcome and formats it. `Err` is the approval of a call that waits for a person.
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
        let error = ToolError::new(kind, message).of_write(tool == CREATE_TICKET || tool == HAND_OVER);
        ToolResult {
            ok: false,
            content: fence(None, "error", [], &error.for_model(), &[], self.turns.limits.tool_output_bytes),
            output: error.for_client(),
            step: json!({"tool": tool, "ok": false, "reason": error.kind.name()}),
            cites: Vec::new(),
        }
    }
}

/// Why a tool call failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ToolError {
    pub kind: ToolErrorKind,
    /// For the model: something that it can act on.
    message: String,
    /// Whether the call was a write. Then each text says whether the write was done.
    write: bool,
}

impl ToolError {
    pub fn new(kind: impl Into<ToolErrorKind>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), write: false }
    }

    /// Says whether the failed call was a write.
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

    /// The error in words for customers.
    pub fn for_client(&self) -> Value {
        let text = if self.write { self.kind.write_for_customer() } else { self.kind.for_customer() };
        json!({"error": self.kind.name(), "message": text})
    }
}

fn parse<T: serde::de::DeserializeOwned>(call: &ToolCall) -> Result<T, String> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    serde_json::from_str(arguments).map_err(|error| format!("the arguments don't fit the tool's schema: {error}"))
}
