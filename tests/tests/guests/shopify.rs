//! The Shopify connector.

use std::sync::Arc;

use resly_core::connector::{fault::FaultKind, fixture::Fixtures, outbound::Outbound, sandbox::Outcome};
use resly_manifest::Manifest;
use resly_tests::guest::{GuestCall, Guests, Says};
use serde_json::{Value, json};

use crate::{BRACKETS, nested};

async fn call(guests: &Guests, action: &str, input: Value, outbound: Arc<dyn Outbound>) -> Outcome {
    let settings = json!({"shop": "acme-demo", "verify_email": false});
    guests.call("shopify", GuestCall { action, input, settings, definition: Value::Null, outbound }).await
}

#[tokio::test]
async fn it_answers_from_its_fixtures() {
    let guests = Guests::load().unwrap();
    let manifest: Manifest = toml::from_str(include_str!("../../../plugins/shopify/connector.toml")).unwrap();
    let fixtures = Arc::new(Fixtures::new(Arc::new(manifest)));
    let outcome = call(&guests, "find_order", json!({"number": "#1001"}), fixtures).await;
    let output: Value = serde_json::from_str(&outcome.result.unwrap()).unwrap();
    assert_eq!(output["orders"][0]["shipments"][0]["status"], "in transit");
    assert_eq!(outcome.cost.http_calls, 1);
    assert!(outcome.cost.fuel < 1_000_000, "{}", outcome.cost.fuel);
}

#[tokio::test]
async fn the_deepest_answer_fits_its_stack() {
    // serde_json reads 127 levels: whatever the service sends, a call ends in an answer or a fault and never in a trap.
    let guests = Guests::load().unwrap();
    for (open, close) in BRACKETS {
        let says = |levels| {
            let extra = nested(levels, open, close);
            Arc::new(Says(format!(r#"{{"data":{{"orders":{{"nodes":[]}},"x":{extra}}}}}"#)))
        };
        let by_mail = json!({"email": "a@b.c"});
        let fits = call(&guests, "find_order", by_mail.clone(), says(125)).await;
        assert_eq!(fits.result.unwrap_err().kind, FaultKind::NotFound);
        let deeper = call(&guests, "find_order", by_mail, says(9_000)).await;
        assert_eq!(deeper.result.unwrap_err().kind, FaultKind::Upstream);
    }
}
