//! Sends one request to the Admin GraphQL API, and translates its errors.

use resly_sdk::{
    Call, Fault, Result,
    http::{Request, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The API's version: the newest stable one at the time of writing. A version is supported for a year (Shopify, "API
/// versioning").
pub const VERSION: &str = "2026-10";
/// Characters of the service's message that a fault quotes.
const QUOTED: usize = 300;

/// One of the queries in `queries/`.
pub struct Query {
    /// The name of the operation in the query's text.
    pub name: &'static str,
    pub text: &'static str,
}

impl Query {
    /// The body of the request. Inputs are variables and never become a part of the query's text.
    pub fn body(&self, variables: &Value) -> Value {
        json!({"operationName": self.name, "query": self.text, "variables": variables})
    }
}

#[derive(Deserialize)]
struct Settings {
    shop: String,
}

/// Sends a query. The host adds the shop's access token.
pub fn send(call: &Call, query: &Query, variables: &Value) -> Result<Value> {
    let Settings { shop } = call.settings()?;
    let url = format!("https://{shop}.myshopify.com/admin/api/{VERSION}/graphql.json");
    data(&Request::post(url).header("accept", "application/json").json(&query.body(variables))?.send()?)
}

/// The `data` of a response, or the fault for its errors.
pub fn data(response: &Response) -> Result<Value> {
    match response.status {
        401 => Err(refused()),
        403 => {
            let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
            let said = body["errors"].as_str().map(|said| format!(". It said: {}", quoted(said))).unwrap_or_default();
            Err(Fault { message: format!("{}{said}", refused().message), ..refused() })
        }
        402 => {
            Err(Fault::upstream("this shop is frozen until its owner settles its bill with Shopify").retryable(false))
        }
        404 => Err(Fault::upstream("there is no such shop; an admin has to check the connection's setting `shop`")
            .retryable(false)),
        423 => Err(Fault::upstream("this shop is locked; its owner has to settle that with Shopify").retryable(false)),
        _ => {
            response.clone().require_success()?;
            let mut body: Value = response.json()?;
            match body.get("errors") {
                None | Some(Value::Null) => {}
                Some(Value::Array(errors)) if errors.is_empty() => {}
                // Usually a list. Some of Shopify's gateways answer with one text.
                Some(errors) => return Err(fault(errors.get(0).unwrap_or(errors), &body["extensions"]["cost"])),
            }
            match body["data"].take() {
                data @ Value::Object(_) => Ok(data),
                _ => Err(Fault::upstream("Shopify's answer holds no data; try again later")),
            }
        }
    }
}

/// The fault for an error (Shopify, "GraphQL Admin API: status and error codes").
fn fault(error: &Value, cost: &Value) -> Fault {
    let message = quoted(error["message"].as_str().or(error.as_str()).unwrap_or("an error without a message"));
    match error["extensions"]["code"].as_str() {
        Some("THROTTLED") => {
            let wait = wait(cost).map_or_else(|| "a few seconds".to_owned(), |seconds| format!("{seconds} s"));
            Fault::rate_limited(format!("Shopify's rate limit is reached; try again in {wait}"))
        }
        Some("ACCESS_DENIED") => {
            // Such as "`read_orders` access scope."; absent when the app lacks access to customers' data.
            let needed = error["extensions"]["requiredAccess"].as_str().map(str::to_owned).unwrap_or(message);
            Fault::needs_auth(format!("Shopify wants a permission that the access token lacks: {needed}"))
        }
        Some("MAX_COST_EXCEEDED") => {
            Fault::invalid_input("this asks for more than Shopify answers at once; ask with a lower `limit`")
        }
        // The same as status 401, from a gateway that answers 200.
        None if message.starts_with("[API] Invalid API key or access token") => refused(),
        Some("SHOP_INACTIVE") => Fault::upstream("this shop is not active").retryable(false),
        Some("INTERNAL_SERVER_ERROR") => Fault::upstream("Shopify failed; try again later"),
        _ => Fault::upstream(format!("Shopify answered with an error: {message}")).retryable(false),
    }
}

fn refused() -> Fault {
    Fault::needs_auth("Shopify refused the access token; an admin has to renew the connection's credential")
}

fn quoted(said: &str) -> String {
    said.chars().take(QUOTED).collect()
}

/// Whole seconds until the bucket of query costs has space (Shopify, "API limits": it refills at a steady rate).
fn wait(cost: &Value) -> Option<u64> {
    let throttle = &cost["throttleStatus"];
    let lacking = cost["requestedQueryCost"].as_f64()? - throttle["currentlyAvailable"].as_f64()?;
    let seconds = (lacking / throttle["restoreRate"].as_f64().filter(|rate| *rate > 0.0)?).ceil();
    Some(seconds.clamp(1.0, 3600.0) as u64)
}
