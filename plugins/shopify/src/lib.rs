//! The bundled Shopify connector: finds an order, lists a customer's orders, searches products, all by Shopify's Admin
//! GraphQL API, version 2026-10 (Shopify, "GraphQL Admin API reference").

mod api;
mod orders;
mod products;
mod search;

use resly_sdk::{Call, Connector, Result};
use serde_json::{Value, json};

/// The connector.
pub struct Shopify;

impl Connector for Shopify {
    fn invoke(call: &Call) -> Result<Value> {
        run(call, &|query, variables| api::send(call, query, variables))
    }
}

resly_sdk::export!(Shopify);

/// Asks one query with its variables and gives its `data`.
type Ask<'a> = &'a dyn Fn(&str, Value) -> Result<Value>;

fn run(call: &Call, ask: Ask) -> Result<Value> {
    match call.action() {
        "find_order" => orders::find(call, ask),
        "list_customer_orders" => orders::of_customer(call, ask),
        "search_products" => products::search(call, ask),
        "get_shop" => {
            let shop = ask(include_str!("../queries/shop.graphql"), json!({}))?;
            Ok(json!({"name": shop["shop"]["name"], "domain": shop["shop"]["myshopifyDomain"],
                "currency": shop["shop"]["currencyCode"]}))
        }
        _ => Err(call.unknown_action()),
    }
}

#[cfg(test)]
mod tests;
