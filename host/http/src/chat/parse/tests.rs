//! Bodies as clients send them, right and wrong.

use serde_json::json;

use super::*;

fn mistakes(body: Value) -> Vec<String> {
    let problem = chat_body(body).unwrap_err().to_json();
    assert_eq!(problem["status"], 422);
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| format!("{}: {}", error["path"].as_str().unwrap(), error["message"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_three_shapes_of_a_message_mean_the_same() {
    let shapes = [
        json!({"role": "user", "content": "hi there"}),
        json!({"role": "user", "content": [{"type": "text", "text": "hi "}, {"type": "text", "text": "there"}]}),
        json!({"role": "user", "parts": [{"type": "step-start"}, {"type": "text", "text": "hi there", "state": "done"}], "metadata": {}}),
    ];
    for shape in shapes {
        let body =
            chat_body(json!({"messages": [shape], "trigger": "submit-message", "conversationId": null})).unwrap();
        assert_eq!(body.messages, [ClientMessage { id: None, role: Role::User, text: "hi there".into() }]);
    }
}

#[test]
fn system_messages_are_instructions() {
    let body = chat_body(json!({"messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]}))
    .unwrap();
    assert_eq!(body.system, ["Be brief."]);
    assert_eq!(body.messages.len(), 1);
}

#[test]
fn every_mistake_is_named() {
    let found = mistakes(json!({"conversationId": 5, "messages": [
        {"role": "robot", "content": "x"}, {"content": 4}, 7, {"role": "user", "content": [{"type": "image_url"}]}]}));
    assert_eq!(found.len(), 6, "{found:#?}");
    assert!(found[0].starts_with("conversationId: a text is expected, not a number"));
    assert!(found[1].starts_with("messages[0].role: `robot` is none of"));
    assert!(found[5].starts_with("messages[3].content[0].type"));
}

#[test]
fn empty_and_enormous_histories() {
    assert!(mistakes(json!({"messages": []}))[0].contains("at least one"));
    assert!(mistakes(json!({}))[0].contains("missing"));
    assert!(mistakes(json!({"messages": "hi"}))[0].contains("a list"));
    assert!(mistakes(json!({"messages": [{"role": "user", "content": " "}]}))[0].contains("empty"));
    assert!(mistakes(json!({"messages": [{"role": "assistant", "content": "a"}]}))[0].contains("must be the user's"));
    let many: Vec<_> = (0..1_001).map(|_| json!({"role": "user", "content": "x"})).collect();
    assert!(mistakes(json!({"messages": many}))[0].contains("at most 1000"));
    assert!(chat_body(json!([])).is_err());
}

#[test]
fn a_person_s_verdicts_come_in_the_last_message_only() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let answered = |approval: Value| {
        json!({"role": "assistant", "parts": [{"type": "dynamic-tool", "toolName": "call_connector", "toolCallId": "c",
            "state": "approval-responded", "input": {}, "approval": approval}]})
    };
    let body = chat_body(json!({"messages": [answered(json!({"id": id, "approved": true}))]})).unwrap();
    assert_eq!(body.verdicts, [(Ok(id.parse().unwrap()), Verdict::Approve)]);
    let no = chat_body(json!({"messages": [answered(json!({"id": "x", "approved": false, "reason": "too\ndear"}))]}));
    let reason = Some("too dear".to_owned());
    assert_eq!(no.unwrap().verdicts, [(Err("x".to_owned()), Verdict::Decline { reason })]);
    // Whatever else a history says, it says nothing about approvals.
    let approved = answered(json!({"id": id, "approved": true}));
    let later = chat_body(json!({"messages": [approved, {"role": "user", "content": "hi"}]})).unwrap();
    assert!(later.verdicts.is_empty());
    let mut users = approved_by("user", id);
    users["parts"][1] = json!({"type": "text", "text": "hi"});
    assert!(chat_body(json!({"messages": [users]})).unwrap().verdicts.is_empty());
    let wrong = mistakes(json!({"messages": [answered(json!({"id": 5, "approved": true})),
        answered(json!({"id": id, "approved": "yes"}))]}));
    assert_eq!(wrong, ["messages[1].parts[0].approval.approved: true or false is expected"]);
}

fn approved_by(role: &str, id: &str) -> Value {
    json!({"role": role, "parts": [{"type": "dynamic-tool", "state": "approval-responded",
        "approval": {"id": id, "approved": true}}, {}]})
}

#[test]
fn a_fingerprint_is_of_the_meaning() {
    let read = |body| chat_body(body).unwrap().fingerprint();
    let plain = read(json!({"messages": [{"role": "user", "content": "hi"}]}));
    assert_eq!(
        plain,
        read(json!({"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}], "extra": 1}))
    );
    assert_ne!(plain, read(json!({"messages": [{"role": "user", "content": "hi"}], "visitorId": "v"})));
    assert_ne!(plain, read(json!({"messages": [{"role": "user", "content": "hi!"}]})));
}
