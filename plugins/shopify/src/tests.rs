//! The connector on its own fixtures, without a sandbox.

use std::{cell::RefCell, sync::Arc};

use resly_core::connector::fixture;
use resly_manifest::{Auth, AuthType, Manifest, json_schema::Schema};
use resly_sdk::{Call, FaultKind, Result, http::Response};
use serde_json::{Value, json};

use super::{api, run};

fn shopify() -> Manifest {
    toml::from_str(include_str!("../connector.toml")).unwrap()
}

/// Runs an action against the manifest's fixtures.
fn call(action: &str, input: Value, settings: Value) -> Result<Value> {
    let fixtures = fixture::Fixtures::new(Arc::new(shopify()));
    run(&Call::for_test(action, &input, &settings), &|query, variables| {
        let body = query.body(&variables).to_string();
        let address = format!("https://acme-demo.myshopify.com/admin/api/{}/graphql.json", api::VERSION);
        let answer = fixtures.answer("POST", &address, body.as_bytes()).expect("a fixture for every query");
        api::data(&Response { status: answer.status, body: answer.body.to_vec(), ..Response::default() })
    })
}

/// Runs an action against one answer to everything, and gives the variables that were asked with.
fn answered(action: &str, input: Value, data: Value) -> (Result<Value>, Vec<Value>) {
    let asked: RefCell<Vec<Value>> = RefCell::default();
    let output = run(&Call::for_test(action, &input, &shop()), &|_, variables| {
        asked.borrow_mut().push(variables);
        Ok(data.clone())
    });
    (output, asked.into_inner())
}

fn shop() -> Value {
    json!({"shop": "acme-demo", "verify_email": false})
}

fn names(output: &Value) -> Vec<&str> {
    output["orders"].as_array().unwrap().iter().filter_map(|order| order["order"].as_str()).collect()
}

#[test]
fn the_manifest_has_no_mistakes() {
    assert_eq!(resly_manifest::check(&shopify()), []);
}

#[test]
fn a_store_lets_in_a_token_or_an_app() {
    let manifest = shopify();
    let ways: Vec<AuthType> = manifest.auths().map(Auth::kind).collect();
    assert_eq!(ways, [AuthType::ApiKey, AuthType::Oauth2]);
    let (Auth::ApiKey { name, prefix, .. }, Some(Auth::Oauth2(oauth))) =
        (&manifest.auth, manifest.auth_of(Some(AuthType::Oauth2)))
    else {
        panic!("the usual way is a token")
    };
    assert_eq!((name, prefix), (&oauth.header, &oauth.prefix), "either goes into the same header");
    assert_eq!(oauth.scopes.join(&oauth.scope_separator), "read_orders,read_products,read_customers");
    assert!(oauth.scopes.iter().all(|scope| scope.starts_with("read_")));
}

#[test]
fn the_fixtures_are_of_the_version_that_is_asked() {
    let path = format!("/admin/api/{}/graphql.json", api::VERSION);
    for fixture in shopify().fixtures {
        assert_eq!(fixture.matcher.path.as_ref(), Some(&path));
    }
}

#[test]
fn outputs_are_what_the_manifest_says() {
    for (action, input) in [
        ("find_order", json!({"number": "#1001"})),
        ("find_order", json!({"number": "#1003"})),
        ("list_customer_orders", json!({"email": "ada@example.com"})),
        ("search_products", json!({"query": "boots"})),
        ("get_shop", json!({})),
    ] {
        let manifest = shopify();
        let declared = manifest.action(action).unwrap();
        assert!(Schema::new(&declared.input).unwrap().check(&input).is_ok());
        let output = call(action, input, shop()).unwrap();
        let schema = Schema::new(declared.output.as_ref().unwrap()).unwrap();
        assert!(schema.check(&output).is_ok(), "{action}: {output}");
        assert!(!output.to_string().contains("null"), "what isn't known is left out: {output}");
    }
}

#[test]
fn an_order_is_found_by_its_number_however_it_is_written() {
    for number in ["#1001", "1001", " # 1001 "] {
        let output = call("find_order", json!({"number": number}), shop()).unwrap();
        let order = &output["orders"][0];
        assert_eq!((&order["order"], &order["shipments"][0]["status"]), (&json!("#1001"), &json!("in transit")));
        assert_eq!(order["shipments"][0]["tracking"][0]["number"], "JD014600003");
    }
}

#[test]
fn a_shop_may_number_its_orders_in_its_own_way() {
    let found = json!({"orders": {"nodes": [{"name": "EN1001"}, {"name": "EN10010"}]}});
    let (output, asked) = answered("find_order", json!({"number": "en1001"}), found);
    assert_eq!(names(&output.unwrap()), ["EN1001"]);
    assert_eq!(asked[0]["query"], r##"(name:"#EN1001" OR name:"EN1001")"##);
}

#[test]
fn number_and_address_must_both_match() {
    let both = |email: &str| call("find_order", json!({"number": "#1001", "email": email}), shop());
    assert_eq!(names(&both("Ada@Example.com").unwrap()), ["#1001"]);
    assert_eq!(both("grace@example.com").unwrap_err().kind, FaultKind::NotFound);
    let unknown = call("find_order", json!({"number": "#9999", "email": "ada@example.com"}), shop()).unwrap_err();
    assert_eq!(unknown.message, "there is no order with #9999 and ada@example.com; check what was given");
}

#[test]
fn a_shop_may_ask_for_the_address() {
    let settings = json!({"shop": "acme-demo"});
    for (action, input) in [
        ("find_order", json!({"number": "#1001"})),
        ("find_order", json!({"email": "ada@example.com"})),
        ("list_customer_orders", json!({"email": "ada@example.com"})),
    ] {
        assert_eq!(call(action, input, settings.clone()).unwrap_err().kind, FaultKind::InvalidInput, "{action}");
    }
    assert!(call("find_order", json!({"number": "#1001", "email": "ada@example.com"}), settings).is_ok());
}

#[test]
fn a_customer_cannot_widen_the_search() {
    let hostile = r#"1001" OR name:*"#;
    assert_eq!(call("find_order", json!({"number": hostile}), shop()).unwrap_err().kind, FaultKind::NotFound);
    // Nor would it matter: what the service finds is checked.
    let everything = json!({"orders": {"nodes": [{"name": "#1001", "email": "ada@example.com"}, {"name": "#1002"}]}});
    for input in [json!({"number": hostile}), json!({"email": r#"x@y.z" OR email:*"#})] {
        let (output, asked) = answered("find_order", input, everything.clone());
        assert_eq!(output.unwrap_err().kind, FaultKind::NotFound);
        let query = asked[0]["query"].as_str().unwrap();
        assert!(query.to_uppercase().contains(r#"\" OR "#), "{query}");
    }
}

#[test]
fn a_customer_s_orders_come_newest_first() {
    for input in [
        json!({"email": "ada@example.com"}),
        json!({"customer_id": "207119551001"}),
        json!({"customer_id": "gid://shopify/Customer/207119551001", "email": "ADA@example.com"}),
    ] {
        assert_eq!(names(&call("list_customer_orders", input, shop()).unwrap()), ["#1002", "#1001"]);
    }
    let nobody = call("list_customer_orders", json!({"email": "no@example.com"}), shop()).unwrap();
    assert_eq!(nobody, json!({"orders": []}));
    let another = json!({"customer_id": "207119551001", "email": "grace@example.com"});
    assert_eq!(call("list_customer_orders", another, shop()).unwrap(), json!({"orders": []}));
}

#[test]
fn a_list_is_bounded_and_says_when_there_is_more() {
    let data = json!({"orders": {"nodes": [], "pageInfo": {"hasNextPage": true}}});
    let (output, asked) = answered("list_customer_orders", json!({"email": "a@b.c", "limit": 200}), data);
    assert_eq!(output.unwrap(), json!({"orders": [], "more": true}));
    assert_eq!((&asked[0]["first"], &asked[0]["withCustomer"]), (&json!(20), &json!(false)));
}

#[test]
fn a_cancelled_order_says_so() {
    let output = call("find_order", json!({"number": "1003"}), shop()).unwrap();
    let order = &output["orders"][0];
    assert_eq!((&order["state"], &order["refunded"]["amount"]), (&json!("cancelled"), &json!("240.00")));
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
fn products_match_every_word_or_else_some() {
    let (output, asked) =
        answered("search_products", json!({"query": "Red boots", "limit": 3}), json!({"products": {"nodes": []}}));
    assert_eq!(output.unwrap(), json!({"products": []}));
    let asked: Vec<&Value> = asked.iter().map(|variables| &variables["query"]).collect();
    let on_sale = "status:active AND published_status:published";
    assert_eq!(asked, [&format!("(red* AND boots*) AND {on_sale}"), &format!("(red* OR boots*) AND {on_sale}")]);
}

#[test]
fn a_product_that_the_store_does_not_show_is_not_told() {
    let data = json!({"products": {"nodes": [{"title": "Secret", "onlineStoreUrl": null}]}});
    assert_eq!(answered("search_products", json!({"query": "secret"}), data).0.unwrap(), json!({"products": []}));
}

#[test]
fn errors_of_the_service_have_kinds() {
    let fault = |status: u16, body: Value| {
        let response = Response { status, body: body.to_string().into_bytes(), ..Response::default() };
        api::data(&response).unwrap_err()
    };
    let kind = |status, body| fault(status, body).kind;
    let coded = |code: &str| json!({"data": {}, "errors": [{"message": "m", "extensions": {"code": code}}]});
    assert_eq!(kind(200, coded("THROTTLED")), FaultKind::RateLimited);
    assert_eq!(kind(200, coded("MAX_COST_EXCEEDED")), FaultKind::InvalidInput);
    let mut throttled = coded("THROTTLED");
    throttled["extensions"]["cost"] = json!({"requestedQueryCost": 302, "actualQueryCost": null,
        "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 118, "restoreRate": 100.0}});
    assert!(fault(200, throttled).message.ends_with("in 2 s"));
    let expired = json!({"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"});
    assert_eq!((kind(401, expired.clone()), kind(200, expired)), (FaultKind::NeedsAuth, FaultKind::NeedsAuth));
    let approval = json!({"errors": "[API] This action requires merchant approval for read_orders scope."});
    assert!(fault(403, approval).message.contains("approval for read_orders"));
    assert_eq!(kind(200, coded("ACCESS_DENIED")), FaultKind::NeedsAuth);
    assert_eq!(kind(200, coded("OTHER")), FaultKind::Upstream);
    assert_eq!(kind(200, json!({"errors": "[API] Invalid request"})), FaultKind::Upstream);
    assert_eq!(kind(200, json!({"data": null})), FaultKind::Upstream);
    for status in [401, 403] {
        assert_eq!(kind(status, json!({})), FaultKind::NeedsAuth);
    }
    for status in [402, 404, 423] {
        let fault = fault(status, json!({}));
        assert_eq!((fault.kind, fault.retryable), (FaultKind::Upstream, false), "{status}");
    }
    assert_eq!(kind(429, json!({})), FaultKind::RateLimited);
    assert!(fault(503, json!({})).retryable);
    let missing = json!({"errors": [{"message": "Access denied for orders field.",
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_orders` access scope."}}]});
    assert!(fault(200, missing).message.contains("read_orders"), "an admin reads which permission is missing");
    let long = json!({"errors": [{"message": "x".repeat(10_000)}]});
    assert!(fault(200, long).message.len() < 400);
}
