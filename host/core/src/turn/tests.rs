//! The turn with fakes: what is released when, what is stored, what is given back.

mod approvals;
mod ends;
mod fakes;
mod hand_over;
mod rounds;
mod tokens;
mod traces;

use std::sync::Arc;

use futures::StreamExt;
use serde_json::json;

use super::{
    Delivery, Start,
    failure::TurnFailure,
    live::{LiveTurn, TurnEvent},
};
use crate::{
    approval::{Approval, round::Round},
    connector::connection::Policy,
    conversation::MessageStatus,
    model::{FinishReason, ModelError, ModelEvent, ModelMessage, ProviderData, ReportedUsage, ToolCall},
    principal::KeyKind,
};
use fakes::{FakeStore, Harness, ScriptStep};

fn text(text: &str) -> ScriptStep {
    ScriptStep::Event(ModelEvent::Text(text.to_owned()))
}

fn finish(reason: FinishReason) -> ScriptStep {
    ScriptStep::Event(ModelEvent::Finish(reason))
}

/// What a provider reports of the tokens that were read and written.
fn reports(input: u64, output: u64) -> ScriptStep {
    let usage = ReportedUsage { input: Some(input), cached_input: None, output: Some(output) };
    ScriptStep::Event(ModelEvent::Usage(usage))
}

fn call(name: &str, arguments: serde_json::Value) -> ScriptStep {
    call_as("c1", name, arguments)
}

fn call_as(id: &str, name: &str, arguments: serde_json::Value) -> ScriptStep {
    ScriptStep::Event(ModelEvent::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_string(),
        data: ProviderData::default(),
    }))
}

fn lookup() -> ScriptStep {
    call("call_connector", json!({"connection": "shop", "action": "find", "input": {"id": "7"}}))
}

async fn events(harness: &Harness, delivery: Delivery) -> Vec<TurnEvent> {
    let Ok(Start::Running(started)) = harness.turns.start(harness.request(delivery).into()).await else {
        panic!("the question was not accepted")
    };
    let events: Vec<TurnEvent> = started.live.follow().collect().await;
    assert_sent_whole(&events);
    events
}

/// Checks that the readers on another host see the same events.
fn assert_sent_whole(events: &[TurnEvent]) {
    for event in events {
        let sent: TurnEvent = serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap();
        // No reader sees the round, so it stays on the host.
        let expected = match event {
            TurnEvent::ApprovalAsked(approval) => {
                TurnEvent::ApprovalAsked(Arc::new(Approval { round: Round::default(), ..(**approval).clone() }))
            }
            event => event.clone(),
        };
        assert_eq!(sent, expected);
    }
}

fn texts(events: &[TurnEvent]) -> Vec<&str> {
    events.iter().filter_map(|e| if let TurnEvent::Text(text) = e { Some(text.as_str()) } else { None }).collect()
}

#[tokio::test]
async fn an_answer_streams_as_it_comes_and_is_stored_before_its_end() {
    let harness =
        Harness::new(vec![vec![text("It is "), text("blue [1]."), reports(3, 2), finish(FinishReason::Stop)]]);
    let events = events(&harness, Delivery::Text).await;
    assert_eq!(texts(&events), ["It is ", "blue [1]."]);
    let Some(TurnEvent::Finished(ending)) = events.last() else { panic!("{events:?}") };
    assert_eq!(ending.text, "It is blue [1].");
    assert_eq!(ending.citations.len(), 1);
    assert_eq!((ending.usage.input, ending.usage.output), (3, 2));
    let stored = harness.store.finished();
    assert_eq!(stored.content, "It is blue [1].");
    assert_eq!((stored.status, stored.refund), (MessageStatus::Complete, false));
    assert_eq!(harness.turns.live.count(), 0);
}

#[tokio::test]
async fn a_tool_call_reaches_the_connector_and_its_result_is_fenced_and_citable() {
    let harness = Harness::with_shop(
        Policy::default(),
        vec![vec![lookup(), finish(FinishReason::ToolCalls)], vec![text("Shipped [2]."), finish(FinishReason::Stop)]],
    );
    let events = events(&harness, Delivery::Events).await;
    let Some(TurnEvent::Finished(ending)) = events.last() else { panic!("{events:?}") };
    assert_eq!(ending.citations.iter().map(|c| c.n).collect::<Vec<_>>(), [2]);
    assert_eq!(harness.sandbox.calls(), [("find".to_owned(), r#"{"id":"7"}"#.to_owned())]);
    let asked = harness.model.asked();
    let Some(ModelMessage::ToolResult { content, .. }) = asked[1].messages.last() else { panic!("no result") };
    assert!(content.starts_with("<tool_result") && content.contains("n=\"2\""), "{content}");
    assert_eq!(harness.store.records(), ["ok"]);
}

#[tokio::test]
async fn prose_before_a_tool_call_is_held_in_text_and_streamed_in_events() {
    let script = || {
        vec![
            vec![text("Let me look."), lookup(), finish(FinishReason::ToolCalls)],
            vec![text("Shipped."), finish(FinishReason::Stop)],
        ]
    };
    let harness = Harness::with_shop(Policy::default(), script());
    let held = events(&harness, Delivery::Text).await;
    assert_eq!(texts(&held), ["Let me look.\n\nShipped."]);
    let at = |wanted: fn(&TurnEvent) -> bool, events: &[TurnEvent]| events.iter().position(wanted);
    let first_text = at(|e| matches!(e, TurnEvent::Text(_)), &held);
    assert!(first_text > at(|e| matches!(e, TurnEvent::ToolFinished { .. }), &held));

    let harness = Harness::with_shop(Policy::default(), script());
    assert_eq!(texts(&events(&harness, Delivery::Events).await)[0], "Let me look.");
}

#[tokio::test]
async fn a_failure_before_the_first_byte_is_given_back_and_one_after_it_is_not() {
    let broken = || ScriptStep::Error(ModelError::InBand { at: "m".to_owned(), detail: "x".to_owned() });
    let cases = [
        (Delivery::Events, vec![broken()], true),
        (Delivery::Events, vec![text("Half"), broken()], false),
        (Delivery::Whole, vec![text("Half"), broken()], true),
        (Delivery::Text, vec![text("Half"), ScriptStep::End], false),
    ];
    for (delivery, script, refund) in cases {
        let harness = Harness::new(vec![script]);
        let events = events(&harness, delivery).await;
        assert!(matches!(events.last(), Some(TurnEvent::Failed(TurnFailure::ModelBroken))), "{events:?}");
        assert_eq!((harness.store.finished().status, harness.store.finished().refund), (MessageStatus::Failed, refund));
    }
}

#[tokio::test]
async fn a_model_that_only_calls_tools_is_stopped() {
    let harness = Harness::with_shop(Policy::default(), vec![vec![lookup(), finish(FinishReason::ToolCalls)]; 20]);
    let events = events(&harness, Delivery::Events).await;
    assert!(matches!(events.last(), Some(TurnEvent::Failed(TurnFailure::ToolLoop))));
    let asked = harness.model.asked();
    assert_eq!(asked.len(), harness.turns.limits.rounds + 1);
    assert!(asked.last().is_some_and(|request| request.tools.is_empty()));
}

#[tokio::test]
async fn what_the_model_asks_for_grants_nothing() {
    // (the model's wish, the key) and the reason it is told; nothing may reach the sandbox. Writes are denied here.
    let wishes = [
        (lookup(), KeyKind::Publishable, "unknown_action"),
        (
            call("call_connector", json!({"connection": "shop", "action": "refund", "input": {}})),
            KeyKind::Secret,
            "unknown_action",
        ),
        (
            call("call_connector", json!({"connection": "bank", "action": "find", "input": {"id": "7"}})),
            KeyKind::Secret,
            "unknown_action",
        ),
        (
            call("call_connector", json!({"connection": "shop", "action": "find", "input": {"id": 7}})),
            KeyKind::Secret,
            "invalid_input",
        ),
        (call("call_connector", json!("half a ca")), KeyKind::Secret, "invalid_input"),
        (call("rm", json!({})), KeyKind::Secret, "unknown_tool"),
    ];
    for (wish, kind, reason) in wishes {
        let mut harness = Harness::with_shop(
            Policy { deny_writes: true, ..Policy::default() },
            vec![vec![wish, finish(FinishReason::ToolCalls)], vec![text("No."), finish(FinishReason::Stop)]],
        );
        harness.kind = kind;
        let events = events(&harness, Delivery::Events).await;
        let output = events.iter().find_map(|event| match event {
            TurnEvent::ToolFinished { ok: false, output, .. } => Some(output.clone()),
            _ => None,
        });
        assert_eq!(output.map(|output| output["error"].clone()), Some(json!(reason)));
        assert!(harness.sandbox.calls().is_empty());
        assert!(harness.store.records().is_empty(), "a refused call is not counted");
    }
}

#[tokio::test]
async fn a_write_runs_unasked_when_the_connection_allows_it() {
    let refund = || {
        vec![
            vec![
                call("call_connector", json!({"connection": "shop", "action": "refund", "input": {}})),
                finish(FinishReason::ToolCalls),
            ],
            vec![text("Done."), finish(FinishReason::Stop)],
        ]
    };
    let harness = Harness::with_shop(Policy { allow_writes: true, ..Policy::default() }, refund());
    events(&harness, Delivery::Events).await;
    assert_eq!(harness.sandbox.calls().len(), 1);
}

#[tokio::test]
async fn cancelling_keeps_what_was_written() {
    let harness = Harness::new(vec![vec![text("One "), ScriptStep::Wait]]);
    let Ok(Start::Running(started)) = harness.turns.start(harness.request(Delivery::Events).into()).await else {
        panic!()
    };
    let mut events = Box::pin(started.live.follow());
    while let Some(event) = events.next().await {
        match event {
            TurnEvent::Text(_) => started.live.cancel(),
            TurnEvent::Finished(ending) => {
                assert_eq!((ending.status, ending.text.as_str()), (MessageStatus::Cancelled, "One "));
                let stored = harness.store.finished();
                assert_eq!((stored.status, stored.refund), (MessageStatus::Cancelled, false));
                return;
            }
            _ => {}
        }
    }
    panic!("the turn did not end");
}

#[tokio::test]
async fn a_reader_who_comes_late_sees_everything() {
    let harness = Harness::new(vec![vec![text("a"), text("b"), finish(FinishReason::Stop)]]);
    let Ok(Start::Running(started)) = harness.turns.start(harness.request(Delivery::Events).into()).await else {
        panic!()
    };
    let first: Vec<_> = started.live.follow().collect().await;
    let late: Vec<_> = LiveTurn::follow(&started.live).collect().await;
    assert_eq!(first.len(), late.len());
}

#[tokio::test]
async fn a_panic_in_a_turn_still_ends_it_for_its_readers() {
    let harness = Harness::new(vec![vec![ScriptStep::Panic]]);
    let events = events(&harness, Delivery::Events).await;
    assert!(matches!(events.last(), Some(TurnEvent::Failed(TurnFailure::Internal))));
    assert_eq!(harness.turns.live.count(), 0);
}

#[tokio::test]
async fn a_fault_of_the_connector_is_told_to_the_model_and_logged() {
    let harness = Harness::with_shop(
        Policy::default(),
        vec![vec![lookup(), finish(FinishReason::ToolCalls)], vec![text("Sorry."), finish(FinishReason::Stop)]],
    );
    harness.sandbox.fail_next();
    let events = events(&harness, Delivery::Events).await;
    assert!(matches!(events.last(), Some(TurnEvent::Finished(_))));
    assert_eq!(harness.store.records(), ["upstream"]);
    assert_eq!(harness.store.finished().steps[0]["reason"], "upstream");
    let _: &FakeStore = &harness.store;
}
