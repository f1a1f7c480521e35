//! Builds what the guest of a call is given: its input, context, bounds and state.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use resly_manifest::{Action, Allowance};
use serde_json::{Value, json};

use super::{CallRequest, ConnectorSchemas, Connectors};
use crate::{
    connector::{
        connection::{Connection, Owner},
        outbound::Outbound,
        sandbox::{CallState, Invocation, SetStateError, StateStore},
    },
    error::StoreError,
    id::{CallId, ConnectionId, OrganizationId},
    time::{Clock, Timestamp},
};

impl Connectors {
    #[expect(clippy::too_many_arguments, reason = "these are what one invocation is made of")]
    pub(in crate::connector) fn invocation(
        &self,
        request: &CallRequest,
        id: CallId,
        connection: &Connection,
        prepared: &ConnectorSchemas,
        action: &Action,
        allowance: Allowance,
        outbound: &Arc<dyn Outbound>,
        now: Timestamp,
    ) -> Invocation {
        let mut context = json!({
            "connection": {"id": connection.id, "name": connection.name, "environment": connection.environment},
            "call": {"id": id},
            "now": now,
        });
        if action.request.is_some() {
            let nullable = action.output.as_ref().is_some_and(names_null);
            context["definition"] = json!({"request": action.request, "response": action.response,
                "pagination": action.pagination, "nullable": nullable});
        }
        let state = ScopedState {
            store: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock),
            organization: connection.organization,
            connection: connection.id,
            connector: state_scope(connection, request.visitor.as_deref()),
        };
        Invocation {
            organization: request.organization,
            component: prepared.installable.component,
            action: action.id.clone(),
            input: request.input.to_string(),
            settings: connection.settings.to_string(),
            context: context.to_string(),
            allowance,
            reserve: None,
            outbound: Arc::clone(outbound),
            state: Arc::new(state),
        }
    }
}

/// Whether an output schema allows null anywhere. Then null is a valid output when nothing was found.
fn names_null(schema: &Value) -> bool {
    let is_null = |kind: &Value| match kind {
        Value::String(kind) => kind == "null",
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "null"),
        _ => false,
    };
    match schema {
        Value::Object(members) => members.iter().any(|(name, member)| match name.as_str() {
            "type" if !member.is_object() => is_null(member),
            "const" => member.is_null(),
            "enum" => member.as_array().is_some_and(|values| values.iter().any(Value::is_null)),
            // These hold values or texts, not schemas.
            "default" | "examples" | "description" | "title" => false,
            _ => names_null(member),
        }),
        Value::Array(items) => items.iter().any(names_null),
        _ => false,
    }
}

/// The name under which a connector's state is stored. A visitor's has a slash, which no connector's id has, so it
/// can't be the same as another scope.
fn state_scope(connection: &Connection, visitor: Option<&str>) -> String {
    match visitor {
        Some(visitor) if connection.owner == Owner::Visitor => format!("{}/{visitor}", connection.connector),
        _ => connection.connector.clone(),
    }
}

/// The state store, limited to one connection, or to one visitor of it where each visitor has an account.
struct ScopedState {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    organization: OrganizationId,
    connection: ConnectionId,
    connector: String,
}

#[async_trait]
impl CallState for ScopedState {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let now = self.clock.now();
        self.store.get_state(self.organization, self.connection, &self.connector, key, now).await
    }

    async fn set(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), SetStateError> {
        let now = self.clock.now();
        let until = now.plus(ttl);
        self.store.set_state(self.organization, self.connection, &self.connector, key, &value, until, now).await
    }
}
