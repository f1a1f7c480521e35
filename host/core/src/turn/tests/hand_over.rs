//! Hand-over within a turn: by the model's tool, by a rule, and by a person who takes over while it is written.

use std::sync::atomic::Ordering;

use serde_json::json;
use uuid::Uuid;

use super::{
    call, events,
    fakes::{Harness, ScriptStep},
    finish, text,
};
use crate::{
    conversation::{
        MessageStatus,
        handover::{ConversationState, HandoverSource, TAKEN_OVER},
    },
    id::WorkflowId,
    model::FinishReason,
    time::Timestamp,
    turn::{Delivery, live::TurnEvent},
    workflow::{HAND_OVER, Workflow},
};

/// With a rule that hands over what has this word.
fn with_rule(trigger: &str, rounds: Vec<Vec<ScriptStep>>) -> Harness {
    let harness = Harness::new(rounds);
    harness.store.workflows.lock().unwrap().push(Workflow {
        id: WorkflowId(Uuid::from_u128(8)),
        name: "People".to_owned(),
        triggers: vec![trigger.to_owned()],
        connection: None,
        action: Some(HAND_OVER.to_owned()),
        instructions: None,
        enabled: true,
        created_at: Timestamp::from_micros(0),
    });
    harness
}

fn ending(events: &[TurnEvent]) -> (MessageStatus, String) {
    match events.last() {
        Some(TurnEvent::Finished(ending)) => (ending.status, ending.text.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_model_hands_over_by_its_tool_and_ends_its_answer() {
    let rounds = vec![
        vec![call(HAND_OVER, json!({"summary": "Wants a refund."})), finish(FinishReason::ToolCalls)],
        vec![text("A colleague takes over."), finish(FinishReason::Stop)],
    ];
    let harness = with_rule("lawyer", rounds);
    let events = events(&harness, Delivery::Events).await;
    assert_eq!(ending(&events), (MessageStatus::HandedOver, "A colleague takes over.".to_owned()));
    let asked = harness.store.handed_over.lock().unwrap().pop().unwrap();
    assert_eq!((asked.by, asked.summary.as_deref()), (HandoverSource::Model, Some("Wants a refund.")));
    assert_eq!(asked.answer, Some(harness.store.finished().answer), "its own answer isn't cut off");
    let told = format!("{:?}", harness.model.asked().pop().unwrap().messages);
    assert!(told.contains("waiting"), "{told}");
}

#[tokio::test]
async fn the_tool_is_offered_where_a_rule_says_that_people_answer() {
    let offered = |harness: &Harness| {
        let asked = harness.model.asked().pop().unwrap();
        asked.tools.iter().any(|tool| tool.name == HAND_OVER)
    };
    let answer = || vec![vec![text("Yes."), finish(FinishReason::Stop)]];
    let (none, some) = (Harness::new(answer()), with_rule("lawyer", answer()));
    for harness in [&none, &some] {
        assert_eq!(ending(&events(harness, Delivery::Events).await).0, MessageStatus::Complete);
    }
    assert!(!offered(&none) && offered(&some));
}

#[tokio::test]
async fn a_rule_hands_over_without_the_model() {
    let harness = with_rule("WHY", vec![]);
    let events = events(&harness, Delivery::Text).await;
    let notice = ConversationState::Waiting.notice().to_owned();
    assert_eq!(ending(&events), (MessageStatus::HandedOver, notice.clone()));
    assert!(events.contains(&TurnEvent::Text(notice)) && harness.model.asked().is_empty());
    let asked = harness.store.handed_over.lock().unwrap().pop().unwrap();
    assert_eq!((asked.by, asked.summary), (HandoverSource::Rule, None));
    assert_eq!(harness.store.finished().steps, [json!({"tool": HAND_OVER, "ok": true})]);
}

#[tokio::test]
async fn an_answer_that_a_person_cut_off_says_so() {
    for delivery in [Delivery::Events, Delivery::Text, Delivery::Whole] {
        let harness = Harness::new(vec![vec![text("It is"), finish(FinishReason::Stop)]]);
        harness.store.taken_over.store(true, Ordering::Relaxed);
        let events = events(&harness, delivery).await;
        assert_eq!(ending(&events), (MessageStatus::HandedOver, format!("It is\n\n{TAKEN_OVER}")));
        let shown: String = events
            .iter()
            .filter_map(|event| match event {
                TurnEvent::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(shown, format!("It is\n\n{TAKEN_OVER}"), "{delivery:?}");
        assert_eq!(harness.store.finished().content, "It is", "the note isn't the assistant's");
    }
    let failed = Harness::new(vec![vec![text("It "), ScriptStep::End]]);
    failed.store.taken_over.store(true, Ordering::Relaxed);
    assert_eq!(ending(&events(&failed, Delivery::Events).await).0, MessageStatus::HandedOver);
}
