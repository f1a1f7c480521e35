//! Which action is called, with which input.

use super::*;

#[test]
fn an_order_number_finds_the_order() {
    for (question, number) in [
        ("Where is my order #1001?", "#1001"),
        ("where's order 1001", "#1001"),
        ("What's the status of order number #1002?", "#1002"),
        ("Order no. 1003 hasn't come yet", "#1003"),
        ("Has my order shipped? It is #1004.", "#1004"),
    ] {
        let expected = ("shopify.find_order".to_owned(), json!({"number": number}));
        assert_eq!(called(question), Some(expected), "{question}");
    }
}

#[test]
fn a_number_of_something_else_is_no_order_number() {
    assert_eq!(called("Do orders over 50 euros ship for free?"), None);
}

#[test]
fn an_email_finds_the_order_too() {
    let expected = ("shopify.find_order".to_owned(), json!({"email": "jo.doe+x@example.com"}));
    assert_eq!(called("Find the order of <jo.doe+x@example.com>, please."), Some(expected));
}

#[test]
fn ids_and_words_are_found_as_their_schema_says() {
    assert_eq!(called("Which plan is account 17 on?"), Some(("crm.get_account".into(), json!({"id": "17"}))));
    let products = called("Search products for \"blue hoodie\"");
    assert_eq!(products, Some(("shopify.search_products".into(), json!({"query": "blue hoodie"}))));
    assert_eq!(called("Do you have products with wool?").unwrap().1, json!({"query": "wool"}));
    let mut request = request("Please show me snowboard products");
    request.passages = vec![passage(1, "Products", "", "Our products are made to last, and repaired for free.")];
    assert_eq!(called_by(&request).unwrap().1, json!({"query": "snowboard"}));
    request.messages = vec![user("Have you got waxed jackets?")];
    request.tools[0].actions[1].description.push_str(" Use it for questions like: have you got, do you sell.");
    assert_eq!(called_by(&request).unwrap().1, json!({"query": "got waxed jackets"}));
}

#[test]
fn an_action_that_writes_needs_a_rule_that_asks_for_it() {
    let asked = called("Please cancel my order 1001, I changed mind");
    assert_eq!(
        asked,
        Some(("shopify.cancel_order".into(), json!({"order_number": "#1001", "reason": "changed_mind"})))
    );
    assert_ne!(
        called("Cancelling order #1001 would be nice").map(|(action, _)| action),
        Some("shopify.cancel_order".into())
    );
}

#[test]
fn a_missing_input_is_asked_for_and_its_answer_understood() {
    let mut request = request("Where is my order?");
    request.passages =
        vec![passage(1, "Shipping", "", "An order ships within two days of the day on which it was paid.")];
    let text = said(&request);
    assert_eq!(text, "To look that up I need the number (for example #1001) or the email.");
    request.messages.push(ModelMessage::Text { role: Role::Assistant, text });
    request.messages.push(user("it's #1001"));
    assert_eq!(called_by(&request), Some(("shopify.find_order".into(), json!({"number": "#1001"}))));
}

#[test]
fn an_input_that_was_asked_for_earlier_is_understood_later() {
    let mut request = request("Where is my order?");
    let asked = said(&request);
    say(&mut request, Role::Assistant, &asked);
    request.passages = docs();
    for between in ["How long do refunds take?", "Thanks!", "Can keys be rotated?"] {
        say(&mut request, Role::User, between);
        let answer = said(&request);
        assert!(
            answer.contains("fourteen days") || !between.contains("refunds"),
            "another topic is answered: {answer}"
        );
        say(&mut request, Role::Assistant, &answer);
    }
    say(&mut request, Role::User, "it's #1001");
    assert_eq!(called_by(&request), Some(("shopify.find_order".into(), json!({"number": "#1001"}))));
    request.messages.pop();
    say(&mut request, Role::User, "How long do refunds take?");
    let answer = said(&request);
    assert!(answer.contains("fourteen days"), "a question of its own is answered as one: {answer}");
}

#[test]
fn a_bare_yes_is_taken_for_what_it_answers() {
    let mut request = request("Where is my order?");
    let asked = said(&request);
    say(&mut request, Role::Assistant, &asked);
    request.passages = vec![passage(1, "Please", "", "Yes, please send a yes or a please to say yes.")];
    for yes in ["yes please", "Yes!", "ok", "ja bitte"] {
        say(&mut request, Role::User, yes);
        assert_eq!(said(&request), asked, "{yes}");
        request.messages.pop();
    }
    let mut request = tests::request("yes please");
    request.passages = vec![passage(1, "Please", "", "Yes, please send a yes or a please to say yes.")];
    assert!(said(&request).starts_with("What would you like to know?"), "{}", said(&request));
}
