//! May a call be made, and with whose account? Policy, the input's schema and what is authorized say so, by the connection as
//! it is now; nothing runs, and nothing is counted.

use std::sync::Arc;

use resly_manifest::{Action, Auth, SideEffect};

use super::{CallError, CallRequest, Caller, Connectors, Prepared};
use crate::{
    connector::{
        account::AccountKey,
        connection::{Connection, ConnectionStatus, Environment, Owner, Writes},
        fault::{Fault, FaultKind, Remedy},
    },
    error::StoreError,
    principal::KeyKind,
    time::Timestamp,
};

/// A call that policy doesn't refuse, with an input that fits.
pub struct Admitted {
    pub connection: Connection,
    passed: AdmittedCall,
}

impl Admitted {
    pub fn action(&self) -> &Action {
        self.passed.action()
    }

    /// It changes something, and a person has to confirm it first.
    pub fn needs_confirmation(&self) -> bool {
        self.passed.needs_confirmation
    }

    /// When the account that it uses was connected, if a person connected one.
    pub fn authorized_at(&self) -> Option<Timestamp> {
        self.passed.account.as_ref().map(|(_, at)| *at)
    }
}

/// Why a call isn't made.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// By policy, for its input, or for want of an account.
    #[error(transparent)]
    Refused(#[from] Fault),
    #[error(transparent)]
    Failed(#[from] CallError),
}

impl From<StoreError> for AdmitError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// What a call that may be made is made with.
pub(super) struct AdmittedCall {
    pub needs_confirmation: bool,
    pub prepared: Arc<Prepared>,
    /// Where the action is in the manifest.
    action: usize,
    /// Whose account it uses (`None` is the organization) and since when that is connected, where a person connects one.
    pub account: Option<(Option<String>, Timestamp)>,
}

impl AdmittedCall {
    pub(super) fn action(&self) -> &Action {
        &self.prepared.installable.manifest.actions[self.action]
    }
}

impl Connectors {
    /// What policy and the input's schema say of a call, by the connection as it is now. Nothing runs, and nothing is
    /// counted.
    pub async fn admit(&self, request: &CallRequest) -> Result<Admitted, AdmitError> {
        let connection = self.connection(request).await?;
        let passed = self.check(&connection, request).await?;
        Ok(Admitted { connection, passed })
    }

    pub(super) async fn connection(&self, request: &CallRequest) -> Result<Connection, CallError> {
        let connection = self.store.connection(request.organization, request.connection).await?;
        connection.ok_or(CallError::NoConnection)
    }

    pub(super) async fn check(
        &self,
        connection: &Connection,
        request: &CallRequest,
    ) -> Result<AdmittedCall, AdmitError> {
        let prepared = self.prepare(connection).await?;
        let (at, action) = prepared.action(&request.action)?;
        let needs_confirmation = policy(connection, action, request)? == Writes::WhenConfirmed;
        if let Some(fault) = prepared.bad_input(&request.action, &request.input) {
            return Err(fault.into());
        }
        let auth = connection.auth_in(&prepared.installable.manifest);
        let account = self.account(connection, auth, request).await?;
        let passed = AdmittedCall { needs_confirmation, action: at, account, prepared: Arc::clone(&prepared) };
        // Which account is connected is no part of the connection, nor of its revision.
        let now = passed.account.as_ref().map(|(_, at)| *at);
        match request.caller {
            Caller::Confirmed { authorized_at, .. } if authorized_at != now => {
                let fault = denied("the account at the service was connected anew after this was asked");
                Err(fault.with_remedy(Remedy::AskAgain).into())
            }
            _ => Ok(passed),
        }
    }

    /// The account that a call uses: a visitor's, of a connection whose visitors have their own, or the organization's,
    /// where a person has to agree. Where nobody has, nothing runs.
    async fn account(
        &self,
        connection: &Connection,
        auth: &Auth,
        request: &CallRequest,
    ) -> Result<Option<(Option<String>, Timestamp)>, AdmitError> {
        let oauth = matches!(auth, Auth::Oauth2(_));
        let own = connection.owner == Owner::Organization;
        if connection.environment == Environment::Sandbox || (own && !auth.asks_a_person()) {
            return Ok(None);
        }
        let missing = |message: &str, remedy| Err(Fault::new(FaultKind::NeedsAuth, message).with_remedy(remedy).into());
        if !own && request.visitor.is_none() {
            return missing("this connection uses each visitor's own account", Remedy::NameVisitor);
        }
        let visitor = request.visitor.clone().filter(|_| !own);
        let key = AccountKey { organization: connection.organization, connection: connection.id, visitor };
        let Some(at) = self.store.authorized_at(&key).await? else {
            let who = if own { "no account is connected" } else { "this visitor hasn't connected an account" };
            return missing(who, Remedy::connect(&key, oauth));
        };
        Ok(Some((key.visitor, at)))
    }
}

/// May this caller call this action of this connection, and when? Nothing that a model says is asked here.
fn policy(connection: &Connection, action: &Action, request: &CallRequest) -> Result<Writes, Fault> {
    let (kind, confirmed) = match request.caller {
        Caller::Admin { .. } | Caller::Health => return Ok(Writes::AtOnce),
        Caller::Chat { kind, .. } => (kind, None),
        Caller::Confirmed { kind, revision, .. } => (kind, Some(revision)),
    };
    if connection.status == ConnectionStatus::NeedsAuth {
        let message = "the connection's credential was refused by the service; an admin has to renew it";
        return Err(Fault::new(FaultKind::NeedsAuth, message));
    }
    if connection.status != ConnectionStatus::Enabled {
        return Err(denied("this connection is not enabled"));
    }
    if kind == KeyKind::Publishable && !connection.policy.allow_publishable {
        return Err(denied("this connection may not be used from a browser's key"));
    }
    if kind == KeyKind::Publishable && connection.environment == Environment::Sandbox {
        return Err(denied("this connection is in the sandbox, and customers aren't told its sample data"));
    }
    if connection.owner == Owner::Visitor && kind == KeyKind::Publishable {
        // In a browser, `visitorId` is whatever a stranger types.
        return Err(denied("this connection uses each visitor's own account, which takes a chat under a secret key"));
    }
    if connection.owner == Owner::Visitor && request.visitor.is_none() {
        let message = "this connection uses each visitor's own account, and this chat doesn't say whose is meant";
        return Err(denied(message).with_remedy(Remedy::SendVisitorId));
    }
    let when = match action.side_effect {
        SideEffect::Read => Writes::AtOnce,
        SideEffect::Write => connection
            .policy
            .writes()
            .ok_or_else(|| denied("this action changes something, and the connection doesn't allow that in a chat"))?,
    };
    match confirmed {
        None => Ok(when),
        Some(revision) if revision == connection.revision => Ok(Writes::AtOnce),
        Some(_) => Err(denied("the connection was changed after this was confirmed").with_remedy(Remedy::AskAgain)),
    }
}

pub(super) fn denied(message: &str) -> Fault {
    Fault::new(FaultKind::Denied, message)
}
