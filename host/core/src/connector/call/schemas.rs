//! A connector with its schemas compiled once for all calls.

use std::collections::HashMap;

use resly_manifest::{
    Action,
    json_schema::{Schema, in_words},
};
use serde_json::Value;

use super::CallError;
use crate::connector::{
    connection::Installable,
    fault::{Fault, FaultKind},
    schema_check,
};

/// A connector of the catalogue with its compiled schemas.
pub struct ConnectorSchemas {
    pub installable: Installable,
    input: HashMap<String, Schema>,
    output: HashMap<String, Schema>,
}

impl ConnectorSchemas {
    /// A schema that doesn't compile accepts anything. The manifest's check has refused such schemas before.
    pub fn new(installable: Installable) -> Self {
        let compile = |schema: &Value| Schema::new(schema).ok();
        let actions = &installable.manifest.actions;
        let input = actions.iter().filter_map(|a| Some((a.id.clone(), compile(&a.input)?))).collect();
        let output = actions.iter().filter_map(|a| Some((a.id.clone(), compile(a.output.as_ref()?)?))).collect();
        Self { installable, input, output }
    }

    /// Finds an action, with its index in the manifest.
    pub fn action(&self, id: &str) -> Result<(usize, &Action), CallError> {
        let actions = &self.installable.manifest.actions;
        actions.iter().enumerate().find(|(_, action)| action.id == id).ok_or_else(|| CallError::NoAction {
            action: id.to_owned(),
            have: actions.iter().map(|action| action.id.clone()).collect(),
        })
    }

    pub(in crate::connector) fn bad_input(&self, action: &str, input: &Value) -> Option<Fault> {
        let violations = schema_check::check(self.input.get(action)?, input).err()?;
        let message = format!("the input doesn't fit the action's schema: {}", in_words(&violations));
        Some(Fault::new(FaultKind::InvalidInput, message))
    }

    pub(super) fn bad_output(&self, action: &str, output: &Value) -> Option<Fault> {
        let violations = schema_check::check(self.output.get(action)?, output).err()?;
        let message = format!("the output doesn't fit the action's schema: {}", in_words(&violations));
        Some(Fault::new(FaultKind::Output, message))
    }
}
