//! One request to the Admin GraphQL API, and what its errors mean.

use resly_sdk::{
    Call, Fault, FaultKind, Result,
    http::{Request, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Settings {
    shop: String,
}

/// Sends a query. The host adds the shop's access token.
pub fn send(call: &Call, query: &str, variables: Value) -> Result<Value> {
    let Settings { shop } = call.settings()?;
    let url = format!("https://{shop}.myshopify.com/admin/api/2026-10/graphql.json");
    let body = json!({"query": query, "variables": variables});
    data(&Request::post(url).header("accept", "application/json").json(&body)?.send()?)
}

/// The `data` of a response, or the fault that it stands for.
pub fn data(response: &Response) -> Result<Value> {
    match response.status {
        200 => {}
        401 | 403 => {
            return Err(Fault::needs_auth(
                "Shopify refused the access token; an admin has to renew the connection's credential",
            ));
        }
        402 | 423 => {
            return Err(Fault::upstream("this shop is frozen or locked; its owner has to settle that with Shopify")
                .retryable(false));
        }
        404 => {
            return Err(Fault::internal(
                "there is no such shop; an admin has to check the connection's setting `shop`",
            ));
        }
        _ => {
            response.clone().require_success()?;
        }
    }
    let mut body: Value = response.json()?;
    if let Some(error) = body["errors"].get(0) {
        return Err(fault(error));
    }
    Ok(body["data"].take())
}

/// Shopify, "GraphQL Admin API: status and error codes".
fn fault(error: &Value) -> Fault {
    let message = error["message"].as_str().unwrap_or("without a message");
    match error["extensions"]["code"].as_str() {
        Some("THROTTLED") => Fault::rate_limited("Shopify's rate limit is reached; try again in a few seconds"),
        Some("ACCESS_DENIED") => {
            let needed = error["extensions"]["requiredAccess"].as_str().unwrap_or("another access scope");
            Fault::needs_auth(format!("Shopify wants a permission that the token lacks: {needed}"))
        }
        Some("SHOP_INACTIVE") => Fault::upstream("this shop is not active").retryable(false),
        Some("INTERNAL_SERVER_ERROR") => Fault::upstream("Shopify failed; try again later"),
        _ => Fault::new(FaultKind::Upstream, format!("Shopify answered with an error: {message}")).retryable(false),
    }
}
