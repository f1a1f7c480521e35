//! The bundled Shopify connector: finds an order, lists a customer's orders and searches products, with Shopify's Admin
//! GraphQL API, version 2026-10 (Shopify, "GraphQL Admin API reference").

pub mod api;
mod orders;
mod products;
mod search;

use resly_sdk::{Call, Connector, Result};
use serde_json::{Value, json};

use api::Query;

/// The connector.
pub struct Shopify;

impl Connector for Shopify {
    fn invoke(call: &Call) -> Result<Value> {
        run(call, &|query, variables| api::send(call, query, &variables))
    }
}

resly_sdk::export!(Shopify);

/// Sends one query with its variables and returns its `data`.
pub type Ask<'a> = &'a dyn Fn(&Query, Value) -> Result<Value>;

/// Runs an action. `ask` sends its queries.
pub fn run(call: &Call, ask: Ask) -> Result<Value> {
    match call.action() {
        "find_order" => orders::find(call, ask),
        "list_customer_orders" => orders::of_customer(call, ask),
        "search_products" => products::search(call, ask),
        "get_shop" => shop(ask),
        _ => Err(call.unknown_action()),
    }
}

fn shop(ask: Ask) -> Result<Value> {
    const QUERY: Query = Query { name: "Shop", text: include_str!("../queries/shop.graphql") };
    let data = ask(&QUERY, json!({}))?;
    let shop = &data["shop"];
    Ok(json!({"name": shop["name"], "domain": shop["myshopifyDomain"], "currency": shop["currencyCode"]}))
}

#[cfg(test)]
mod tests;
