//! `POST /api/operator/billing/events`: what the operator's biller reports. Its signature stands for a key.

use axum::{
    Json,
    extract::{Request, State},
};
use resly_core::id::OrganizationId;
use resly_service::billing::{self, Outcome};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Api, body,
    problem::{Problem, kinds},
};

/// The most bytes of an event.
const EVENT_CAP: usize = 256 << 10;

/// What became of an event.
#[derive(Serialize, ToSchema)]
pub struct ReceivedEvent {
    /// Whether it changed a subscription, or could have.
    applied: bool,
    /// Why it wasn't applied.
    #[schema(required)]
    reason: Option<&'static str>,
}

/// Takes an event of Stripe: `customer.subscription.created`, `.updated` and `.deleted`, and `invoice.payment_failed`. It is
/// signed as Stripe signs its webhooks, in `Stripe-Signature`. Others are answered and ignored.
#[utoipa::path(post, path = "/api/operator/billing/events", tag = "operator", operation_id = "receiveBillingEvent",
    security(()),
    request_body(content = ReceivedBody, description = "Stripe's event", content_type = "application/json"),
    responses((status = 200, description = "What became of it", body = ReceivedEvent)))]
pub async fn receive(State(api): State<Api>, request: Request) -> Result<Json<ReceivedEvent>, Problem> {
    let (mut parts, body) = request.into_parts();
    // Whoever may send it is known only when it was read, so all senders share the memory of one organization.
    parts.extensions.insert(api.admission(OrganizationId(Uuid::nil())));
    let bytes = body::read(body, &parts, EVENT_CAP).await?;
    let signature = parts.headers.get("stripe-signature").map(|value| {
        value
            .to_str()
            .map_err(|_| Problem::new(&kinds::INVALID_SIGNATURE, "the header `Stripe-Signature` is not ASCII"))
    });
    let outcome = billing::receive(&api.app, signature.transpose()?, &bytes).await?;
    let reason = match outcome {
        Outcome::Applied => None,
        Outcome::Ignored(reason) => Some(reason),
    };
    Ok(Json(ReceivedEvent { applied: reason.is_none(), reason }))
}

/// Stripe's `Event`. Only these members are read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema of what the use case reads")]
pub struct ReceivedBody {
    id: String,
    /// Seconds since 1970.
    created: i64,
    r#type: String,
    data: ReceivedData,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema of what the use case reads")]
pub struct ReceivedData {
    /// A `Subscription` or an `Invoice`.
    object: serde_json::Value,
}
