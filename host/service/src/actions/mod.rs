//! A connection's actions, by hand: call one, test the connection, see what a call would send and what a mapping would
//! leave of its output.

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
    call::{Called, call, test},
    dry_run::{DryRun, DryRunOutcome, dry_run},
    preview::{MappingPreview, PreviewSpec, preview},
    sample::sample,
};
use crate::{App, FieldError, connections::ConnectionError};

/// Who calls by hand, and with whose account.
#[derive(Clone, Debug)]
pub struct ManualCaller {
    pub organization: OrganizationId,
    pub key: KeyId,
    /// Where each visitor has an account.
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
        }
    }
}

/// Why an action gave nothing.
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
    /// The action failed before it sent anything; the report has what it took.
    #[error("{}", .0.for_admin())]
    Failed(Box<Fault>, Box<CallReport>),
    /// A filter is wrong, when there is an `offset` in bytes of where; else it is wrong for this input.
    #[error("{message}")]
    Filter { message: String, offset: Option<u32>, fuel: u64 },
    /// A filter could not be applied.
    #[error("{}", .0.for_admin())]
    Mapper(Box<Fault>),
    /// What the host itself kept or made is no JSON.
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

/// Refuses an action that the connector hasn't.
async fn require_action(app: &App, connection: &Connection, action: &str) -> Result<(), ActionError> {
    let prepared = app.connectors.prepare(connection).await?;
    prepared.action(action)?;
    Ok(())
}
