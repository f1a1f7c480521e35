//! Turns internal errors into the failures that the guest and the admin see. No message repeats a header, a query or a
//! body.

use std::time::Duration;

use resly_core::connector::{
    account::RenewalFailureKind,
    fault::Remedy,
    outbound::{OutboundFailure, OutboundReason},
};
use resly_vault::VaultError;

use crate::{
    oauth::{AccountSpec, OAuthError},
    policy::{grant::GrantError, target::TargetError},
    wire::{
        body::BodyError,
        client::{TransportError, WireError},
        headers::HeaderError,
        inject::InjectError,
    },
};

/// A failure before anything was sent.
pub fn refused(reason: OutboundReason, message: impl Into<String>) -> OutboundFailure {
    OutboundFailure::refused(reason, message)
}

pub fn bad_url(error: &TargetError) -> OutboundFailure {
    refused(OutboundReason::Invalid, error.to_string())
}

pub fn bad_header(error: &HeaderError) -> OutboundFailure {
    refused(OutboundReason::Invalid, error.to_string())
}

pub fn bad_settings(error: &GrantError) -> OutboundFailure {
    refused(OutboundReason::Denied, format!("{error}; an admin has to correct the connection's settings"))
}

pub fn transport_denied(host: &str, error: TransportError) -> OutboundFailure {
    refused(OutboundReason::Denied, format!("{host}: {error}"))
}

pub fn bad_credential(error: &InjectError) -> OutboundFailure {
    refused(OutboundReason::NeedsAuth, error.to_string())
}

/// The cause goes to the operator's log. The guest learns whether a repeat may help.
pub fn closed_vault(error: &VaultError) -> OutboundFailure {
    tracing::error!(%error, "a credential could not be opened");
    match error {
        VaultError::Store(_) => OutboundFailure {
            retry_after: Some(Duration::from_secs(1)),
            ..refused(
                OutboundReason::Network,
                "the host could not read the connection's credential just now; try again",
            )
        },
        // Another host may have the key, so the connection itself keeps its state.
        VaultError::NoMasterKey(id) => refused(
            OutboundReason::Network,
            format!(
                "this host can't open the connection's credential: the operator has to give it the master key `{id}`"
            ),
        ),
        _ => OutboundFailure {
            remedy: Some(Remedy::SetCredentials),
            ..refused(OutboundReason::NeedsAuth, "the connection's stored credential can't be opened")
        },
    }
}

/// Why an account has no tokens to send. A problem that no admin can solve is reported as one of the host or the
/// service.
pub fn unauthorized(error: &OAuthError, who: &AccountSpec) -> OutboundFailure {
    match error {
        OAuthError::NotAuthorized | OAuthError::Expired | OAuthError::Ended(_) => {
            let remedy = Remedy::connect(&who.key, who.oauth.is_some());
            OutboundFailure { remedy: Some(remedy), ..refused(OutboundReason::NeedsAuth, error.to_string()) }
        }
        OAuthError::Vault(error) => closed_vault(error),
        OAuthError::Store(error) => closed_vault(&VaultError::Store(error.clone())),
        OAuthError::Unavailable { message, retry_after } => OutboundFailure {
            retry_after: *retry_after,
            ..refused(OutboundReason::Network, format!("the connection's access token could not be renewed: {message}"))
        },
        OAuthError::Recent { kind: RenewalFailureKind::Unavailable, retry_after, .. } => OutboundFailure {
            retry_after: Some(*retry_after),
            ..refused(OutboundReason::Network, format!("the connection's access token could not be renewed: {error}"))
        },
        OAuthError::Answer(_) => refused(OutboundReason::Network, error.to_string()),
        _ => refused(OutboundReason::NeedsAuth, format!("{error}; an admin has to see to the connection")),
    }
}

/// The credential could not be opened or renewed before the call's deadline.
pub fn deadline_exceeded() -> OutboundFailure {
    refused(OutboundReason::Timeout, "the call's time was over before the request was sent")
}

pub fn open_circuit(host: &str, after: Duration) -> OutboundFailure {
    let message = format!(
        "{host} was not called: this connection's last requests failed one after another; it is tried again in {} s",
        after.as_secs() + 1
    );
    OutboundFailure { retry_after: Some(after), ..refused(OutboundReason::CircuitOpen, message) }
}

pub fn wire(host: &str, error: &WireError) -> OutboundFailure {
    let reason = match error {
        WireError::NotPublic => OutboundReason::Denied,
        WireError::ConnectTimeout | WireError::Silent | WireError::Late => OutboundReason::Timeout,
        WireError::Unsendable => OutboundReason::Invalid,
        _ => OutboundReason::Network,
    };
    OutboundFailure { sent: error.sent(), ..refused(reason, format!("{host}: {error}")) }
}

pub fn body(host: &str, error: &BodyError) -> OutboundFailure {
    let reason = match error {
        BodyError::Idle | BodyError::Late => OutboundReason::Timeout,
        BodyError::Large => OutboundReason::TooLarge,
        BodyError::Broken | BodyError::Decode(_) => OutboundReason::Network,
    };
    OutboundFailure { sent: true, ..refused(reason, format!("{host}: {error}")) }
}
