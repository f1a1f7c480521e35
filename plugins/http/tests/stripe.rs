//! Stripe's mappings with what Stripe may leave out: whatever is absent or null, an answer comes, without a word that is no
//! amount.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use resly_manifest::{Action, Manifest, from_toml};
use resly_plugin_mapping::jq;
use serde_json::{Value, json};

fn stripe() -> Manifest {
    from_toml(include_str!("../../stripe/connector.toml")).into_manifest().unwrap()
}

fn map(action: &Action, body: &Value) -> Result<Value, String> {
    let filter = action.response.as_ref().unwrap()["mapping"].as_str().unwrap();
    let output = jq::apply(filter, body.to_string()).map_err(|failure| failure.message)?;
    Ok(serde_json::from_str(&output).unwrap())
}

/// What the sandbox answers to an action.
fn body(manifest: &Manifest, action: &Action) -> Value {
    let request = action.request.as_ref().unwrap();
    let method = request["method"].as_str().unwrap_or("GET");
    let path = request["url"].as_str().unwrap().replace("https://api.stripe.com", "");
    let begins = path.split("{{").next().unwrap().to_owned();
    let fits = |fixture: &&resly_manifest::Fixture| {
        let (matcher, response) = (&fixture.matcher, &fixture.response);
        let same_path = matcher
            .path
            .as_deref()
            .is_some_and(|path| path == begins || (begins.ends_with('/') && path.starts_with(&begins)));
        matcher.method.as_deref() == Some(method) && same_path && response.status == 200
    };
    let fixture = manifest.fixtures.iter().find(fits).unwrap_or_else(|| panic!("no fixture for {}", action.id));
    serde_json::from_str(fixture.response.text.as_deref().unwrap()).unwrap()
}

/// The JSON Pointers of all members.
fn members(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, member) in object {
                let at = format!("{at}/{name}");
                members(member, &at, found);
                found.push(at);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| members(item, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

fn without(body: &Value, pointer: &str) -> Value {
    let mut body = body.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(name);
    body
}

fn with(body: &Value, pointer: &str, value: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[test]
fn whatever_is_absent_an_answer_comes() {
    let manifest = stripe();
    let mut tried = 0;
    for action in &manifest.actions {
        let body = body(&manifest, action);
        let whole = map(action, &body).unwrap();
        assert!(!whole.to_string().contains("null"), "{}: {whole}", action.id);
        let mut found = Vec::new();
        members(&body, "", &mut found);
        // The list itself is what makes the answer one.
        for pointer in found.iter().filter(|pointer| pointer.as_str() != "/data") {
            for body in [without(&body, pointer), with(&body, pointer, Value::Null)] {
                let output =
                    map(action, &body).unwrap_or_else(|error| panic!("{} without {pointer}: {error}", action.id));
                let told = output.to_string().replace("\"more\":null", "");
                assert!(!told.contains("null"), "{} without {pointer}: {output}", action.id);
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn amounts_are_in_the_currency_s_own_digits() {
    let manifest = stripe();
    let refund = manifest.actions.iter().find(|action| action.id == "refund_charge").unwrap();
    let amount = |amount: Value, currency: Value| {
        let output = map(refund, &json!({"id": "re_1", "amount": amount, "currency": currency})).unwrap();
        output["amount"].as_str().map(str::to_owned)
    };
    for (given, currency, told) in [
        (json!(2900), json!("eur"), Some("29.00 EUR")),
        (json!(5), json!("eur"), Some("0.05 EUR")),
        (json!(0), json!("eur"), Some("0.00 EUR")),
        (json!(-5), json!("usd"), Some("-0.05 USD")),
        (json!(500), json!("jpy"), Some("500 JPY")),
        (json!(0), json!("JPY"), Some("0 JPY")),
        (json!(1230), json!("kwd"), Some("1.230 KWD")),
        (json!(12_345_678_901_234_567_i64), json!("eur"), Some("123456789012345.67 EUR")),
        (Value::Null, json!("eur"), None),
        (Value::Null, Value::Null, None),
        (json!(700), Value::Null, Some("700 in the currency's smallest unit")),
    ] {
        assert_eq!(amount(given.clone(), currency.clone()).as_deref(), told, "{given} {currency}");
    }
}
