//! The runner of declarative connectors.

use std::sync::Arc;

use resly_core::connector::{fault::FaultKind, sandbox::Outcome};
use resly_tests::guest::{GuestCall, Guests, Says};
use serde_json::{Value, json};

use crate::{BRACKETS, nested};

async fn call(guests: &Guests, definition: Value, input: Value, answer: String) -> Outcome {
    let outbound = Arc::new(Says(answer));
    guests.call("http", GuestCall { action: "a", input, settings: json!({}), definition, outbound }).await
}

fn parsed(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.result.unwrap()).unwrap()
}

#[tokio::test]
async fn a_response_is_mapped_within_the_sandbox() {
    let guests = Guests::load().unwrap();
    let definition = json!({
        "request": {"url": "https://a.example/{{ input.id }}"},
        "response": {"mapping": "{total: ([.lines[].cents] | add)}"},
    });
    let answer = json!({"lines": [{"cents": 5}, {"cents": 7}]}).to_string();
    let outcome = call(&guests, definition, json!({"id": "7"}), answer).await;
    assert_eq!(parsed(outcome), json!({"total": 12}));
}

#[tokio::test]
async fn the_deepest_answer_and_input_fit_its_stack() {
    let guests = Guests::load().unwrap();
    let plain = json!({"request": {"url": "https://a.example/"}});
    let body = json!({"request": {"method": "POST", "url": "https://a.example/", "body": {"all": "{{ input.x }}"}}});
    for (open, close) in BRACKETS {
        let deepest = nested(126, open, close);
        let outcome = call(&guests, plain.clone(), json!({}), deepest.clone()).await;
        assert_eq!(outcome.result.unwrap(), deepest);
        let deeper = call(&guests, plain.clone(), json!({}), nested(9_000, open, close)).await;
        assert_ne!(deeper.result.err().map(|fault| fault.kind), Some(FaultKind::Trap));
        for levels in [40, 60, 100, 120] {
            let input: Value = serde_json::from_str(&nested(levels, open, close)).unwrap();
            let outcome = call(&guests, body.clone(), json!({"x": input}), "{}".to_owned()).await;
            assert_ne!(outcome.result.err().map(|fault| fault.kind), Some(FaultKind::Trap), "{levels} {open}");
        }
    }
}

#[tokio::test]
async fn the_deepest_template_fits_its_stack() {
    let guests = Guests::load().unwrap();
    let shapes: [fn(usize) -> String; 5] = [
        |n| format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        |n| format!("{}1{}", "[".repeat(n), "]".repeat(n)),
        |n| format!("{}1", "not ".repeat(n)),
        |n| vec!["1"; n].join(" + "),
        |n| format!("input{}", ".a".repeat(n)),
    ];
    for shape in shapes {
        for levels in [10, 50, 120, 2_000] {
            let url = format!("https://a.example/{{{{ {} }}}}", shape(levels));
            let outcome = call(&guests, json!({"request": {"url": url}}), json!({}), "{}".to_owned()).await;
            assert_ne!(outcome.result.err().map(|fault| fault.kind), Some(FaultKind::Trap), "{url:.80} {levels}");
        }
    }
}
