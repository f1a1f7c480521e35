//! One call. Its JSON is parsed on demand.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    bindings::exports::resly::connector::action as wit,
    fault::{Fault, Result},
};

/// The action, input, settings and context of one call.
#[derive(Clone, Debug)]
pub struct Call {
    action: String,
    input: String,
    settings: String,
    context: Context,
}

/// The connection that is called.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Connection {
    pub id: String,
    pub name: String,
    /// `sandbox` or `production`.
    pub environment: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct This {
    id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    connection: Connection,
    call: This,
    now: String,
    definition: Value,
}

impl Call {
    pub(crate) fn new(call: wit::Call) -> Result<Self> {
        let wit::Call { action, input, settings, context } = call;
        let context = serde_json::from_str(&context)
            .map_err(|error| Fault::internal(format!("the host's context is not what it should be: {error}")))?;
        Ok(Self { action, input, settings, context })
    }

    /// A call for tests, with a minimal context.
    pub fn for_test(action: &str, input: &Value, settings: &Value) -> Self {
        let context = Context {
            call: This { id: "01893b2e-7c00-7abc-8def-0123456789ab".to_owned() },
            now: "2026-01-01T00:00:00.000000Z".to_owned(),
            ..Context::default()
        };
        Self { action: action.to_owned(), input: input.to_string(), settings: settings.to_string(), context }
    }

    /// The same call with the rules of a declarative connector.
    #[must_use]
    pub fn with_definition(mut self, definition: Value) -> Self {
        self.context.definition = definition;
        self
    }

    /// The action's id in the manifest.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The input, which the host has checked against the action's schema.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.input)
            .map_err(|error| Fault::invalid_input(format!("the input is not what this action takes: {error}")))
    }

    /// The connection's settings.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.settings)
            .map_err(|error| Fault::internal(format!("the settings are not what this connector takes: {error}")))
    }

    pub fn connection(&self) -> &Connection {
        &self.context.connection
    }

    /// The id of this call, a UUID. It is the same for each repeat of a request of this call, and another one for every
    /// other call. Use it as the idempotency key of services that take one.
    pub fn id(&self) -> &str {
        &self.context.call.id
    }

    /// When the call was made (RFC 3339).
    pub fn now(&self) -> &str {
        &self.context.now
    }

    /// The rules of a declarative connector for this action. Null for other connectors.
    pub fn definition(&self) -> &Value {
        &self.context.definition
    }

    /// The fault for an action that the connector doesn't have.
    pub fn unknown_action(&self) -> Fault {
        Fault::internal(format!("this connector has no action `{}`, although its manifest says so", self.action))
    }
}
