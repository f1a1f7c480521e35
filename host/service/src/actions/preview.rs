//! Applies a jq filter to an action's output, as the connection's mapping would be applied.

use resly_core::{
    boxed,
    connector::{
        call::{FOUND_NOTHING, found_nothing},
        last_output::LastOutput,
        sandbox::MappingFailure,
    },
    id::{ConnectionId, OrganizationId},
};
use serde_json::{Value, value::RawValue};

use super::{ActionError, require_action, sample};
use crate::{
    App,
    connections::{self, filter_size},
};

/// The filter to try, and its input.
pub struct PreviewSpec {
    pub action: String,
    /// The filter. The connection's own mapping when absent.
    pub filter: Option<String>,
    /// The input. The action's last output when absent.
    pub sample: Option<Box<RawValue>>,
}

/// The result of a filter.
pub struct MappingPreview {
    pub input: Box<RawValue>,
    pub output: Box<RawValue>,
    /// How many bytes of the output a model gets. The rest is cut, and the model is told so.
    pub model_bytes: usize,
    pub fuel: u64,
    /// Whether the stored output had been cut before the filter was applied.
    pub sample_cut: bool,
    /// Hints, for example that the filter found nothing.
    pub notes: Vec<String>,
}

/// Tries a filter.
#[boxed]
pub async fn preview(
    app: &App,
    organization: OrganizationId,
    connection: ConnectionId,
    spec: PreviewSpec,
) -> Result<MappingPreview, ActionError> {
    let PreviewSpec { action, filter, sample: given } = spec;
    let connection = connections::find(app, organization, connection).await?;
    require_action(app, &connection, &action).await?;
    let Some(filter) = filter.or_else(|| connection.mappings.get(&action).cloned()) else {
        let message = "a jq filter is needed: the connection has no mapping for this action";
        return Err(ActionError::invalid("filter", message));
    };
    if let Some(message) = filter_size(&filter) {
        return Err(ActionError::invalid("filter", message));
    }
    let (input, sample_cut) = match given {
        Some(sample) => (sample, false),
        None => {
            let LastOutput { output, cut_from, .. } = sample::stored(app, &connection, &action).await?;
            (RawValue::from_string(output)?, cut_from.is_some())
        }
    };
    let mapped = app.connectors.preview(organization, &filter, input.get()).await?;
    let fuel = mapped.cost.fuel;
    let output = match mapped.result {
        Ok(output) => output,
        Err(MappingFailure::Filter { message, offset }) => return Err(ActionError::Filter { message, offset, fuel }),
        Err(MappingFailure::Fault(fault)) => return Err(ActionError::Mapper(Box::new(fault))),
    };
    let parsed = |json: &str| serde_json::from_str::<Value>(json).unwrap_or_default();
    let nothing = found_nothing(&parsed(input.get()), &parsed(&output));
    Ok(MappingPreview {
        notes: nothing.then(|| format!("the filter {FOUND_NOTHING}")).into_iter().collect(),
        model_bytes: output.len().min(app.turns.limits.tool_output_bytes),
        fuel,
        sample_cut,
        input,
        output: RawValue::from_string(output)?,
    })
}
