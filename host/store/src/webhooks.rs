//! Each organization's webhook: where it leads, which events it gets, and its secrets. `deliveries.rs` has its messages.

mod deliveries;

use resly_core::{
    alert::Event,
    boxed,
    error::StoreError,
    id::{OrganizationId, WebhookId},
    time::Timestamp,
};
use serde::Serialize;

pub(crate) use self::deliveries::enqueue;
pub use self::deliveries::{Delivery, DeliveryAttempt, DeliveryState, DueDelivery};
use crate::{
    Store,
    audit::{Author, Subject, view},
    columns::{returning, select},
    error::failed,
    sql::{Conn, execute, row},
    types::{Id, Json, Time},
};

/// An organization's webhook. Its secrets are sealed records, which only the vault opens.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: String,
    /// The events that it gets. `None` means all.
    pub events: Option<Vec<Event>>,
    pub secret: Vec<u8>,
    /// The previous secret, and until when it signs, too.
    pub previous: Option<(Vec<u8>, Timestamp)>,
    pub created_at: Timestamp,
}

#[derive(sqlx_macros::FromRow)]
struct WebhookRow {
    id: Id,
    url: String,
    events: Option<Json<Vec<Event>>>,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
    previous_until: Option<Time>,
    created_at: Time,
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: WebhookId(row.id.0),
            url: row.url,
            events: row.events.map(|events| events.0),
            secret: row.secret,
            previous: row.previous_secret.zip(row.previous_until.map(|until| until.0)),
            created_at: row.created_at.0,
        }
    }
}

/// What the audit log shows of a webhook.
#[derive(Serialize)]
struct WebhookView<'w> {
    url: &'w str,
    events: Option<&'w [Event]>,
}

impl<'w> WebhookView<'w> {
    fn of(webhook: &'w Webhook) -> Self {
        Self { url: &webhook.url, events: webhook.events.as_deref() }
    }
}

/// What it shows of a rotation.
#[derive(Serialize)]
struct SecretView {
    secret: &'static str,
    previous_until: Option<Timestamp>,
}

const FIND: &str = select!(webhook, "FROM webhooks WHERE organization_id = $1");

async fn find(db: &mut Conn<'_>, organization: OrganizationId) -> Result<Option<Webhook>, sqlx::Error> {
    Ok(row!(db, WebhookRow, FIND, Id(organization.0))?.map(Webhook::from))
}

impl Store {
    #[boxed]
    pub async fn webhook(&self, organization: OrganizationId) -> Result<Option<Webhook>, StoreError> {
        let doing = "read the webhook";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(db, WebhookRow, FIND, Id(organization.0)).map_err(failed(doing))?;
        Ok(found.map(Webhook::from))
    }

    /// Creates the organization's webhook, or changes the URL and the events of the existing one, which keeps its id and
    /// secrets. Returns it.
    #[boxed]
    pub async fn put_webhook(&self, organization: OrganizationId, webhook: Webhook) -> Result<Webhook, StoreError> {
        let by = Author::current();
        self.write(organization, "set the webhook", move |mut db| {
            Box::pin(async move {
                let before = find(&mut db, organization).await?;
                let kept = row!(
                    db,
                    WebhookRow,
                    returning!(
                        webhook,
                        "INSERT INTO webhooks (id, organization_id, url, events, secret, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6)
                     ON CONFLICT (organization_id) DO UPDATE SET url = excluded.url, events = excluded.events"
                    ),
                    Id(webhook.id.0),
                    Id(organization.0),
                    webhook.url.as_str(),
                    webhook.events.as_ref().map(Json),
                    webhook.secret.as_slice(),
                    Time(webhook.created_at)
                )?;
                let kept = kept.map_or(webhook, Webhook::from);
                let (subject, after) = (Subject::new(kept.id, &kept.url), view(&WebhookView::of(&kept))?);
                match before {
                    Some(before) => {
                        let before = view(&WebhookView::of(&before))?;
                        by.changed(&mut db, organization, "webhook.change", subject, before, after).await?;
                    }
                    None => by.created(&mut db, organization, "webhook.create", subject, after).await?,
                }
                Ok(kept)
            })
        })
        .await
    }

    /// Sets a new secret. The previous one signs, too, until `overlap_until`. False when there is no webhook.
    #[boxed]
    pub async fn rotate_webhook_secret(
        &self,
        organization: OrganizationId,
        id: WebhookId,
        secret: Vec<u8>,
        overlap_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(organization, "rotate the webhook's secret", move |mut db| {
            Box::pin(async move {
                let changed = execute!(
                    db,
                    "UPDATE webhooks SET previous_secret = secret, previous_until = $4, secret = $3
                     WHERE id = $1 AND organization_id = $2",
                    Id(id.0),
                    Id(organization.0),
                    secret.as_slice(),
                    Time(overlap_until)
                )?;
                if changed > 0 {
                    let before = view(&SecretView { secret: "set", previous_until: None })?;
                    let after = view(&SecretView { secret: "replaced", previous_until: Some(overlap_until) })?;
                    let subject = Subject::by_id(id);
                    by.changed(&mut db, organization, "webhook.rotate", subject, before, after).await?;
                }
                Ok(changed > 0)
            })
        })
        .await
    }

    /// Deletes the webhook and gives up its messages. False when there is none.
    #[boxed]
    pub async fn delete_webhook(&self, organization: OrganizationId, now: Timestamp) -> Result<bool, StoreError> {
        let by = Author::current();
        self.write(organization, "remove the webhook", move |mut db| {
            Box::pin(async move {
                if let Some(before) = find(&mut db, organization).await? {
                    let subject = Subject::new(before.id, &before.url);
                    let before = view(&WebhookView::of(&before))?;
                    by.deleted(&mut db, organization, "webhook.delete", subject, before).await?;
                }
                let deleted = execute!(db, "DELETE FROM webhooks WHERE organization_id = $1", Id(organization.0))?;
                execute!(
                    db,
                    "UPDATE webhook_deliveries SET state = 'failed', last_error = 'the webhook was removed', ended_at = $2
                     WHERE organization_id = $1 AND state = 'pending'",
                    Id(organization.0),
                    Time(now)
                )?;
                Ok(deleted > 0)
            })
        })
        .await
    }
}
