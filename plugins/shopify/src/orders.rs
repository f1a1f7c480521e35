//! Orders, by number, by e-mail address or by customer.

use resly_sdk::{Call, Fault, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Ask, search};

const QUERY: &str = include_str!("../queries/orders.graphql");

#[derive(Deserialize)]
struct FindInput {
    number: Option<String>,
    email: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// An order is told only to whoever knows its e-mail address too.
    verify_email: bool,
}

/// Finds orders by number, e-mail address, or both, which then must both match.
pub fn find(call: &Call, ask: Ask) -> Result<Value> {
    let FindInput { number, email } = call.input()?;
    let number = number.map(|number| normal(&number)).filter(|number| number.len() > 1);
    let email = email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
    if call.settings::<Settings>()?.verify_email && (number.is_none() || email.is_none()) {
        return Err(Fault::invalid_input(
            "this shop tells about an order only with both its number and its e-mail address",
        ));
    }
    let mut terms = Vec::new();
    if let Some(number) = &number {
        terms.push(search::term("name", number));
    }
    if let Some(email) = &email {
        terms.push(search::term("email", email));
    }
    if terms.is_empty() {
        return Err(Fault::invalid_input("give the order's number, the customer's e-mail address, or both"));
    }
    let data = ask(QUERY, json!({"query": terms.join(" AND "), "first": 5}))?;
    // The search is the service's; that what it found is what was asked for is checked here.
    let fits = |order: &&Value| {
        number.as_ref().is_none_or(|number| order["name"].as_str().map(normal).as_ref() == Some(number))
            && email.as_ref().is_none_or(|email| has_email(order, email))
    };
    let orders: Vec<Value> = nodes(&data).iter().filter(fits).map(order).collect();
    if orders.is_empty() {
        let wanted = [number, email].into_iter().flatten().collect::<Vec<_>>().join(" and ");
        return Err(Fault::not_found(format!("there is no order with {wanted}; check the number and the address")));
    }
    Ok(json!({"orders": orders}))
}

#[derive(Deserialize)]
struct ListInput {
    email: Option<String>,
    customer_id: Option<String>,
    #[serde(default = "ten")]
    limit: u8,
}

fn ten() -> u8 {
    10
}

/// A customer's orders, newest first.
pub fn of_customer(call: &Call, ask: Ask) -> Result<Value> {
    let ListInput { email, customer_id, limit } = call.input()?;
    let email = email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
    let id = customer_id.map(|id| id.trim().trim_start_matches("gid://shopify/Customer/").to_owned());
    let term = match (&email, &id) {
        (Some(email), _) => search::term("email", email),
        (None, Some(id)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
            search::term("customer_id", id)
        }
        _ => return Err(Fault::invalid_input("give the customer's e-mail address or their numeric id")),
    };
    let data = ask(QUERY, json!({"query": term, "first": limit.clamp(1, 25)}))?;
    let fits = |order: &&Value| match (&email, &id) {
        (Some(email), _) => has_email(order, email),
        (None, Some(id)) => {
            order["customer"]["id"].as_str().and_then(|gid| gid.rsplit('/').next()) == Some(id.as_str())
        }
        (None, None) => false,
    };
    Ok(json!({"orders": nodes(&data).iter().filter(fits).map(order).collect::<Vec<_>>()}))
}

fn nodes(data: &Value) -> &[Value] {
    data["orders"]["nodes"].as_array().map_or(&[], Vec::as_slice)
}

fn has_email(order: &Value, email: &str) -> bool {
    order["email"].as_str().is_some_and(|have| have.eq_ignore_ascii_case(email))
}

/// `#1001` for `1001`, ` #1001` and `#1001`.
fn normal(number: &str) -> String {
    format!("#{}", number.trim().trim_start_matches('#').trim().to_uppercase())
}

/// An order as a customer is told of it: no addresses, no payment details.
fn order(order: &Value) -> Value {
    let shipments: Vec<Value> = list(&order["fulfillments"])
        .iter()
        .map(|shipment| {
            json!({
                "status": words(&shipment["displayStatus"]),
                "estimated_delivery": shipment["estimatedDeliveryAt"],
                "delivered": shipment["deliveredAt"],
                "tracking": shipment["trackingInfo"],
            })
        })
        .collect();
    let items: Vec<Value> = list(&order["lineItems"]["nodes"])
        .iter()
        .map(|item| json!({"title": item["title"], "variant": item["variantTitle"], "quantity": item["quantity"]}))
        .collect();
    let cancelled = !order["cancelledAt"].is_null();
    let money = &order["totalPriceSet"]["shopMoney"];
    json!({
        "order": order["name"],
        "state": if cancelled { json!("cancelled") } else { words(&order["displayFulfillmentStatus"]) },
        "payment": words(&order["displayFinancialStatus"]),
        "ordered": order["processedAt"],
        "cancelled": order["cancelledAt"],
        "cancel_reason": words(&order["cancelReason"]),
        "total": {"amount": money["amount"], "currency": money["currencyCode"]},
        "items": items,
        "shipments": shipments,
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `IN_TRANSIT` as `in transit`.
fn words(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, |text| json!(text.to_lowercase().replace('_', " ")))
}
