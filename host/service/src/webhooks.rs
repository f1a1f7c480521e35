//! An organization's webhook: its secrets, and the delivery of its messages.

mod settings;

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use resly_core::{
    alert::{Event, payload, wait_after},
    boxed,
    connector::account::SealedCredentials,
    error::StoreError,
    id::{OrganizationId, WebhookId},
    metrics::{Metrics, names},
    time::{Clock, Random, Timestamp},
};
use resly_egress::{Egress, Message, mint_webhook_secret, webhook_context};
use resly_store::{DeliveryAttempt, DueDelivery, Store, Webhook};
use resly_vault::{Credentials, Vault, VaultError};
use secrecy::SecretString;
use serde_json::json;

pub use self::settings::{
    RotatedSecret, SavedWebhook, WebhookError, WebhookOverview, WebhookSpec, overview, replay, rotate_secret, set,
};

/// Messages that one host sends at a time.
const AT_ONCE: u32 = 8;
/// The lease on a delivery. Egress gives an attempt 15 seconds.
const LEASE: Duration = Duration::from_secs(60);
/// The receiver wants no more messages (RFC 9110, section 15.5.11).
const GONE: u16 = 410;

/// Cheap to clone.
#[derive(Clone)]
pub struct WebhookDispatcher {
    pub store: Store,
    pub egress: Arc<Egress>,
    pub vault: Arc<Vault>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub metrics: Metrics,
}

/// The result of a test.
#[derive(Debug)]
pub struct TestDelivery {
    pub status: Option<u16>,
    pub error: Option<String>,
}

impl WebhookDispatcher {
    /// Creates a secret. Returns it in the clear, to be shown once, and sealed.
    pub async fn mint(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
    ) -> Result<(SecretString, Vec<u8>), VaultError> {
        let (shown, secret) = mint_webhook_secret(&*self.random);
        let sealed = self.vault.seal(&webhook_context(organization, webhook), &secret).await?;
        Ok((shown, sealed.0))
    }

    /// Sends every message that is due. Returns how many.
    #[boxed]
    pub async fn deliver_due(&self) -> Result<usize, StoreError> {
        let mut sent = 0;
        loop {
            let now = self.clock.now();
            let due = self.store.take_due_deliveries(now, now.plus(LEASE), AT_ONCE).await?;
            if due.is_empty() {
                return Ok(sent);
            }
            sent += due.len();
            for ended in join_all(due.iter().map(|due| self.deliver(due))).await {
                ended?;
            }
        }
    }

    async fn deliver(&self, due: &DueDelivery) -> Result<(), StoreError> {
        let (status, error) = self.send(due).await;
        let mut chance = [0];
        self.random.fill(&mut chance);
        let now = self.clock.now();
        let again = wait_after(due.tries.saturating_add(1), chance[0]).filter(|_| status != Some(GONE));
        let again_at = again.filter(|_| error.is_some()).map(|wait| now.plus(wait));
        if let Some(error) = &error {
            tracing::warn!(
                organization = %due.organization, delivery = %due.id, error, again = again_at.is_some(),
                "a webhook's message was not taken"
            );
        }
        self.store.settle_delivery(due, DeliveryAttempt { status, error, again_at }, now).await
    }

    /// Sends a test message once, and returns the result. `None` when there is no webhook.
    #[boxed]
    pub async fn test(&self, organization: OrganizationId) -> Result<Option<TestDelivery>, StoreError> {
        let now = self.clock.now();
        let text = payload(Event::WebhookTest, now, json!({"message": "This is a test."}));
        let begun = self.store.begin_delivery(organization, Event::WebhookTest, text, now.plus(LEASE), now).await?;
        let Some(due) = begun else { return Ok(None) };
        let (status, error) = self.send(&due).await;
        let tried = DeliveryAttempt { status, error: error.clone(), again_at: None };
        self.store.settle_delivery(&due, tried, self.clock.now()).await?;
        Ok(Some(TestDelivery { status, error }))
    }

    /// Returns the response's status, and why the attempt failed.
    async fn send(&self, due: &DueDelivery) -> (Option<u16>, Option<String>) {
        let (status, error) = self.attempt(due).await;
        let result = if error.is_none() { "delivered" } else { "failed" };
        self.metrics.count(&names::WEBHOOK_ATTEMPTS, [result.into()]);
        (status, error)
    }

    async fn attempt(&self, due: &DueDelivery) -> (Option<u16>, Option<String>) {
        let at = self.clock.now();
        let secrets = match self.secrets(due.organization, &due.webhook, at).await {
            Ok(secrets) => secrets,
            Err(error) => return (None, Some(format!("the webhook's secret can't be opened: {error}"))),
        };
        let id = due.id.to_string();
        let message = Message { url: &due.webhook.url, id: &id, at, body: &due.payload };
        match self.egress.send_webhook(message, &secrets).await {
            Ok(status @ 200..=299) => (Some(status), None),
            Ok(status @ 300..=399) => {
                (Some(status), Some(format!("it answered {status}; redirects are not followed: set the final URL")))
            }
            Ok(status) => (Some(status), Some(format!("it answered {status}; a status of 200 to 299 is expected"))),
            Err(error) => (None, Some(error.to_string())),
        }
    }

    /// The secrets that sign now, the newest first.
    async fn secrets(
        &self,
        organization: OrganizationId,
        webhook: &Webhook,
        now: Timestamp,
    ) -> Result<Vec<Credentials>, VaultError> {
        let binding = webhook_context(organization, webhook.id);
        let previous = webhook.previous.as_ref().filter(|(_, until)| *until > now).map(|(secret, _)| secret);
        let mut secrets = Vec::new();
        for sealed in [Some(&webhook.secret), previous].into_iter().flatten() {
            secrets.push(self.vault.open(&binding, &SealedCredentials(sealed.clone())).await?);
        }
        Ok(secrets)
    }
}
