//! What the built-in answerer does about requests, from end to end.

mod calls;
mod results;

use futures::StreamExt;
use resly_core::{
    id::{PassageId, SourceId},
    knowledge::Passage,
    model::{ActionSpec, NumberedPassage, ToolSpec},
};
use serde_json::Value;

use super::*;

fn passage(n: u32, title: &str, section: &str, text: &str) -> NumberedPassage {
    let passage = Passage {
        id: PassageId(Default::default()),
        source_id: SourceId(Default::default()),
        title: title.into(),
        section: section.into(),
        url: None,
        text: text.into(),
        score: 0.1,
    };
    NumberedPassage { n, passage }
}

fn docs() -> Vec<NumberedPassage> {
    vec![
        passage(
            1,
            "Handbook",
            "Billing › Refunds",
            "Refunds are paid within fourteen days of the return. The money goes back to the card that was charged. \
             Our offices are closed on Sundays.",
        ),
        passage(
            2,
            "Handbook",
            "Keys",
            "Create a key with one request:\n\n```sh\ncurl -X POST /api/admin/keys\n```\n\nKeys can be rotated.",
        ),
        passage(3, "FAQ", "", "Refunds are paid within fourteen days of the return."),
    ]
}

fn offered(action: &str, title: &str, description: &str, input: Value) -> ActionSpec {
    ActionSpec {
        connection: "shopify".into(),
        action: action.into(),
        title: title.into(),
        description: description.into(),
        input,
        writes: false,
        confirmed: false,
        triggers: vec![],
    }
}

fn actions() -> Vec<ActionSpec> {
    let order = json!({"type": "object", "properties": {
        "number": {"type": "string", "description": "The order's number, such as #1001", "pattern": "^#?[A-Za-z0-9-]{1,30}$"},
        "email": {"type": "string", "format": "email"}},
        "anyOf": [{"required": ["number"]}, {"required": ["email"]}]});
    let products = json!({"type": "object", "properties": {"query": {"type": "string"}, "first": {"type": "integer"}}, "required": ["query"]});
    let account = json!({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]});
    let cancel = json!({"type": "object", "properties": {"order_number": {"type": "string", "pattern": "^#[0-9]+$"},
        "reason": {"type": "string", "enum": ["changed_mind", "too_late", "other"]}}, "required": ["order_number"]});
    let mut crm = offered("get_account", "Look up an account", "Finds a customer's account by its id.", account);
    crm.connection = "crm".into();
    let mut cancel = offered("cancel_order", "Cancel an order", "Cancels an order that has not shipped.", cancel);
    cancel.writes = true;
    cancel.triggers = vec!["Cancel my order".into()];
    vec![
        offered(
            "find_order",
            "Find an order",
            "Finds an order by its number or the customer's e-mail, with its status and shipping.",
            order,
        ),
        offered("search_products", "Search products", "Searches the shop's products by words.", products),
        crm,
        cancel,
    ]
}

fn request(text: &str) -> ModelRequest {
    let tool = |name: &str, actions| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: json!({}),
        actions,
    };
    ModelRequest {
        instructions: String::new(),
        passages: vec![],
        messages: vec![user(text)],
        tools: vec![tool("call_connector", actions()), tool("search_knowledge", vec![]), tool("create_ticket", vec![])],
        max_tokens: 1000,
    }
}

fn user(text: &str) -> ModelMessage {
    ModelMessage::Text { role: Role::User, text: text.into() }
}

fn said(request: &ModelRequest) -> String {
    match reply(request) {
        Reply::Say(text) => text,
        Reply::Call(call) => panic!("it called {call:?}"),
    }
}

/// The action that is called for a question, with its input.
fn called(question: &str) -> Option<(String, Value)> {
    called_by(&request(question))
}

fn called_by(request: &ModelRequest) -> Option<(String, Value)> {
    match reply(request) {
        Reply::Call(call) if call.name == "call_connector" => {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
            Some((
                format!("{}.{}", arguments["connection"].as_str()?, arguments["action"].as_str()?),
                arguments["input"].clone(),
            ))
        }
        _ => None,
    }
}

fn result(request: &mut ModelRequest, name: &str, content: &str) {
    let call = ToolCall { id: "builtin_1".into(), name: name.into(), arguments: "{}".into(), data: Default::default() };
    request.messages.push(ModelMessage::ToolCalls { text: String::new(), calls: vec![call], data: Default::default() });
    request.messages.push(ModelMessage::ToolResult {
        call_id: "builtin_1".into(),
        name: name.into(),
        content: content.into(),
    });
}

#[test]
fn a_question_is_answered_with_the_best_sentences_and_their_numbers() {
    let mut request = request("How long do refunds take?");
    request.passages = docs();
    let text = said(&request);
    assert!(text.contains("From Handbook › Billing › Refunds: “Refunds are paid within fourteen days"), "{text}");
    assert!(text.contains("[1]"), "{text}");
    assert!(!text.contains("Sundays"), "{text}");
    assert!(!text.contains("[3]"), "the same sentence twice: {text}");
}

#[test]
fn what_a_colon_announces_is_quoted_with_it() {
    let mut request = request("How do I create a key?");
    request.passages = docs();
    let text = said(&request);
    assert!(
        text.contains("From Handbook › Keys [2]:\n\nCreate a key with one request:\n```sh\ncurl -X POST"),
        "{text}"
    );
}

#[test]
fn passages_that_do_not_speak_of_it_are_not_quoted() {
    let mut request = request("Do you have a vegetarian menu in Lisbon?");
    request.passages = docs();
    let text = said(&request);
    assert!(text.starts_with(NOTHING) && text.contains("not a language model"), "{text}");
    assert!(text.contains("- Find an order") && !text.contains("Cancel an order"), "{text}");
}

fn say(request: &mut ModelRequest, role: Role, text: &str) {
    request.messages.push(ModelMessage::Text { role, text: text.to_owned() });
}

#[test]
fn questions_off_the_topic_find_nothing_in_any_language() {
    for question in [
        "Wie wird das Wetter morgen in Berlin?",
        "Quel est le meilleur restaurant de Paris pour les enfants ?",
        "¿Quién ganó el partido de fútbol de la semana pasada?",
        "Qual è la capitale della Mongolia e come si chiama il presidente?",
        "Wat is de hoogste berg van de wereld?",
        "Кто написал роман «Война и мир»?",
        "今天天气怎么样？",
        "今日の東京の天気はどうですか。",
        "วันนี้อากาศเป็นอย่างไรบ้าง",
        "Bugün hava nasıl olacak?",
        "Ποιος είναι ο καιρός σήμερα στην Αθήνα;",
        "What is the tallest mountain in the world?",
    ] {
        let mut request = request(question);
        request.passages = docs();
        request.passages.push(passage(
            4,
            "Versand",
            "",
            "Wir versenden in die ganze Welt. Das Paket ist in drei Tagen bei Ihnen, und wie es dorthin kommt, sehen Sie \
             morgen in der App.",
        ));
        request.passages.push(passage(5, "退款", "", "您可以在十四天内申请退款，款项会怎么样退回到您的卡上。"));
        request.passages.push(passage(6, "คืนเงิน", "", "คุณสามารถขอคืนเงินได้ภายในสิบสี่วัน และเงินจะคืนเข้าบัตรของคุณ"));
        assert!(said(&request).starts_with(NOTHING), "{question}: {}", said(&request));
    }
}

#[test]
fn questions_in_other_languages_are_answered_from_documents_in_them() {
    let documents = [
        ("Wie lange dauert der Versand?", "Versand", "Der Versand dauert drei Tage."),
        ("怎么申请退款？", "退款", "您可以在十四天内申请退款。"),
        ("ขอคืนเงินได้ไหม", "คืนเงิน", "คุณสามารถขอคืนเงินได้ภายในสิบสี่วัน"),
        ("¿Cuánto tarda el envío?", "Envíos", "El envío tarda tres días."),
    ];
    for (question, title, text) in documents {
        let mut request = request(question);
        request.passages = vec![passage(1, title, "", text)];
        assert!(said(&request).contains("[1]"), "{question}: {}", said(&request));
    }
}

#[test]
fn a_part_of_a_setting_s_name_is_not_what_a_sentence_is_about() {
    let mut request = request("What is Resly?");
    request.passages = vec![
        passage(1, "Start", "", "Resly is a server that answers customers."),
        passage(2, "Models", "", "`RESLY_MODEL_URL` includes `/v1`. Set `RESLY_MODEL` to its name."),
    ];
    let text = said(&request);
    assert!(text.contains("a server that answers") && !text.contains("RESLY_"), "{text}");
    request.messages = vec![user("What does RESLY_MODEL_URL include?")];
    assert!(said(&request).contains("includes `/v1`"), "{}", said(&request));
}

#[test]
fn a_question_about_how_is_for_the_documents() {
    let mut request = request("How do I get a refund for an order?");
    request.passages = docs();
    assert!(said(&request).contains("[1]"));
}

#[test]
fn a_ticket_says_what_it_leaves_out() {
    let mut request = request(&"I told you so. ".repeat(900));
    request.messages.push(user(&format!("I want to talk to a person {}", "now ".repeat(60))));
    let Reply::Call(call) = reply(&request) else { panic!("no ticket") };
    let ticket: Value = serde_json::from_str(&call.arguments).unwrap();
    assert!(ticket["subject"].as_str().unwrap().ends_with('…'), "{ticket}");
    let body = ticket["body"].as_str().unwrap();
    assert!(body.starts_with("(what was said before is cut)") && body.ends_with("now"), "{body}");
}

#[test]
fn a_person_is_a_ticket_away() {
    let Reply::Call(call) = reply(&request("I want to talk to a human being!")) else { panic!() };
    assert_eq!(call.name, "create_ticket");
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
    assert_eq!(
        arguments,
        json!({"subject": "I want to talk to a human being!", "body": "I want to talk to a human being!"})
    );
    let mut request = request("I want to talk to a person");
    result(
        &mut request,
        "create_ticket",
        r#"<tool_result tool="create_ticket">{"status":"open","ticket_id":"t-1"}</tool_result>"#,
    );
    assert_eq!(said(&request), "I've opened a ticket for a person to take over. Its number is t-1.");
}

#[test]
fn greetings_and_questions_about_itself_are_answered_honestly() {
    assert!(said(&request("Hello!")).starts_with("Hello! I'm this site's built-in assistant"));
    assert!(said(&request("Are you a bot?")).starts_with(WHO));
    assert!(said(&request("")).contains("not a language model"));
}

#[tokio::test]
async fn it_streams_words_and_an_end_and_is_the_same_every_time() {
    let mut request = request("How long do refunds take?");
    request.passages = docs();
    let model = Builtin::new();
    let first: Vec<_> = model.stream(Arc::new(request.clone())).await.unwrap().map(Result::unwrap).collect().await;
    let again: Vec<_> = model.stream(Arc::new(request.clone())).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(first, again);
    assert!(first.len() > 5);
    assert!(matches!(first.last(), Some(ModelEvent::Finish(FinishReason::Stop))));
    let text: String =
        first.iter().map(|event| if let ModelEvent::Text(text) = event { text.as_str() } else { "" }).collect();
    assert_eq!(text, said(&request));
}

/// Whatever is asked, it answers.
#[test]
fn strange_questions_do_no_harm() {
    for text in [
        "#",
        "?!?",
        "@",
        "\"",
        "“",
        "order order order number number",
        "İİİ ẞ 1️⃣ 字字字",
        "a@b",
        "```",
        "order #",
        "%00",
    ] {
        let mut strange = request(text);
        strange.passages =
            vec![passage(1, "", "", text), passage(2, "```", "#", "```\ncode"), passage(3, "x", "", "\n```")];
        let _ = reply(&strange);
    }
    let mut odd = request("Where is my order #1001?");
    for schema in [
        json!(null),
        json!([]),
        json!({"properties": []}),
        json!({"type": "object", "required": "x"}),
        json!({"pattern": "("}),
    ] {
        odd.tools[0].actions[0].input = schema;
        let _ = reply(&odd);
    }
}
