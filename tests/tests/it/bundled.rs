//! The bundled connectors, as an admin meets them: in the catalogue, in the sandbox, and at a service that answers as
//! the vendor's own would.

use resly_tests::{app::TestApp, model::Reply, service::ScriptedService};
use serde_json::{Value, json};

const KEY: &str = "rk_test_canary_51f0c2d9a8";
const SUBSCRIPTION: &str = "/v1/subscriptions/sub_1MowQVLkdIwHu7ixeRlqHVzs";

async fn connection(app: &TestApp, connector: &str, environment: &str, credentials: Value) -> String {
    let settings = if connector == "shopify" { json!({"shop": "acme-demo", "verify_email": false}) } else { json!({}) };
    let body = json!({"connector": connector, "name": connector, "environment": environment, "settings": settings,
        "credentials": credentials});
    app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned()
}

/// An action's output, or the reason in the log why there is none.
async fn act(app: &TestApp, connection: &str, action: &str, input: Value) -> Result<Value, (String, String)> {
    let path = format!("/api/admin/connections/{connection}/actions/{action}");
    let response = app.post_as(&app.admin, &path, &input).await;
    let (good, text) = (response.status().is_success(), response.text().await.unwrap());
    assert!(!text.contains(KEY), "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    if good {
        Ok(body["output"].clone())
    } else {
        Err((app.logs().await[0]["status"].as_str().unwrap().to_owned(), text))
    }
}

fn subscription(cancelled: bool) -> Value {
    json!({"id": "sub_1MowQVLkdIwHu7ixeRlqHVzs", "object": "subscription", "customer": "cus_NffrFeUfNV2Hib",
        "status": "active", "start_date": 1767225600, "trial_end": null, "ended_at": null,
        "cancel_at_period_end": cancelled, "cancel_at": cancelled.then_some(1796083200),
        "canceled_at": cancelled.then_some(1793577600),
        "items": {"object": "list", "has_more": false, "data": [{"current_period_end": 1796083200}]}})
}

fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": message}})
}

#[tokio::test]
async fn the_catalogue_lists_them() {
    let app = TestApp::start().await;
    let listed: Value = app.send_as(&app.admin, "GET", "/api/admin/connectors").await.json().await.unwrap();
    let listed = listed.to_string();
    for id in ["shopify", "stripe", "gmail"] {
        assert!(listed.contains(&format!(r#""id":"{id}""#)), "{id}");
    }
    assert!(listed.contains("https://www.googleapis.com/auth/gmail.send"), "an admin reads what it asks for");
}

#[tokio::test]
async fn gmail_sends_and_replies_in_the_sandbox() {
    let app = TestApp::start().await;
    let id = connection(&app, "gmail", "sandbox", Value::Null).await;
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    let mail = json!({"to": ["Ada <ada@example.com>"], "subject": "Your order", "text": "It is on its way."});
    let sent = act(&app, &id, "send_email", mail.clone()).await.unwrap();
    let mut reply = mail.clone();
    reply["thread_id"] = sent["thread_id"].clone();
    reply["in_reply_to"] = sent["message_id"].clone();
    let replied = act(&app, &id, "reply", reply).await.unwrap();
    assert_eq!(replied["thread_id"], sent["thread_id"]);
    assert_ne!(replied["message_id"], sent["message_id"], "each call's mail is another");
    let mut injected = mail;
    injected["subject"] = json!("x\r\nBcc: eve@example.com");
    assert_eq!(act(&app, &id, "send_email", injected).await.unwrap_err().0, "invalid_input");
}

#[tokio::test]
async fn shopify_lists_a_customer_s_orders_through_a_token_and_through_an_app() {
    let app = TestApp::start().await;
    for auth in ["api_key", "oauth2"] {
        let body = json!({"connector": "shopify", "name": auth, "environment": "sandbox", "auth": auth,
            "settings": {"shop": "acme-demo", "verify_email": false}});
        let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
        let orders = act(&app, &id, "list_customer_orders", json!({"customer_id": "207119551001"})).await.unwrap();
        assert_eq!(orders["orders"][0]["order"], "#1002");
    }
}

#[tokio::test]
async fn a_write_to_stripe_is_sent_again_under_its_key_and_another_call_has_another() {
    let stripe = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["api.stripe.com"], &stripe).await;
    let id = connection(&app, "stripe", "production", json!({"token": KEY})).await;
    stripe.answers_once(SUBSCRIPTION, 503, error("api_error", "", "An error occurred."));
    stripe.answers(SUBSCRIPTION, 200, subscription(true));
    let input = json!({"subscription": "sub_1MowQVLkdIwHu7ixeRlqHVzs", "comment": "too dear & slow"});
    let cancelled = act(&app, &id, "cancel_subscription", input.clone()).await.unwrap();
    assert_eq!((&cancelled["status"], &cancelled["ends"]), (&json!("active"), &json!("2026-12-01T00:00:00Z")));
    assert!(cancelled.get("renews").is_none());
    act(&app, &id, "cancel_subscription", input).await.unwrap();

    let received = stripe.received();
    let [first, again, other] = received.as_slice() else { panic!("{} requests", received.len()) };
    let key = |at: usize| received[at].header("idempotency-key").unwrap().to_owned();
    assert_eq!((first.method.as_str(), first.target.as_str()), ("POST", SUBSCRIPTION));
    assert_eq!((key(0), &first.body), (key(1), &again.body));
    assert_ne!(key(0), key(2));
    assert!(key(0).len() >= 32);
    let form = "cancel_at_period_end=true&cancellation_details%5Bcomment%5D=too%20dear%20%26%20slow";
    assert_eq!(String::from_utf8_lossy(&other.body), form);
    for request in &received {
        assert_eq!(request.header("stripe-version"), Some("2026-10-28.endive"));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    }
}

#[tokio::test]
async fn a_cancelled_subscription_is_kept_and_a_charge_refunded() {
    let stripe = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["api.stripe.com"], &stripe).await;
    let id = connection(&app, "stripe", "production", json!({"token": KEY})).await;
    stripe.answers(SUBSCRIPTION, 200, subscription(false));
    let kept = act(&app, &id, "resume_subscription", json!({"subscription": "sub_1MowQVLkdIwHu7ixeRlqHVzs"})).await;
    assert_eq!(kept.unwrap()["renews"], "2026-12-01T00:00:00Z");
    let refund = json!({"id": "re_1", "object": "refund", "status": "succeeded", "charge": "ch_3Mm", "amount": 500,
        "currency": "eur", "created": 1793577600, "reason": "requested_by_customer"});
    stripe.answers("/v1/refunds", 200, refund);
    let part = json!({"charge": "ch_3Mm", "amount": 500, "reason": "requested_by_customer"});
    assert_eq!(act(&app, &id, "refund_charge", part).await.unwrap()["amount"], "5.00 EUR");
    act(&app, &id, "refund_charge", json!({"charge": "ch_3Mm"})).await.unwrap();
    let sent = |at: usize| String::from_utf8(stripe.received()[at].body.clone()).unwrap();
    assert_eq!(sent(0), "cancel_at_period_end=false");
    assert_eq!(sent(1), "charge=ch_3Mm&amount=500&reason=requested_by_customer");
    assert_eq!(sent(2), "charge=ch_3Mm", "what isn't given isn't sent");
}

#[tokio::test]
async fn a_refund_in_a_chat_is_shown_to_a_person_and_made_once_under_one_key() {
    let stripe = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["api.stripe.com"], &stripe).await;
    let id = connection(&app, "stripe", "production", json!({"token": KEY})).await;
    stripe.answers(
        "/v1/customers",
        200,
        json!({"object": "list", "url": "/v1/customers", "has_more": false, "data": []}),
    );
    app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    let refund = json!({"charge": "ch_3Mm", "amount": 500});
    app.model.says([Reply::connector("stripe", "refund_charge", refund), Reply::text("5 EUR are on their way back.")]);
    let say = async |conversation: &Value, text: &str| {
        app.answer(json!({"conversationId": conversation, "messages": [{"role": "user", "content": text}]})).await
    };
    let asked = say(&Value::Null, "Refund 5 EUR").await;
    let shown = asked["approvals"][0]["text"].as_str().unwrap();
    assert!(shown.contains("Refund a charge") && shown.contains("ch_3Mm") && shown.contains("500"), "{shown}");
    let refunds =
        || stripe.received().into_iter().filter(|request| request.target == "/v1/refunds").collect::<Vec<_>>();
    assert!(refunds().is_empty());

    stripe.answers_once("/v1/refunds", 503, error("api_error", "", "An error occurred."));
    let made = json!({"id": "re_1", "status": "succeeded", "charge": "ch_3Mm", "amount": 500, "currency": "eur", "created": 1793577600});
    stripe.answers("/v1/refunds", 200, made);
    let done = say(&asked["conversationId"], "yes").await;
    assert_eq!(done["content"], "5 EUR are on their way back.");
    app.model.says([Reply::text("You are welcome.")]);
    say(&asked["conversationId"], "yes").await;
    let keys: Vec<_> = refunds().iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys.len(), 2, "the first was answered with 503");
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn stripe_s_writes_can_be_tried_in_the_sandbox() {
    let app = TestApp::start().await;
    let id = connection(&app, "stripe", "sandbox", Value::Null).await;
    let subscription = json!({"subscription": "sub_1MowQVLkdIwHu7ixeRlqHVzs"});
    let cancelled = act(&app, &id, "cancel_subscription", subscription.clone()).await.unwrap();
    assert_eq!(cancelled["ends"], "2026-12-01T00:00:00Z");
    assert_eq!(act(&app, &id, "resume_subscription", subscription).await.unwrap()["renews"], "2026-12-01T00:00:00Z");
    let refund = async |charge: &str| act(&app, &id, "refund_charge", json!({"charge": charge})).await;
    assert_eq!(refund("ch_3MmlLrLkdIwHu7ix0snN0B15").await.unwrap()["amount"], "29.00 EUR");
    assert_eq!(refund("ch_3MmlLrLkdIwHu7ix0snN0B16").await.unwrap_err().0, "invalid_input");
    assert_eq!(refund("ch_gone").await.unwrap_err().0, "not_found");
    let gone = act(&app, &id, "cancel_subscription", json!({"subscription": "sub_gone"})).await;
    assert_eq!(gone.unwrap_err().0, "not_found");
}

#[tokio::test]
async fn stripe_s_errors_have_kinds() {
    let stripe = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["api.stripe.com"], &stripe).await;
    let id = connection(&app, "stripe", "production", json!({"token": KEY})).await;
    let refund = json!({"charge": "ch_3Mm"});
    for (status, kind, code, message, reason) in [
        (400, "invalid_request_error", "charge_already_refunded", "Charge has already been refunded.", "invalid_input"),
        (400, "invalid_request_error", "resource_missing", "No such charge: 'ch_3Mm'", "not_found"),
        (401, "invalid_request_error", "api_key_expired", "Expired API Key provided: rk_test_***", "needs_auth"),
        (402, "card_error", "card_declined", "Your card was declined.", "upstream"),
        (
            403,
            "invalid_request_error",
            "more_permissions_required",
            "Having the 'rak_charge_write' permission would help.",
            "needs_auth",
        ),
        (409, "idempotency_error", "idempotency_key_in_use", "There is another request with this key.", "upstream"),
        (500, "api_error", "", "An error occurred.", "upstream"),
    ] {
        stripe.answers_once("/v1/refunds", status, error(kind, code, message));
        let (found, told) = act(&app, &id, "refund_charge", refund.clone()).await.unwrap_err();
        assert_eq!(found, reason, "{status} {code}: {told}");
        assert!(status == 409 || told.contains(message), "{status}: Stripe's own words are told: {told}");
    }
    // Too many requests are tried again, under the same key, and then told.
    let before = stripe.received().len();
    stripe.answers("/v1/refunds", 429, error("invalid_request_error", "rate_limit", "Too many requests"));
    assert_eq!(act(&app, &id, "refund_charge", refund).await.unwrap_err().0, "rate_limited");
    assert_eq!(stripe.received().len(), before + 3);
    // An id in the path that isn't there is 404, one in the query 400.
    stripe.answers(
        "/v1/customers/cus_gone",
        404,
        error("invalid_request_error", "resource_missing", "No such customer"),
    );
    stripe.answers("/v1/charges", 400, error("invalid_request_error", "resource_missing", "No such customer"));
    for action in ["get_customer", "list_charges"] {
        assert_eq!(
            act(&app, &id, action, json!({"customer": "cus_gone"})).await.unwrap_err().0,
            "not_found",
            "{action}"
        );
    }
}

#[tokio::test]
async fn stripe_s_lists_go_on_after_the_last_one() {
    let stripe = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["api.stripe.com"], &stripe).await;
    let id = connection(&app, "stripe", "production", json!({"token": KEY})).await;
    let charge = |id: &str| {
        json!({"id": id, "status": "succeeded", "created": 1793491200, "amount": 2900, "currency": "eur",
            "amount_refunded": 0, "disputed": false, "description": null, "failure_message": null, "receipt_url": null})
    };
    let page =
        |more: bool, id: &str| json!({"object": "list", "url": "/v1/charges", "has_more": more, "data": [charge(id)]});
    stripe.answers_once("/v1/charges", 200, page(true, "ch_111"));
    stripe.answers_once("/v1/charges", 200, page(false, "ch_222"));
    let first = act(&app, &id, "list_charges", json!({"customer": "cus_abc", "limit": 1})).await.unwrap();
    assert_eq!(first["more"], true, "that there are more is told");
    let last = &first["charges"][0]["id"];
    let next = act(&app, &id, "list_charges", json!({"customer": "cus_abc", "limit": 1, "after": last})).await.unwrap();
    assert_eq!((&next["charges"][0]["id"], &next["more"]), (&json!("ch_222"), &json!(false)));
    let asked: Vec<String> = stripe.received().into_iter().map(|request| request.target).collect();
    assert_eq!(
        asked,
        ["/v1/charges?customer=cus_abc&limit=1", "/v1/charges?customer=cus_abc&limit=1&starting_after=ch_111"]
    );
}
