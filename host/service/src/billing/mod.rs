//! What the operator's biller reports: Stripe's events, signed as Stripe signs its webhooks. They change subscriptions.

mod event;
mod signature;

use resly_core::{boxed, error::StoreError};
use resly_store::{BillerOutcome, SubscribeError};

pub use self::signature::{SignatureError, SigningSecrets};
use crate::{App, FieldError};

/// Why an event isn't applied. The biller sends it again later.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    #[error("this host takes no events of a biller: set RESLY_BILLING_WEBHOOK_SECRET")]
    Off,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Refused(#[from] SubscribeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    /// It is about nothing that this host knows, or says nothing new.
    Ignored(&'static str),
}

/// Checks an event's signature and applies it. An event that was applied before, or is older than one that was, changes
/// nothing.
#[boxed]
pub async fn receive(app: &App, signature: Option<&str>, body: &[u8]) -> Result<Outcome, BillingError> {
    let secrets = app.biller.as_ref().ok_or(BillingError::Off)?;
    let now = app.clock.now();
    secrets.verify(signature, body, now)?;
    let Some(event) = event::read(body).map_err(BillingError::Invalid)? else {
        return Ok(Outcome::Ignored("this host does nothing about such an event"));
    };
    Ok(match app.store.apply_biller_event(event, now).await? {
        BillerOutcome::Applied => Outcome::Applied,
        BillerOutcome::Replayed => Outcome::Ignored("it was received before"),
        BillerOutcome::Outdated => Outcome::Ignored("a newer event was applied"),
        BillerOutcome::Superseded => Outcome::Ignored("the organization has another subscription, or none any more"),
    })
}
