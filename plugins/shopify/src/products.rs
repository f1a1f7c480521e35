//! Products that the online store sells.

use resly_sdk::{Call, Fault, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Ask, api::Query, search};

const QUERY: Query = Query { name: "Products", text: include_str!("../queries/products.graphql") };
/// The products that customers may see.
const ON_SALE: &str = "status:active AND published_status:published";

#[derive(Deserialize)]
struct Input {
    query: String,
    #[serde(default = "five")]
    limit: u8,
}

fn five() -> u8 {
    5
}

/// Products that match every word. When there is none, those that match the most words.
pub fn search(call: &Call, ask: Ask) -> Result<Value> {
    let Input { query, limit } = call.input()?;
    let words = search::words(&query);
    if words.is_empty() {
        return Err(Fault::invalid_input("say what to look for"));
    }
    let matching = |connective: &str| -> Result<Vec<Value>> {
        let query = format!("({}) AND {ON_SALE}", words.join(connective));
        let data = ask(&QUERY, json!({"query": query, "first": limit.clamp(1, 20)}))?;
        let nodes = data["products"]["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        // Shopify gives no address to products that the store doesn't show.
        Ok(nodes.iter().filter(|product| product["onlineStoreUrl"].is_string()).map(product).collect())
    };
    let mut products = matching(" AND ")?;
    if products.is_empty() && words.len() > 1 {
        products = matching(" OR ")?;
    }
    Ok(json!({"products": products}))
}

fn product(product: &Value) -> Value {
    let price = |end: &str| {
        let money = &product["priceRangeV2"][end];
        json!({"amount": money["amount"], "currency": money["currencyCode"]})
    };
    let tracked = product["tracksInventory"].as_bool().unwrap_or(false);
    let in_stock = !tracked || product["totalInventory"].as_i64().unwrap_or(0) > 0;
    json!({
        "title": product["title"],
        "description": product["description"],
        "type": product["productType"],
        "price_from": price("minVariantPrice"),
        "price_to": price("maxVariantPrice"),
        "in_stock": in_stock,
        "url": product["onlineStoreUrl"],
    })
}
