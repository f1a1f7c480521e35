//! Orders by number, by e-mail address or by customer.

use resly_sdk::{Call, Fault, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Ask, api::Query, search};

const QUERY: Query = Query { name: "Orders", text: include_str!("../queries/orders.graphql") };

#[derive(Deserialize)]
struct FindInput {
    number: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Settings {
    /// Whether an order is only shown to somebody who also knows its e-mail address. On by default.
    #[serde(default = "on")]
    verify_email: bool,
}

fn on() -> bool {
    true
}

fn wants_both() -> Fault {
    Fault::invalid_input(
        "this shop tells about an order only with both its number and its e-mail address; ask for both",
    )
}

/// Finds orders by number, e-mail address, or both. With both, each has to match.
pub fn find(call: &Call, ask: Ask) -> Result<Value> {
    let FindInput { number, email } = call.input()?;
    let number = number.map(|number| bare(&number)).filter(|number| !number.is_empty());
    let email = address(email);
    if call.settings::<Settings>()?.verify_email && (number.is_none() || email.is_none()) {
        return Err(wants_both());
    }
    // A name is `#1001` or, in a shop that writes its own, `EN1001`.
    let by_number = number
        .as_ref()
        .map(|number| format!("({} OR {})", search::term("name", &format!("#{number}")), search::term("name", number)));
    let by_email = email.as_ref().map(|email| search::term("email", email));
    let terms: Vec<String> = by_number.into_iter().chain(by_email).collect();
    if terms.is_empty() {
        return Err(Fault::invalid_input("give the order's number, the customer's e-mail address, or both"));
    }
    let variables =
        json!({"query": terms.join(" AND "), "first": 10, "items": 20, "shipments": 5, "withCustomer": false});
    // The service searches. Here it is checked that each result is what was asked for.
    let found = told(&ask(&QUERY, variables)?, &|order| {
        number.as_ref().is_none_or(|number| order["name"].as_str().map(bare).as_ref() == Some(number))
            && email.as_ref().is_none_or(|email| has_email(order, email))
    });
    if found["orders"].as_array().is_none_or(Vec::is_empty) {
        let number = number.map(|number| format!("#{number}"));
        let wanted: Vec<String> = number.into_iter().chain(email).collect();
        let wanted = wanted.join(" and ");
        return Err(Fault::not_found(format!("there is no order with {wanted}; check what was given")));
    }
    Ok(found)
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

/// A customer's orders, newest first. With both an address and an id, each has to match.
pub fn of_customer(call: &Call, ask: Ask) -> Result<Value> {
    if call.settings::<Settings>()?.verify_email {
        return Err(wants_both());
    }
    let ListInput { email, customer_id, limit } = call.input()?;
    let email = address(email);
    let id = customer_id.map(|id| id.trim().trim_start_matches("gid://shopify/Customer/").to_owned());
    if id.as_ref().is_some_and(|id| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Fault::invalid_input("a customer's id is a number"));
    }
    let by_email = email.as_ref().map(|email| search::term("email", email));
    let by_id = id.as_ref().map(|id| search::term("customer_id", id));
    let terms: Vec<String> = by_email.into_iter().chain(by_id).collect();
    if terms.is_empty() {
        return Err(Fault::invalid_input("give the customer's e-mail address or their id"));
    }
    // Fewer items of each than for one order, because a query's cost grows with their product.
    let variables = json!({"query": terms.join(" AND "), "first": limit.clamp(1, 20), "items": 10, "shipments": 3,
        "withCustomer": id.is_some()});
    Ok(told(&ask(&QUERY, variables)?, &|order| {
        email.as_ref().is_none_or(|email| has_email(order, email))
            && id.as_ref().is_none_or(|id| {
                order["customer"]["id"].as_str().and_then(|gid| gid.rsplit('/').next()) == Some(id.as_str())
            })
    }))
}

/// The matching orders, in the form for customers, and whether the service has more.
fn told(data: &Value, fits: &dyn Fn(&Value) -> bool) -> Value {
    let orders: Vec<Value> = list(&data["orders"]["nodes"]).iter().filter(|order| fits(order)).map(order).collect();
    some(&mut [("orders", json!(orders)), ("more", more(&data["orders"]))])
}

fn address(email: Option<String>) -> Option<String> {
    email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty())
}

fn has_email(order: &Value, email: &str) -> bool {
    order["email"].as_str().is_some_and(|have| have.to_lowercase() == *email)
}

/// A number in its bare form: `1001` for `#1001`, ` # 1001` and `1001`; `EN1001` for `en1001`.
fn bare(number: &str) -> String {
    number.trim().trim_start_matches('#').trim().to_uppercase()
}

/// An order in the form for customers: without addresses and payment details.
fn order(order: &Value) -> Value {
    let item = |item: &Value| {
        some(&mut [
            ("title", item["title"].clone()),
            ("variant", item["variantTitle"].clone()),
            ("quantity", item["quantity"].clone()),
        ])
    };
    let shipment = |shipment: &Value| {
        let tracking = list(&shipment["trackingInfo"])
            .iter()
            .map(|parcel| some(&mut ["company", "number", "url"].map(|name| (name, parcel[name].clone()))));
        some(&mut [
            ("status", words(&shipment["displayStatus"])),
            ("estimated_delivery", shipment["estimatedDeliveryAt"].clone()),
            ("delivered", shipment["deliveredAt"].clone()),
            ("tracking", tracking.collect()),
        ])
    };
    let state =
        if order["cancelledAt"].is_null() { words(&order["displayFulfillmentStatus"]) } else { "cancelled".into() };
    some(&mut [
        ("order", order["name"].clone()),
        ("state", state),
        ("payment", words(&order["displayFinancialStatus"])),
        ("ordered", order["processedAt"].clone()),
        ("cancelled", order["cancelledAt"].clone()),
        ("cancel_reason", words(&order["cancelReason"])),
        ("total", money(&order["totalPriceSet"])),
        ("refunded", refund(&order["totalRefundedSet"])),
        ("items", list(&order["lineItems"]["nodes"]).iter().map(item).collect()),
        ("more_items", more(&order["lineItems"])),
        ("shipments", list(&order["fulfillments"]).iter().map(shipment).collect()),
    ])
}

/// An object of the members that aren't null.
fn some(members: &mut [(&str, Value)]) -> Value {
    let mut known = Map::new();
    for (name, value) in members.iter_mut().filter(|(_, value)| !value.is_null()) {
        known.insert((*name).to_owned(), value.take());
    }
    Value::Object(known)
}

fn money(set: &Value) -> Value {
    let money = &set["shopMoney"];
    json!({"amount": money["amount"], "currency": money["currencyCode"]})
}

/// The refunded amount. Null when nothing was refunded.
fn refund(set: &Value) -> Value {
    let amount = set["shopMoney"]["amount"].as_str().unwrap_or_default();
    if amount.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { money(set) } else { Value::Null }
}

/// True when a list has more items than were requested, else null.
fn more(connection: &Value) -> Value {
    if connection["pageInfo"]["hasNextPage"] == true { true.into() } else { Value::Null }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A constant as words: `in transit` for `IN_TRANSIT`.
fn words(value: &Value) -> Value {
    value.as_str().map_or(Value::Null, |text| text.to_lowercase().replace('_', " ").into())
}
