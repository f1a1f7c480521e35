//! Manual use of a connection's actions: call one, test the connection, show what a call would send, and preview a
//! mapping.

mod call;
mod dry_run;
mod preview;
mod sample;

use resly_core::{
    connector::{
        call::{CallError, CallReport, CallRequest, Caller},
        connection::Connection,
        fault::Fault,
    },
    error::StoreError,
    id::{ConnectionId, KeyId, OrganizationId},
};
use serde_json::Value;

pub(crate) use self::dry_run::dry_run_draft;
pub use self::{
    call::{ManualCallReport, call, test},
    dry_run::{DryRun, DryRunOutcome, dry_run},
    preview::{MappingPreview, PreviewSpec, preview},
    sample::sample,
};
use crate::{App, FieldError, connections::ConnectionError};

/// Who makes a manual call, and with whose account.
#[derive(Clone, Debug)]
pub struct ManualCaller {
    pub organization: OrganizationId,
    /// A member of the console has none.
    pub key: Option<KeyId>,
    /// The visitor whose account is used, if each visitor has one.
    pub visitor: Option<String>,
}

impl ManualCaller {
    fn request(self, connection: ConnectionId, action: String, input: Value) -> CallRequest {
        CallRequest {
            organization: self.organization,
            connection,
            action,
            input,
            caller: Caller::Admin { key: self.key },
            visitor: self.visitor,
            mapping: None,
        }
    }
}

/// Why an action has no result.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error("there is no output of this action yet")]
    NoSample,
    /// The action failed before it sent anything. The report has the cost.
    #[error("{}", .0.for_admin())]
    Failed(Box<Fault>, Box<CallReport>),
    /// The filter failed. With an `offset` in bytes, it can't be parsed there. Without one, it doesn't fit this input.
    #[error("{message}")]
    Filter { message: String, offset: Option<u32>, fuel: u64 },
    /// The filter could not be run.
    #[error("{}", .0.for_admin())]
    Mapper(Box<Fault>),
    /// A text that the host stored or made isn't JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActionError {
    fn invalid(path: &str, message: &str) -> Self {
        Self::Invalid(vec![FieldError::new(path, message)])
    }
}

/// Checks that the connector has this action.
async fn require_action(app: &App, connection: &Connection, action: &str) -> Result<(), ActionError> {
    let prepared = app.connectors.prepare(connection).await?;
    prepared.action(action)?;
    Ok(())
}
