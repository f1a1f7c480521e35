//! Gmail and Shopify, connected by OAuth to services that answer as Google's and Shopify's documents say: what is asked
//! of whom, with which permissions, and that an access that has ended is renewed.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use resly_core::member::Role;
use resly_tests::{
    app::TestApp,
    browser::Browser,
    console::ConsoleClient,
    service::{Received, ScriptedService},
};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

const SEND: &str = "/gmail/v1/users/me/messages/send";
const GRAPHQL: &str = "/admin/api/2026-10/graphql.json";
const SHOPIFY_TOKEN: &str = "/admin/oauth/access_token";

async fn installed(app: &TestApp, connector: &str, settings: Value) -> String {
    let new = json!({"connector": connector, "name": connector, "environment": "production", "auth": "oauth2",
        "settings": settings, "credentials": {"client_id": "client-1", "client_secret": "secret-1"}});
    app.admin_post("/api/admin/connections", &new).await["id"].as_str().unwrap().to_owned()
}

/// Lets the app in as a person does, whom the service sends back with what `answer` makes of the state; gives what the
/// service was asked for in the browser, and where the console is.
async fn asked(app: &TestApp, connection: &str, answer: impl Fn(&str) -> String) -> (Url, Url) {
    let started = app.admin_post(&format!("/api/admin/connections/{connection}/oauth/start"), &json!({})).await;
    let mut browser = Browser::new();
    let asked = browser.open(started["authorize_url"].as_str().unwrap()).await.location.unwrap();
    let parameters = parameters(&asked);
    let back = format!("{}?{}", parameters["redirect_uri"], answer(&parameters["state"]));
    assert!(back.starts_with(&app.url("/oauth/callback")), "{back}");
    let page = browser.open(&back).await;
    (asked, page.location.expect(&page.text))
}

/// The same, of an answer that has to be good.
async fn authorize(app: &TestApp, connection: &str, answer: impl Fn(&str) -> String) -> (Url, HashMap<String, String>) {
    let (asked, location) = asked(app, connection, answer).await;
    assert!(location.query().unwrap().contains("oauth=connected&test=passed"), "{location}");
    let parameters = parameters(&asked);
    (asked, parameters)
}

fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// What Shopify sends a person back with; its parameters are in their order.
fn from_shopify(state: &str) -> String {
    format!("code=code-1&shop=acme-demo.myshopify.com&state={state}&timestamp=1796083200")
}

/// The same, signed with the app's secret.
fn signed(query: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(query.as_bytes());
    let hmac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hmac={hmac}&{query}")
}

fn form(request: &Received) -> HashMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn to<'r>(received: &'r [Received], path: &str) -> Vec<&'r Received> {
    received.iter().filter(|request| request.target == path).collect()
}

fn pair<'a>(form: &'a HashMap<String, String>, name: &str) -> &'a str {
    form.get(name).map_or("", String::as_str)
}

async fn act(app: &TestApp, connection: &str, action: &str, input: Value) -> Value {
    app.admin_post(&format!("/api/admin/connections/{connection}/actions/{action}"), &input).await["output"].clone()
}

#[tokio::test]
async fn gmail_asks_for_sending_alone_and_renews_its_access() {
    let google = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["gmail.googleapis.com", "oauth2.googleapis.com"], &google).await;
    let id = installed(&app, "gmail", json!({"from": "Acme <support@acme.example>"})).await;
    let scope = "https://www.googleapis.com/auth/gmail.send";
    let token =
        |access: &str| json!({"access_token": access, "expires_in": 3599, "scope": scope, "token_type": "Bearer"});
    let mut first = token("ya29.first");
    first["refresh_token"] = json!("1//refresh");
    google.answers_once("/token", 200, first);
    let nothing = json!({"error": {"code": 400, "message": "'raw' RFC822 payload message string required",
        "errors": [{"domain": "global", "reason": "invalidArgument", "message": "m"}]}});
    google.answers_once(SEND, 400, nothing);

    let answer = |state: &str| format!("code=code-1&state={state}&iss=https://accounts.google.com");
    let (asked, parameters) = authorize(&app, &id, answer).await;
    assert_eq!((asked.host_str(), asked.path()), (Some("accounts.google.com"), "/o/oauth2/v2/auth"));
    for (name, value) in [
        ("scope", scope),
        ("client_id", "client-1"),
        ("response_type", "code"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(pair(&parameters, name), value, "{name}");
    }
    let received = google.received();
    let exchange = form(to(&received, "/token")[0]);
    assert_eq!((pair(&exchange, "grant_type"), pair(&exchange, "code")), ("authorization_code", "code-1"));
    assert!(pair(&exchange, "code_verifier").len() >= 43);
    assert_eq!(to(&received, SEND)[0].body, b"{}", "the test sent nothing");

    // Google says that the access has ended: it did nothing, so the mail goes again under a new one.
    google.answers_once("/token", 200, token("ya29.second"));
    let ended = json!({"error": {"code": 401, "message": "Invalid Credentials", "errors": [{"reason": "authError"}]}});
    google.answers_once(SEND, 401, ended);
    google.answers_once(SEND, 200, json!({"id": "1f", "threadId": "1e", "labelIds": ["SENT"]}));
    let mail = json!({"to": ["ada@example.com"], "subject": "Größe", "text": "Hello"});
    assert_eq!(act(&app, &id, "send_email", mail).await["thread_id"], "1e");
    let received = google.received();
    let sent = to(&received, SEND);
    let bearers: Vec<&str> = sent[1..].iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(bearers, ["Bearer ya29.first", "Bearer ya29.second"]);
    assert_eq!(sent[1].body, sent[2].body, "it is the same mail, with the same Message-ID");
    let renewal = form(to(&received, "/token")[1]);
    assert_eq!((pair(&renewal, "grant_type"), pair(&renewal, "refresh_token")), ("refresh_token", "1//refresh"));

    // Disconnecting tells Google.
    google.answers("/revoke", 200, json!({}));
    let gone = app.send_as(&app.admin, "DELETE", &format!("/api/admin/connections/{id}")).await;
    assert!(gone.status().is_success());
    let revoked = google.received();
    assert_eq!(pair(&form(to(&revoked, "/revoke")[0]), "token"), "1//refresh");
}

#[tokio::test]
async fn shopify_s_hourly_access_is_renewed() {
    let shopify = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["acme-demo.myshopify.com"], &shopify).await;
    let id = installed(&app, "shopify", json!({"shop": "acme-demo", "verify_email": false})).await;
    let token = |n: u8| {
        json!({"access_token": format!("shpat_access-{n}"), "scope": "read_customers,read_orders,read_products",
            "expires_in": 3600, "refresh_token": format!("shprt_refresh-{n}"), "refresh_token_expires_in": 7776000})
    };
    shopify.answers_once(SHOPIFY_TOKEN, 200, token(1));
    let shop = json!({"name": "Acme", "myshopifyDomain": "acme-demo.myshopify.com", "currencyCode": "EUR"});
    shopify.answers_once(GRAPHQL, 200, json!({"data": {"shop": shop}}));

    let (asked, parameters) = authorize(&app, &id, |state| signed(&from_shopify(state), "secret-1")).await;
    assert_eq!((asked.host_str(), asked.path()), (Some("acme-demo.myshopify.com"), "/admin/oauth/authorize"));
    assert_eq!(pair(&parameters, "scope"), "read_orders,read_products,read_customers");
    let received = shopify.received();
    let exchange = form(to(&received, SHOPIFY_TOKEN)[0]);
    assert_eq!((pair(&exchange, "expiring"), pair(&exchange, "code")), ("1", "code-1"));
    assert_eq!((pair(&exchange, "client_id"), pair(&exchange, "client_secret")), ("client-1", "secret-1"));

    // An hour later.
    shopify.answers_once(SHOPIFY_TOKEN, 200, token(2));
    let ended = json!({"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"});
    shopify.answers_once(GRAPHQL, 401, ended);
    let order = json!({"name": "#7", "email": "ada@example.com", "processedAt": "2026-11-20T09:12:00Z",
        "customer": {"id": "gid://shopify/Customer/207119551001"}, "displayFulfillmentStatus": "UNFULFILLED",
        "totalPriceSet": {"shopMoney": {"amount": "1.00", "currencyCode": "EUR"}},
        "lineItems": {"nodes": [], "pageInfo": {"hasNextPage": false}}, "fulfillments": []});
    let orders = json!({"data": {"orders": {"nodes": [order], "pageInfo": {"hasNextPage": false}}}});
    shopify.answers_once(GRAPHQL, 200, orders);
    let told = act(&app, &id, "list_customer_orders", json!({"customer_id": "207119551001"})).await;
    assert_eq!(told["orders"][0]["order"], "#7");
    let received = shopify.received();
    let keys: Vec<&str> =
        to(&received, GRAPHQL)[1..].iter().map(|request| request.header("x-shopify-access-token").unwrap()).collect();
    assert_eq!(keys, ["shpat_access-1", "shpat_access-2"], "the token goes where Shopify wants it, without a prefix");
    let renewal = form(to(&received, SHOPIFY_TOKEN)[1]);
    assert_eq!((pair(&renewal, "grant_type"), pair(&renewal, "refresh_token")), ("refresh_token", "shprt_refresh-1"));
}

#[tokio::test]
async fn what_shopify_did_not_sign_is_not_its_answer() {
    let shopify = ScriptedService::start().await.unwrap();
    let app = TestApp::in_place_of(&["acme-demo.myshopify.com"], &shopify).await;
    let id = installed(&app, "shopify", json!({"shop": "acme-demo", "verify_email": false})).await;
    for answer in [
        from_shopify as fn(&str) -> String,
        |state| signed(&from_shopify(state), "another-secret"),
        |state| format!("{}&extra=1", signed(&from_shopify(state), "secret-1")),
        |state| format!("hmac=00&{}", from_shopify(state)),
    ] {
        let (_, location) = asked(&app, &id, answer).await;
        assert!(location.query().unwrap().ends_with("oauth=failed&reason=signature"), "{location}");
    }
    let mut console = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let page = console.page(&format!("/console/connections/{id}?oauth=failed&reason=signature")).await;
    assert!(page.contains("not signed with the app's secret"), "{page}");
    let view: Value =
        app.send_as(&app.admin, "GET", &format!("/api/admin/connections/{id}")).await.json().await.unwrap();
    assert_eq!((&view["authorized"], shopify.received().len()), (&json!(false), 0), "nobody was asked for tokens");
}
