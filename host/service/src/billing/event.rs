//! Reads Stripe's events about subscriptions (the API's objects `Event`, `Subscription` and `Invoice`).
//!
//! The subscription's `metadata.organization_id` names the organization. Its plan is in `metadata.plan` of the
//! subscription or of its price, or is the price's `lookup_key`. Versions of the API since 2025-03-31 have the period's end
//! on the items, and an invoice's subscription in `parent`; older ones have both on the object itself.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{
    id::OrganizationId,
    plan::{PlanId, SubscriptionChange, SubscriptionStatus},
    time::Timestamp,
};
use resly_store::{BillerEvent, BillerNews};
use serde::Deserialize;
use serde_json::Value;

use crate::FieldError;

/// How long a trial is served after its end, until the biller says what became of it.
const TRIAL_LAG: Duration = Duration::from_secs(24 * 3600);

type Metadata = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Event {
    id: String,
    /// In seconds since 1970.
    created: i64,
    r#type: String,
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    object: Value,
}

#[derive(Deserialize)]
struct Subscription {
    id: String,
    /// In seconds since 1970.
    created: i64,
    status: String,
    metadata: Option<Metadata>,
    #[serde(default)]
    items: Items,
    trial_end: Option<i64>,
    current_period_end: Option<i64>,
    #[serde(default)]
    cancel_at_period_end: bool,
    cancel_at: Option<i64>,
}

#[derive(Default, Deserialize)]
struct Items {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    price: Option<Price>,
    current_period_end: Option<i64>,
}

#[derive(Deserialize)]
struct Price {
    lookup_key: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Invoice {
    parent: Option<InvoiceParent>,
    subscription: Option<String>,
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Deserialize)]
struct InvoiceParent {
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Deserialize)]
struct SubscriptionDetails {
    metadata: Option<Metadata>,
    subscription: Option<String>,
}

/// Whose subscription an event is about.
struct Subject {
    organization: OrganizationId,
    subscription: String,
}

/// What an event changes. `None` when it changes nothing here.
pub fn read(body: &[u8]) -> Result<Option<BillerEvent>, Vec<FieldError>> {
    let event: Event = parse(body, "$")?;
    let created_at = seconds(event.created);
    let (subject, news) = match event.r#type.as_str() {
        "customer.subscription.created" | "customer.subscription.updated" | "customer.subscription.deleted" => {
            let subscription: Subscription = object(event.data.object)?;
            let Some(subject) = subject(subscription.metadata.as_ref(), &subscription.id)? else { return Ok(None) };
            let deleted = event.r#type == "customer.subscription.deleted";
            let Some(state) = state(&subscription, deleted) else { return Ok(None) };
            let (created_at, plan) = (seconds(subscription.created), plan(&subscription)?);
            (subject, BillerNews::Subscription { created_at, plan, state, deleted })
        }
        "invoice.payment_failed" => {
            let invoice: Invoice = object(event.data.object)?;
            let parent = invoice.parent.and_then(|parent| parent.subscription_details);
            let Some(details) = parent.or(invoice.subscription_details) else { return Ok(None) };
            let Some(id) = details.subscription.or(invoice.subscription) else { return Ok(None) };
            let Some(subject) = subject(details.metadata.as_ref(), &id)? else { return Ok(None) };
            (subject, BillerNews::PaymentFailed)
        }
        _ => return Ok(None),
    };
    let Subject { organization, subscription } = subject;
    Ok(Some(BillerEvent { id: event.id, created_at, organization, subscription, news }))
}

fn parse<'de, T: Deserialize<'de>>(body: &'de [u8], path: &str) -> Result<T, Vec<FieldError>> {
    serde_json::from_slice(body).map_err(|error| vec![FieldError::new(path, error.to_string())])
}

fn object<T: for<'de> Deserialize<'de>>(object: Value) -> Result<T, Vec<FieldError>> {
    serde_json::from_value(object).map_err(|error| vec![FieldError::new("data.object", error.to_string())])
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

/// A subscription without an organization is for something else that the operator sells.
fn subject(metadata: Option<&Metadata>, subscription: &str) -> Result<Option<Subject>, Vec<FieldError>> {
    let Some(id) = metadata.and_then(|metadata| metadata.get("organization_id")) else { return Ok(None) };
    let organization = id.trim().parse().map_err(|_| {
        vec![FieldError::new("data.object.metadata.organization_id", "an organization's id (a UUID) is expected")]
    })?;
    Ok(Some(Subject { organization, subscription: subscription.to_owned() }))
}

/// The plan that a subscription is for.
fn plan(subscription: &Subscription) -> Result<Option<PlanId>, Vec<FieldError>> {
    let named_in = |metadata: Option<&Metadata>| metadata?.get("plan").cloned();
    let of_price = |item: &Item| {
        let price = item.price.as_ref()?;
        named_in(price.metadata.as_ref()).or_else(|| price.lookup_key.clone())
    };
    let named = named_in(subscription.metadata.as_ref());
    let named = named.or_else(|| subscription.items.data.iter().find_map(of_price));
    let parse = |id: String| {
        PlanId::parse(&id)
            .map_err(|error| vec![FieldError::new("data.object.items.data[].price.lookup_key", error.to_string())])
    };
    named.map(parse).transpose()
}

/// The state of a subscription. `None` while its first payment is awaited, and when that never came.
fn state(subscription: &Subscription, deleted: bool) -> Option<SubscriptionChange> {
    let status = match subscription.status.as_str() {
        "incomplete_expired" => return None,
        _ if deleted => SubscriptionStatus::Expired,
        "trialing" => SubscriptionStatus::Trial,
        "active" => SubscriptionStatus::Active,
        "past_due" => SubscriptionStatus::PastDue,
        "incomplete" => return None,
        // `canceled`, `unpaid`, `paused`.
        _ => SubscriptionStatus::Expired,
    };
    let period = subscription.items.data.iter().filter_map(|item| item.current_period_end).max();
    let period = period.or(subscription.current_period_end).map(seconds);
    let trial = subscription.trial_end.map(seconds);
    let cancelled = if subscription.cancel_at_period_end { period } else { subscription.cancel_at.map(seconds) };
    let past_due_until = match status {
        SubscriptionStatus::Trial => Some(cancelled.or_else(|| Some(trial?.plus(TRIAL_LAG)))),
        SubscriptionStatus::Active => Some(cancelled),
        // It goes on to be served as long as it was at first.
        SubscriptionStatus::PastDue | SubscriptionStatus::Expired => None,
    };
    Some(SubscriptionChange {
        status: Some(status),
        trial_ends_at: Some(trial),
        current_period_ends_at: Some(period),
        past_due_until,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORGANIZATION: &str = "01989c3a-7e10-7aaa-8bbb-0123456789ab";

    fn event(kind: &str, object: &Value) -> Result<Option<BillerEvent>, Vec<FieldError>> {
        let event =
            json!({"id": "evt_1", "object": "event", "created": 1000, "type": kind, "data": {"object": object}});
        read(event.to_string().as_bytes())
    }

    fn subscription(status: &str) -> Value {
        json!({"id": "sub_1", "object": "subscription", "created": 900, "status": status,
            "metadata": {"organization_id": ORGANIZATION},
            "items": {"data": [{"current_period_end": 5000, "price": {"lookup_key": "pro", "metadata": {}}}]},
            "trial_end": null, "cancel_at": null, "cancel_at_period_end": false})
    }

    /// What is read of a subscription: the event, when the subscription was made, its plan, its state, whether it is over.
    fn subscribed(kind: &str, object: &Value) -> (BillerEvent, Timestamp, Option<PlanId>, SubscriptionChange, bool) {
        let event = event(kind, object).unwrap().unwrap();
        match event.news.clone() {
            BillerNews::Subscription { created_at, plan, state, deleted } => (event, created_at, plan, state, deleted),
            BillerNews::PaymentFailed => panic!("{event:?}"),
        }
    }

    fn updated(object: &Value) -> (Option<PlanId>, SubscriptionChange) {
        let (_, _, plan, state, _) = subscribed("customer.subscription.updated", object);
        (plan, state)
    }

    #[test]
    fn a_subscription_has_a_state_a_plan_and_dates() {
        let (event, made_at, plan, state, deleted) =
            subscribed("customer.subscription.updated", &subscription("active"));
        assert_eq!((event.id.as_str(), event.subscription.as_str()), ("evt_1", "sub_1"));
        assert_eq!((event.created_at, event.organization.to_string()), (seconds(1000), ORGANIZATION.to_owned()));
        assert_eq!((made_at, plan, deleted), (seconds(900), PlanId::parse("pro").ok(), false));
        assert_eq!(state.status, Some(SubscriptionStatus::Active));
        assert_eq!(state.current_period_ends_at, Some(Some(seconds(5000))));
        assert_eq!(state.past_due_until, Some(None), "the usual grace");

        let mut older = subscription("active");
        older["items"] = json!({"data": [{"price": {"lookup_key": null, "metadata": {"plan": "scale"}}}]});
        older["current_period_end"] = json!(6000);
        older["cancel_at_period_end"] = json!(true);
        let (plan, state) = updated(&older);
        assert_eq!(plan, PlanId::parse("scale").ok());
        assert_eq!(state.current_period_ends_at, Some(Some(seconds(6000))));
        assert_eq!(state.past_due_until, Some(Some(seconds(6000))), "no grace for what was cancelled");

        let mut trial = subscription("trialing");
        trial["trial_end"] = json!(2000);
        let (_, state) = updated(&trial);
        assert_eq!(state.trial_ends_at, Some(Some(seconds(2000))));
        assert_eq!(state.past_due_until, Some(Some(seconds(2000 + 24 * 3600))));
        for (status, expected) in [
            ("past_due", SubscriptionStatus::PastDue),
            ("unpaid", SubscriptionStatus::Expired),
            ("canceled", SubscriptionStatus::Expired),
            ("paused", SubscriptionStatus::Expired),
        ] {
            assert_eq!(updated(&subscription(status)).1.status, Some(expected), "{status}");
        }
        let (_, _, _, state, deleted) = subscribed("customer.subscription.deleted", &subscription("active"));
        assert_eq!((state.status, deleted), (Some(SubscriptionStatus::Expired), true));
    }

    #[test]
    fn metadata_that_is_null_is_empty() {
        let mut null = subscription("active");
        null["items"]["data"][0]["price"]["metadata"] = json!(null);
        assert_eq!(updated(&null).0, PlanId::parse("pro").ok());
        null["metadata"] = json!(null);
        assert!(event("customer.subscription.updated", &null).unwrap().is_none());
    }

    #[test]
    fn a_failed_payment_is_of_the_invoice_s_subscription() {
        let details = json!({"metadata": {"organization_id": ORGANIZATION}, "subscription": "sub_1"});
        let newer = json!({"object": "invoice", "parent": {"subscription_details": details}});
        let older = json!({"object": "invoice", "subscription": "sub_1",
            "subscription_details": {"metadata": {"organization_id": ORGANIZATION}}});
        for invoice in [newer, older] {
            let failed = event("invoice.payment_failed", &invoice).unwrap().unwrap();
            assert_eq!(failed.subscription, "sub_1");
            assert!(matches!(failed.news, BillerNews::PaymentFailed));
        }
        let once = json!({"object": "invoice", "parent": null, "subscription": null, "subscription_details": null});
        assert!(event("invoice.payment_failed", &once).unwrap().is_none(), "an invoice for something else");
    }

    #[test]
    fn what_is_for_something_else_is_left_alone_and_what_is_wrong_is_told() {
        assert!(event("customer.created", &json!({})).unwrap().is_none());
        for status in ["incomplete", "incomplete_expired"] {
            assert!(event("customer.subscription.updated", &subscription(status)).unwrap().is_none(), "{status}");
        }
        let mut other = subscription("active");
        other["metadata"] = json!({});
        assert!(event("customer.subscription.updated", &other).unwrap().is_none());
        other["metadata"] = json!({"organization_id": "acme"});
        let wrong = event("customer.subscription.updated", &other).unwrap_err();
        assert_eq!(wrong[0].path, "data.object.metadata.organization_id");
        let wrong = event("customer.subscription.updated", &json!({"id": "sub_1"})).unwrap_err();
        assert_eq!(wrong[0].path, "data.object");
        assert!(read(b"{}").is_err());
    }
}
