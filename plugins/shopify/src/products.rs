//! Products that are on sale.

use resly_sdk::{Call, Fault, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Ask, search};

#[derive(Deserialize)]
struct Input {
    query: String,
    #[serde(default = "five")]
    limit: u8,
}

fn five() -> u8 {
    5
}

/// Active products that match every word.
pub fn search(call: &Call, ask: Ask) -> Result<Value> {
    let Input { query, limit } = call.input()?;
    let words = search::words(&query);
    if words.is_empty() {
        return Err(Fault::invalid_input("say what to look for"));
    }
    let variables = json!({"query": format!("{words} AND status:active"), "first": limit.clamp(1, 20)});
    let data = ask(include_str!("../queries/products.graphql"), variables)?;
    let products: Vec<Value> =
        data["products"]["nodes"].as_array().map_or(&[][..], Vec::as_slice).iter().map(product).collect();
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
