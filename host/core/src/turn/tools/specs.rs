//! Describes the tools of a turn to the model.

use serde_json::{Value, json};

use super::CALL_CONNECTOR;
use crate::{
    connector::available::{ActionSet, AvailableAction},
    model::ToolSpec,
    principal::Principal,
    workflow::HAND_OVER,
};

/// With more actions than this, the prompt leaves out their schemas, and the model finds them by `search_connectors`.
const FEW: usize = 24;

/// The tools of one turn.
pub(in crate::turn) fn specs(available: &ActionSet, principal: &Principal) -> Vec<ToolSpec> {
    let offered: Vec<&AvailableAction> = available.for_key(principal.kind).collect();
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
    // Somebody has to read the inbox, so a rule that hands over says that people do.
    if available.workflows.iter().any(|workflow| workflow.enabled && workflow.hands_over()) {
        specs.push(tool(
            HAND_OVER,
            "Hands this conversation over to a person of the company, who then answers here in your place. Use it when the \
             customer asks for a person, or when only a person can help. Say so to the customer, and end your answer.",
            json!({"type": "object", "required": ["summary"], "properties": {"summary": {
                "type": "string", "maxLength": 2_000,
                "description": "What the customer wants, what was tried, and what the person should do next."}}}),
        ));
    }
    specs
}

fn tool(name: &str, description: &str, parameters: Value) -> ToolSpec {
    ToolSpec { name: name.to_owned(), description: description.to_owned(), parameters, actions: Vec::new() }
}

fn call_connector(offered: &[&AvailableAction]) -> ToolSpec {
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
        for AvailableAction { action, name, .. } in offered {
            description.push_str(&format!(
                "\n- {}.{}{} of {}: {} Input schema: {}",
                action.connection,
                action.action,
                match (action.writes, action.confirmed) {
                    (false, _) => "",
                    (true, false) => " (changes something)",
                    (true, true) => " (changes something; the host itself asks the customer to confirm it)",
                },
                Value::from(name.as_str()),
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
