//! How results of tools are shown.

use super::*;

#[test]
fn a_result_is_shown_as_text_with_its_number() {
    let mut request = request("Where is my order #1001?");
    let order = json!({
        "name": "#1001", "financial_status": "PAID", "fulfillmentStatus": "IN_TRANSIT", "cancelled": false, "note": null,
        "total": {"amount": "59.90", "currency": "EUR"}, "tags": ["vip", "gift"],
        "line_items": [{"title": "Hoodie", "quantity": 1}, {"title": "Cap <L>", "quantity": 2}],
    });
    let json = order.to_string().replace('<', "\\u003c");
    let fenced = format!(
        "<tool_result tool=\"call_connector\" n=\"4\" connection=\"shopify\" action=\"find_order\" title=\"Our shop: \
         Find an order\">{json}</tool_result>"
    );
    result(&mut request, "call_connector", &fenced);
    let text = said(&request);
    assert!(text.starts_with("From Our shop: Find an order [4]:\n\n"), "{text}");
    for line in [
        "- Name: #1001",
        "- Financial Status: PAID",
        "- Fulfillment Status: IN_TRANSIT",
        "- Cancelled: no",
        "- Total: 59.90 EUR",
        "- Tags: vip, gift",
        "  - Quantity: 2; Title: Cap <L>",
    ] {
        let sorted = |text: &str| {
            let mut parts: Vec<String> = text.trim_start_matches([' ', '-']).split("; ").map(str::to_owned).collect();
            parts.sort();
            parts
        };
        assert!(text.lines().any(|have| sorted(have) == sorted(line)), "{line} in {text}");
    }
    assert!(!text.contains("Note"), "{text}");
}

#[test]
fn results_are_bounded_and_may_be_odd() {
    let mut many = request("x");
    let items: Vec<Value> =
        (0..500).map(|n| json!({"n": n, "inner": {"a": [{"b": {"c": {"d": {"e": 1}}}}]}})).collect();
    result(&mut many, "call_connector", &json!({"items": items}).to_string());
    let text = said(&many);
    assert!(text.contains("… and 495 more") && text.len() < 4000, "{text}");

    for (content, expected) in [
        ("<tool_result n=\"2\">{\"a\": [1, 2</tool_result>", "Nothing came back that I can show [2]."),
        (
            "<tool_result n=\"2\">{\"a\": [[1, 2], [3]]}\n(cut by the host: 7 of 9 bytes)</tool_result>",
            "From Call Connector [2]:\n\n- A:\n  - 1, 2\n  - 3\n\nThis may not be all of it.",
        ),
        ("<tool_result n='x'>[]</tool_result>", "Call Connector found nothing."),
        (
            "<tool_result n=\"2\">{\"a\": 1}\n(note: sample data of the connector's sandbox: it is nobody's own; say so)</tool_result>",
            "From Call Connector [2]:\n\n- A: 1",
        ),
        ("<tool_result>", "Nothing came back that I can show."),
        ("{\"error\":\"not_found\",\"message\":\"no order #9.\"}", "I looked, and found nothing that matches."),
        (
            "{\"error\":\"not_found\",\"done\":\"no\",\"message\":\"this failed and was not done: no order #9.\"}",
            "This was not done: what it is about was not found.",
        ),
        (
            "{\"error\":\"upstream\",\"done\":\"unknown\",\"message\":\"\"}",
            "This failed, and I can't tell whether it was done all the same; please have it checked before it is tried \
             again.",
        ),
        (
            "<tool_result>{\"error\":\"busy\",\"message\":\"\"}</tool_result>",
            "The service is too busy right now; please try again later.",
        ),
    ] {
        let mut odd = request("x");
        result(&mut odd, "call_connector", content);
        assert_eq!(said(&odd), expected, "{content}");
    }
}

#[test]
fn what_a_person_declined_is_left() {
    let mut request = request("no");
    let content =
        r#"<tool_result tool="call_connector">{"error":"declined","message":"the customer said no"}</tool_result>"#;
    result(&mut request, "call_connector", content);
    assert_eq!(said(&request), "All right, I left it as it is.");
}
