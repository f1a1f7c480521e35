//! The connector on its own fixtures, without a sandbox.

use std::sync::Arc;

use resly_core::connector::{
    fixture,
    manifest::{self, Manifest},
};
use resly_sdk::{Call, FaultKind, Result, http::Response};
use serde_json::{Value, json};

use super::{api, run};

fn shopify() -> Manifest {
    toml::from_str(include_str!("../connector.toml")).unwrap()
}

/// Runs an action against the manifest's fixtures.
fn call(action: &str, input: Value, settings: Value) -> Result<Value> {
    let fixtures = fixture::Fixtures(Arc::new(shopify()));
    run(&Call::for_test(action, &input, &settings), &|query, variables| {
        let body = json!({"query": query, "variables": variables});
        let answer = fixtures
            .answer(
                "POST",
                "https://acme-demo.myshopify.com/admin/api/2026-10/graphql.json",
                body.to_string().as_bytes(),
            )
            .expect("a fixture for every query");
        api::data(&Response { status: answer.status, headers: vec![], body: answer.body.to_vec(), truncated: false })
    })
}

fn shop() -> Value {
    json!({"shop": "acme-demo"})
}

#[test]
fn the_manifest_has_no_mistakes() {
    assert_eq!(manifest::check(&shopify()), []);
}

#[test]
fn an_order_is_found_by_its_number_however_it_is_written() {
    for number in ["#1001", "1001", " #1001 "] {
        let output = call("find_order", json!({"number": number}), shop()).unwrap();
        let order = &output["orders"][0];
        assert_eq!((&order["order"], &order["shipments"][0]["status"]), (&json!("#1001"), &json!("in transit")));
        assert_eq!(order["shipments"][0]["tracking"][0]["number"], "JD014600003");
    }
}

#[test]
fn number_and_address_must_both_match() {
    let both = |email: &str| call("find_order", json!({"number": "#1001", "email": email}), shop());
    assert!(both("Ada@Example.com").is_ok());
    assert_eq!(both("grace@example.com").unwrap_err().kind, FaultKind::NotFound);
}

#[test]
fn a_shop_may_ask_for_the_address() {
    let settings = json!({"shop": "acme-demo", "verify_email": true});
    let fault = call("find_order", json!({"number": "#1001"}), settings.clone()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::InvalidInput);
    assert!(call("find_order", json!({"number": "#1001", "email": "ada@example.com"}), settings).is_ok());
}

#[test]
fn a_customer_cannot_widen_the_search() {
    let fault = call("find_order", json!({"number": "1001\" OR name:*"}), shop()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
}

#[test]
fn a_customer_s_orders_come_newest_first() {
    for input in [json!({"email": "ada@example.com"}), json!({"customer_id": "7001"})] {
        let output = call("list_customer_orders", input, shop()).unwrap();
        let names: Vec<&str> =
            output["orders"].as_array().unwrap().iter().filter_map(|order| order["order"].as_str()).collect();
        assert_eq!(names, ["#1002", "#1001"]);
    }
    assert_eq!(
        call("list_customer_orders", json!({"email": "no@example.com"}), shop()).unwrap(),
        json!({"orders": []})
    );
}

#[test]
fn a_cancelled_order_says_so() {
    let output = call("find_order", json!({"number": "1003"}), shop()).unwrap();
    assert_eq!(output["orders"][0]["state"], "cancelled");
}

#[test]
fn products_tell_price_and_stock() {
    let output = call("search_products", json!({"query": "jacket"}), shop()).unwrap();
    assert_eq!(
        (&output["products"][0]["title"], &output["products"][0]["in_stock"]),
        (&json!("Rain jacket"), &json!(false))
    );
}

#[test]
fn errors_of_the_service_have_kinds() {
    let kind = |status: u16, body: Value| {
        let response = Response { status, headers: vec![], body: body.to_string().into_bytes(), truncated: false };
        api::data(&response).unwrap_err().kind
    };
    let coded = |code: &str| json!({"errors": [{"message": "m", "extensions": {"code": code}}]});
    assert_eq!(kind(200, coded("THROTTLED")), FaultKind::RateLimited);
    assert_eq!(kind(200, coded("ACCESS_DENIED")), FaultKind::NeedsAuth);
    assert_eq!(kind(200, coded("OTHER")), FaultKind::Upstream);
    assert_eq!(kind(401, json!({})), FaultKind::NeedsAuth);
    assert_eq!(kind(429, json!({})), FaultKind::RateLimited);
    assert_eq!(kind(503, json!({})), FaultKind::Upstream);
}
