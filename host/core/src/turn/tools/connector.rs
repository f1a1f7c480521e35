//! `call_connector`: calls an action of a connection, at once or after a person has confirmed it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ToolError, ToolOutcome, ToolResult, Toolbox, parse};
use crate::{
    approval::{Approval, ApprovalRequest, ChatClient, render},
    connector::{
        available::{ActionSet, AvailableAction},
        call::{CallRequest, Caller},
        connection::Environment,
        fault::{Fault, FaultKind},
        tool_error::ToolErrorKind,
    },
    id::ConnectionId,
    model::ToolCall,
    turn::{approvals::NEEDS_CONFIRMATION, cite::Citations, prompt::fence},
};

pub(in crate::turn) const CALL_CONNECTOR: &str = "call_connector";

#[derive(Deserialize)]
struct ConnectorArguments {
    #[serde(default, alias = "connector")]
    connection: String,
    action: String,
    #[serde(default)]
    input: Value,
}

/// The action that was called, by the names that models, clients and the record use.
pub(in crate::turn) struct Called {
    pub id: ConnectionId,
    /// The model's name for the connection. `None` when it is no longer offered.
    pub connection: Option<String>,
    pub action: String,
    /// The connection's name and the action's title.
    pub title: String,
}

impl Called {
    fn offered(offered: &AvailableAction) -> Self {
        Self {
            id: offered.connection,
            connection: Some(offered.action.connection.clone()),
            action: offered.action.action.clone(),
            title: render::title(&offered.name, &offered.action.title, offered.environment),
        }
    }

    /// The action of an approval. It may no longer be offered.
    pub(in crate::turn) fn of(approval: &Approval, available: &ActionSet) -> Self {
        let same = |offered: &&AvailableAction| offered.connection == approval.connection;
        Self {
            id: approval.connection,
            connection: available.actions.iter().find(same).map(|offered| offered.action.connection.clone()),
            action: approval.action.clone(),
            title: approval.title.clone(),
        }
    }
}

/// A call of an action with its output or error.
pub(in crate::turn) struct ActionCall {
    called: Called,
    result: Result<Value, ToolError>,
    notes: Vec<String>,
    /// For the client, when the call failed because this visitor has to connect an account.
    authorize: Option<Value>,
}

/// Formats an action's output or error as the result of `tool`.
pub(in crate::turn) fn render_result(
    tool: &str,
    called: &Called,
    result: Result<Value, ToolError>,
    notes: &[String],
    cap: usize,
    citations: &mut Citations,
) -> ToolResult {
    let (output, for_model, reason, n) = match result {
        Ok(output) => {
            let n = citations.add(called.title.clone(), None, called.id.to_string(), &output.to_string());
            (output, None, None, Some(n))
        }
        Err(error) => (error.for_client(), Some(error.for_model()), Some(error.kind.name()), None),
    };
    let connection = called.connection.as_deref().map(|connection| ("connection", connection));
    let names = connection.into_iter().chain([("action", called.action.as_str()), ("title", called.title.as_str())]);
    let ok = reason.is_none();
    ToolResult {
        ok,
        content: fence(n, tool, names, for_model.as_ref().unwrap_or(&output), notes, cap),
        step: json!({"tool": tool, "connection": called.id, "action": called.action, "title": called.title, "ok": ok,
            "reason": reason}),
        output,
        cites: n.into_iter().collect(),
    }
}

/// The step that records a call that waits for a person.
pub(in crate::turn) fn asked_step(approval: &Approval) -> Value {
    json!({"tool": CALL_CONNECTOR, "connection": approval.connection, "action": approval.action,
        "title": approval.title, "ok": false, "reason": NEEDS_CONFIRMATION, "approval": approval.id})
}

impl Toolbox<'_> {
    /// Whether a call of [`CALL_CONNECTOR`] changes nothing. A call of an action that isn't offered counts as a read,
    /// because it is refused.
    pub(super) fn is_read_action(&self, call: &ToolCall) -> bool {
        let Ok(ConnectorArguments { connection, action, .. }) = parse(call) else { return true };
        let offered = self.available.find(self.principal.kind, &connection, &action);
        offered.is_none_or(|offered| !offered.action.writes && !offered.action.confirmed)
    }

    pub(super) async fn call_connector(&self, id: &str, call: &ToolCall, asked: &[Approval]) -> ToolOutcome {
        let arguments = match parse::<ConnectorArguments>(call) {
            Ok(arguments) => arguments,
            Err(message) => return ToolOutcome::Done(self.failed(&call.name, FaultKind::InvalidInput, &message)),
        };
        let kind = self.principal.kind;
        let Some(offered) = self.available.find(kind, &arguments.connection, &arguments.action) else {
            let message = format!(
                "no connection `{}` with an action `{}` is offered here",
                arguments.connection, arguments.action
            );
            return ToolOutcome::Done(self.failed(&call.name, ToolErrorKind::UnknownAction, &message));
        };
        let request = CallRequest {
            organization: self.principal.organization,
            connection: offered.connection,
            action: arguments.action,
            input: if arguments.input.is_null() { json!({}) } else { arguments.input },
            caller: Caller::Chat { key: self.principal.key, kind, conversation: self.accepted.conversation },
            visitor: self.visitor.map(str::to_owned),
            mapping: None,
        };
        let confirmed = if offered.action.confirmed { self.ask(id, &request, asked).await } else { Ok(None) };
        let mut notes = Vec::new();
        let result = match confirmed {
            Ok(Some(approval)) => return ToolOutcome::Asks(Box::new(approval)),
            Ok(None) => match self.turns.connectors.call(request).await {
                Ok(report) => {
                    notes = report.notes();
                    if offered.environment == Environment::Sandbox {
                        notes.push(render::SAMPLE_DATA.to_owned());
                    }
                    report.result.map_err(ToolError::from)
                }
                Err(failure) => Err(not_made(&failure, offered.connection)),
            },
            Err(refused) => Err(refused),
        };
        let result = result.map_err(|error| error.of_write(offered.action.writes));
        // For the company's app, not for the model: what it needs to let this visitor connect an account.
        let visitor = self.visitor.filter(|_| offered.visitors);
        let authorize = visitor.map(|visitor| json!({"connection": offered.connection, "visitor": visitor}));
        ToolOutcome::Called(Box::new(ActionCall { called: Called::offered(offered), result, notes, authorize }))
    }

    pub(super) fn render_action(&self, action: ActionCall, citations: &mut Citations) -> ToolResult {
        let ActionCall { called, result, notes, authorize } = action;
        let cap = self.turns.limits.tool_output_bytes;
        let mut result = render_result(CALL_CONNECTOR, &called, result, &notes, cap, citations);
        if let Some(authorize) = authorize.filter(|_| result.step["reason"] == FaultKind::NeedsAuth.name()) {
            result.output["authorize"] = authorize.clone();
            result.step["authorize"] = authorize;
        }
        result
    }

    /// The approval that a call needs. `None` when it needs none, because policy allows the call or refuses it; the
    /// call itself then says which.
    async fn ask(&self, id: &str, request: &CallRequest, asked: &[Approval]) -> Result<Option<Approval>, ToolError> {
        let admitted = match self.turns.connectors.admit(request).await {
            Ok(admitted) if admitted.needs_confirmation() => admitted,
            _ => return Ok(None),
        };
        let same = |approval: &Approval| {
            (approval.connection, &approval.action, &approval.input)
                == (request.connection, &request.action, &request.input)
        };
        if asked.iter().any(same) {
            let message = "the customer is asked to confirm this very call already; it is made once";
            return Err(ToolError::new(ToolErrorKind::Repeated, message));
        }
        let wish = ApprovalRequest {
            person: ChatClient::new(self.principal, self.visitor),
            conversation: self.accepted.conversation,
            message: self.accepted.answer,
            call: id.to_owned(),
            input: request.input.clone(),
        };
        self.turns.approvals.draft(wish, &admitted).map(Some).map_err(ToolError::from)
    }
}

impl From<Fault> for ToolError {
    fn from(fault: Fault) -> Self {
        Self::new(fault.kind, fault.for_model())
    }
}

fn not_made(failure: &dyn std::fmt::Display, connection: ConnectionId) -> ToolError {
    tracing::warn!(%failure, %connection, "a connector call could not be made");
    ToolError::new(FaultKind::Internal, "the call could not be made")
}
