//! Sets an organization's webhook, and rotates its secret.

use std::time::Duration;

use resly_core::{
    alert::Event,
    boxed,
    error::StoreError,
    id::{DeliveryId, OrganizationId, WebhookId},
    time::Timestamp,
};
use resly_store::{Cursor, Delivery, Webhook};
use resly_vault::VaultError;
use secrecy::SecretString;

use crate::{App, FieldError};

const LONGEST_URL: usize = 2048;
/// How long a replaced secret still signs: by default, and at most.
const OVERLAP_S: u64 = 24 * 3600;
const LONGEST_OVERLAP_S: u64 = 7 * 24 * 3600;

/// Why something can't be done with the webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("no webhook is set; set one with PUT /api/admin/webhook")]
    Missing,
    #[error("there is no such message that was delivered or given up")]
    NoMessage,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The webhook that an admin wants.
pub struct WebhookSpec {
    pub url: String,
    /// The events' names. All events when absent.
    pub events: Option<Vec<String>>,
}

/// The webhook after the change.
pub struct SavedWebhook {
    pub webhook: Webhook,
    /// The secret of a new webhook, which can't be read again.
    pub secret: Option<SecretString>,
}

/// The webhook, if one is set, and a page of its messages, newest first.
pub struct WebhookOverview {
    pub webhook: Option<Webhook>,
    pub deliveries: Vec<Delivery>,
}

#[boxed]
pub async fn overview(
    app: &App,
    organization: OrganizationId,
    before: Option<Cursor>,
    limit: u32,
) -> Result<WebhookOverview, StoreError> {
    let webhook = app.store.webhook(organization).await?;
    let deliveries = app.store.deliveries(organization, before, limit).await?;
    Ok(WebhookOverview { webhook, deliveries })
}

/// Sends a message once more that was delivered or given up, with the same id, so that a receiver who had it knows. The
/// queue takes it within seconds.
#[boxed]
pub async fn replay(app: &App, organization: OrganizationId, id: DeliveryId) -> Result<(), WebhookError> {
    let queued = app.store.replay_delivery(organization, id, app.clock.now()).await?;
    queued.then_some(()).ok_or(WebhookError::NoMessage)
}

/// Creates the webhook, or changes the existing one, which keeps its secret.
#[boxed]
pub async fn set(app: &App, organization: OrganizationId, spec: WebhookSpec) -> Result<SavedWebhook, WebhookError> {
    let WebhookSpec { url, events } = spec;
    let mut mistakes = Vec::new();
    if url.len() > LONGEST_URL {
        mistakes.push(FieldError::new("url", format!("at most {LONGEST_URL} bytes")));
    } else if let Err(error) = app.hooks.egress.check_webhook_url(&url) {
        mistakes.push(FieldError::new("url", error.to_string()));
    }
    let events = events.map(|events| read_events(&events, &mut mistakes));
    if !mistakes.is_empty() {
        return Err(WebhookError::Invalid(mistakes));
    }
    let now = app.clock.now();
    let id = WebhookId(app.random.uuid(now));
    let (shown, secret) = app.hooks.mint(organization, id).await?;
    let new = Webhook { id, url, events, secret, previous: None, created_at: now };
    let webhook = app.store.put_webhook(organization, new).await?;
    let secret = (webhook.id == id).then_some(shown);
    Ok(SavedWebhook { webhook, secret })
}

/// Reads the events of a webhook. An event that is sent only on request can't be chosen.
fn read_events(events: &[String], mistakes: &mut Vec<FieldError>) -> Vec<Event> {
    let choice = || Event::CHOICE.map(Event::name).join(", ");
    if events.is_empty() {
        mistakes.push(FieldError::new("events", format!("one or more of {} are expected", choice())));
    }
    let mut known = Vec::new();
    for (at, name) in events.iter().enumerate() {
        match Event::subscribable(name) {
            Some(event) => known.push(event),
            None => mistakes.push(FieldError::new(format!("events[{at}]"), format!("one of {} is expected", choice()))),
        }
    }
    known
}

/// A webhook's new secret.
pub struct RotatedSecret {
    /// The new secret, which can't be read again.
    pub secret: SecretString,
    /// When the previous secret stops signing.
    pub previous_until: Timestamp,
}

/// Makes a new secret. The old one signs as well for `overlap_s` seconds: a day when absent, a week at most.
#[boxed]
pub async fn rotate_secret(
    app: &App,
    organization: OrganizationId,
    overlap_s: Option<u64>,
) -> Result<RotatedSecret, WebhookError> {
    let overlap = overlap_s.unwrap_or(OVERLAP_S);
    if overlap > LONGEST_OVERLAP_S {
        let mistake = FieldError::new("overlap_s", format!("at most {LONGEST_OVERLAP_S}, a week"));
        return Err(WebhookError::Invalid(vec![mistake]));
    }
    let webhook = app.store.webhook(organization).await?.ok_or(WebhookError::Missing)?;
    let (shown, secret) = app.hooks.mint(organization, webhook.id).await?;
    let until = app.clock.now().plus(Duration::from_secs(overlap));
    if !app.store.rotate_webhook_secret(organization, webhook.id, secret, until).await? {
        return Err(WebhookError::Missing);
    }
    Ok(RotatedSecret { secret: shown, previous_until: until })
}
