//! Decides whether a call may be made, and with whose account. It checks policy, the input's schema and the connected
//! account against the connection as it is now. Nothing runs and nothing is counted.

use std::sync::Arc;

use resly_manifest::{Action, Auth, SideEffect};

use super::{CallError, CallRequest, Caller, ConnectorSchemas, Connectors};
use crate::{
    boxed,
    connector::{
        account::AccountKey,
        connection::{ConfirmationPolicy, Connection, ConnectionStatus, Environment, Owner},
        fault::{Fault, FaultKind, Remedy},
    },
    error::StoreError,
    principal::KeyKind,
    time::Timestamp,
};

/// A call that policy allows, perhaps after a person's confirmation, with a valid input.
pub struct PermittedCall {
    pub connection: Connection,
    passed: AdmittedCall,
}

impl PermittedCall {
    pub fn action(&self) -> &Action {
        self.passed.action()
    }

    /// Whether a person has to confirm the call first.
    pub fn needs_confirmation(&self) -> bool {
        self.passed.needs_confirmation
    }

    /// When the account that the call uses was connected. `None` when it uses none that a person connects.
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

/// The result of [`Connectors::check`]: the connector, action and account of a call that may be made.
pub(super) struct AdmittedCall {
    pub needs_confirmation: bool,
    pub prepared: Arc<ConnectorSchemas>,
    /// Index of the action in the manifest.
    action: usize,
    /// The account that the call uses and when it was connected: a visitor's, or the organization's (`None`). `None` as
    /// a whole when no person connects one.
    pub account: Option<(Option<String>, Timestamp)>,
}

impl AdmittedCall {
    pub(super) fn action(&self) -> &Action {
        &self.prepared.installable.manifest.actions[self.action]
    }
}

impl Connectors {
    /// Checks a call against policy, the input's schema and the connected account, without running or counting it.
    #[boxed]
    pub async fn admit(&self, request: &CallRequest) -> Result<PermittedCall, AdmitError> {
        let connection = self.connection(request).await?;
        let passed = self.check(&connection, request).await?;
        Ok(PermittedCall { connection, passed })
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
        let needs_confirmation = policy(connection, action, request)? == ConfirmationPolicy::WhenConfirmed;
        if let Some(fault) = prepared.bad_input(&request.action, &request.input) {
            return Err(fault.into());
        }
        let auth = connection.auth_in(&prepared.installable.manifest);
        let account = self.account(connection, auth, request).await?;
        let passed = AdmittedCall { needs_confirmation, action: at, account, prepared: Arc::clone(&prepared) };
        // Connecting another account doesn't change the connection's revision, so it is compared here.
        let now = passed.account.as_ref().map(|(_, at)| *at);
        match request.caller {
            Caller::Confirmed { authorized_at, .. } if authorized_at != now => {
                let fault = denied("the account at the service was connected anew after this was asked");
                Err(fault.with_remedy(Remedy::AskAgain).into())
            }
            _ => Ok(passed),
        }
    }

    /// The account that a call uses: the visitor's where each visitor has one, or the organization's where a person
    /// connects it. Fails when it isn't connected.
    async fn account(
        &self,
        connection: &Connection,
        auth: &Auth,
        request: &CallRequest,
    ) -> Result<Option<(Option<String>, Timestamp)>, AdmitError> {
        let oauth = matches!(auth, Auth::Oauth2(_));
        let own = connection.owner == Owner::Organization;
        if connection.environment == Environment::Sandbox || (own && !auth.requires_user_consent()) {
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

/// Decides whether this caller may call this action, and whether a person has to confirm it. It rests on nothing that a
/// model wrote.
fn policy(connection: &Connection, action: &Action, request: &CallRequest) -> Result<ConfirmationPolicy, Fault> {
    let (kind, confirmed) = match request.caller {
        Caller::Admin { .. } | Caller::Health => return Ok(ConfirmationPolicy::AtOnce),
        Caller::Crawl => return crawl_policy(connection, action),
        Caller::Chat { kind, .. } => (kind, None),
        Caller::Confirmed { kind, revision, .. } => (kind, Some(revision)),
    };
    require_enabled(connection)?;
    if kind == KeyKind::Publishable && !connection.policy.allow_publishable {
        return Err(denied("this connection may not be used from a browser's key"));
    }
    if kind == KeyKind::Publishable && connection.environment == Environment::Sandbox {
        return Err(denied("this connection is in the sandbox, and customers aren't told its sample data"));
    }
    if connection.owner == Owner::Visitor && kind == KeyKind::Publishable {
        // In a browser, anybody can send any `visitorId`.
        return Err(denied("this connection uses each visitor's own account, which takes a chat under a secret key"));
    }
    if connection.owner == Owner::Visitor && request.visitor.is_none() {
        let message = "this connection uses each visitor's own account, and this chat doesn't say whose is meant";
        return Err(denied(message).with_remedy(Remedy::SendVisitorId));
    }
    let when = match action.side_effect {
        SideEffect::Read => ConfirmationPolicy::AtOnce,
        SideEffect::Write => connection
            .policy
            .writes()
            .ok_or_else(|| denied("this action changes something, and the connection doesn't allow that in a chat"))?,
    };
    match confirmed {
        None => Ok(when),
        Some(revision) if revision == connection.revision => Ok(ConfirmationPolicy::AtOnce),
        Some(_) => Err(denied("the connection was changed after this was confirmed").with_remedy(Remedy::AskAgain)),
    }
}

/// A crawl runs unasked, so it only reads, and stops when an admin disables the connection.
fn crawl_policy(connection: &Connection, action: &Action) -> Result<ConfirmationPolicy, Fault> {
    if action.side_effect != SideEffect::Read {
        return Err(denied("a crawl only reads, and this action changes something"));
    }
    if connection.owner == Owner::Visitor {
        return Err(denied("this connection uses each visitor's own account, and a crawl is made for no visitor"));
    }
    require_enabled(connection)?;
    Ok(ConfirmationPolicy::AtOnce)
}

fn require_enabled(connection: &Connection) -> Result<(), Fault> {
    match connection.status {
        ConnectionStatus::Enabled => Ok(()),
        ConnectionStatus::NeedsAuth => {
            let message = "the connection's credential was refused by the service; an admin has to renew it";
            Err(Fault::new(FaultKind::NeedsAuth, message))
        }
        ConnectionStatus::Installed | ConnectionStatus::Disabled => Err(denied("this connection is not enabled")),
    }
}

pub(super) fn denied(message: &str) -> Fault {
    Fault::new(FaultKind::Denied, message)
}
