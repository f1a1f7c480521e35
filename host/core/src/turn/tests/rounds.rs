//! Rounds of tool calls: what runs at once, what each call is called, and what the provider gets back.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::{
    call_as, events,
    fakes::{Harness, ScriptStep},
    finish, text,
};
use crate::{
    approval::Verdict,
    connector::connection::Policy,
    model::{FinishReason, ModelEvent, ModelMessage, ProviderData, ToolCall},
    turn::{Delivery, Start, TurnRequest, live::TurnEvent},
};

fn action(id: &str, action: &str, input: Value) -> ScriptStep {
    call_as(id, "call_connector", json!({"connection": "shop", "action": action, "input": input}))
}

fn find(id: &str, order: &str) -> ScriptStep {
    action(id, "find", json!({"id": order}))
}

fn refund(id: &str, order: &str) -> ScriptStep {
    action(id, "refund", json!({"order": order}))
}

fn data(text: &str) -> ProviderData {
    ProviderData([("reasoning_content".to_owned(), json!(text))].into_iter().collect())
}

/// A call with what its provider sent beside it.
fn signed(say: ScriptStep, signature: &str) -> ScriptStep {
    match say {
        ScriptStep::Event(ModelEvent::ToolCall(call)) => {
            ScriptStep::Event(ModelEvent::ToolCall(ToolCall { data: data(signature), ..call }))
        }
        other => other,
    }
}

/// The orders that calls are about, as the sandbox saw them.
fn orders(harness: &Harness) -> Vec<String> {
    let digits = |text: String| text.chars().filter(char::is_ascii_digit).collect();
    harness.sandbox.calls().into_iter().map(|(_, input)| digits(input)).collect()
}

/// Calls and results of each round in the last request, by the provider's ids.
fn rounds(harness: &Harness) -> Vec<(Vec<ToolCall>, ProviderData, Vec<String>)> {
    let mut rounds: Vec<(Vec<ToolCall>, ProviderData, Vec<String>)> = Vec::new();
    for message in harness.model.asked().pop().unwrap().messages {
        match message {
            ModelMessage::ToolCalls { calls, data, .. } => rounds.push((calls, data, vec![])),
            ModelMessage::ToolResult { call_id, .. } => rounds.last_mut().unwrap().2.push(call_id),
            ModelMessage::Text { .. } => {}
        }
    }
    rounds
}

fn ids(events: &[TurnEvent]) -> Vec<String> {
    let started = events.iter().filter_map(|event| match event {
        TurnEvent::ToolStarted { id, .. } => Some(id.clone()),
        _ => None,
    });
    started.collect()
}

#[tokio::test]
async fn reads_run_beside_each_other_and_writes_in_their_place() {
    let round = vec![
        find("a", "1"),
        find("b", "2"),
        refund("c", "3"),
        refund("d", "4"),
        find("e", "5"),
        find("f", "6"),
        finish(FinishReason::ToolCalls),
    ];
    let policy = Policy { allow_writes: true, ..Policy::default() };
    let mut harness = Harness::with_shop(policy, vec![round, vec![text("Done."), finish(FinishReason::Stop)]]);
    // Reads that ran one after the other would wait here for ever.
    harness.sandbox.reads_meet(2);
    harness.turns.limits.deadline = Duration::from_secs(5);
    let events = events(&harness, Delivery::Events).await;
    assert!(matches!(events.last(), Some(TurnEvent::Finished(_))), "{events:?}");
    let ran = orders(&harness);
    let (first, writes, last) = (&ran[..2], &ran[2..4], &ran[4..]);
    let set = |orders: &[String]| orders.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!((set(first), set(last)), (set(&["1".into(), "2".into()]), set(&["5".into(), "6".into()])));
    assert_eq!(writes, ["3", "4"]);
    let told = rounds(&harness);
    assert_eq!(told[0].2, ["a", "b", "c", "d", "e", "f"], "results come in the model's order");
    let finished = events.iter().filter_map(|event| match event {
        TurnEvent::ToolFinished { id, .. } => Some(id.clone()),
        _ => None,
    });
    assert_eq!(finished.collect::<Vec<_>>(), ids(&events), "each call that is shown to start is shown to end");
}

#[tokio::test]
async fn reads_at_once_are_bounded() {
    let mut round: Vec<ScriptStep> = (0..8).map(|n| find(&format!("c{n}"), &n.to_string())).collect();
    round.push(finish(FinishReason::ToolCalls));
    let mut harness = Harness::with_shop(Policy::default(), vec![round, vec![text("Ok."), finish(FinishReason::Stop)]]);
    harness.sandbox.reads_meet(4);
    harness.turns.limits.deadline = Duration::from_secs(5);
    events(&harness, Delivery::Events).await;
    assert_eq!((harness.sandbox.calls().len(), harness.sandbox.most_at_once()), (8, 4));
}

#[tokio::test]
async fn calls_have_ids_of_their_own_and_the_model_gets_its_own_back() {
    let round = || vec![find("call_0", "1"), find("call_1", "2"), finish(FinishReason::ToolCalls)];
    let harness =
        Harness::with_shop(Policy::default(), vec![round(), round(), vec![text("Ok."), finish(FinishReason::Stop)]]);
    let events = events(&harness, Delivery::Events).await;
    let ids = ids(&events);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4, "{ids:?}");
    for (calls, _, results) in rounds(&harness) {
        assert_eq!(calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["call_0", "call_1"]);
        assert_eq!(results, ["call_0", "call_1"]);
    }
}

#[tokio::test]
async fn what_a_provider_sent_beside_its_calls_goes_back_with_them() {
    let data_of = |text: &str| ScriptStep::Event(ModelEvent::Data(data(text)));
    let first = vec![signed(find("c", "1"), "s1"), data_of("r1"), finish(FinishReason::ToolCalls)];
    let second = vec![
        signed(find("c", "2"), "s2"),
        signed(refund("d", "3"), "s3"),
        data_of("r2"),
        finish(FinishReason::ToolCalls),
    ];
    let script = vec![first, second, vec![text("Ok."), finish(FinishReason::Stop)]];
    let harness = Harness::with_shop(Policy::default(), script);
    let events = events(&harness, Delivery::Events).await;
    let told = rounds(&harness);
    assert_eq!((&told[0].1, &told[0].0[0].data), (&data("r1"), &data("s1")));
    assert!(!format!("{events:?}").contains("r1") && !format!("{:?}", harness.store.finished()).contains("r2"));

    // The second round asks; when the turn goes on, in the same message or after a word, it is whole again.
    let asked = harness.store.approvals();
    harness.store.remember("Refund 3");
    let verdicts = vec![(asked[0].id, Verdict::Approve)];
    let request = TurnRequest { verdicts, ..harness.request(Delivery::Events) };
    let Ok(Start::Running(started)) = harness.turns.start(request.into()).await else { panic!("not accepted") };
    let continued: Vec<TurnEvent> = futures::StreamExt::collect(started.live.follow()).await;
    let told = rounds(&harness);
    let (calls, returned, results) = &told[0];
    assert_eq!(returned, &data("r2"));
    assert_eq!(
        calls.iter().map(|call| (call.id.as_str(), &call.data)).collect::<Vec<_>>(),
        [("c", &data("s2")), ("d", &data("s3"))]
    );
    assert_eq!(results, &["c", "d"]);
    let shown = ids(&events);
    assert_eq!(ids(&continued), shown[2..], "the client knows the call that it confirmed by the id that it was shown");
}

#[tokio::test]
async fn an_answer_that_is_cut_says_so_whatever_cut_it() {
    let cases = [
        (FinishReason::Stop, None),
        (FinishReason::Length, Some("it reached the model's limit.]")),
        (FinishReason::ContentFilter, Some("a content filter of the model's provider stopped it.]")),
        (FinishReason::Other, Some("the model's provider ended it early.]")),
    ];
    for (reason, note) in cases {
        for before in ["Half an ans", ""] {
            let harness = Harness::new(vec![vec![text(before), finish(reason)]]);
            let events = events(&harness, Delivery::Events).await;
            let Some(TurnEvent::Finished(ending)) = events.last() else { panic!("{events:?}") };
            assert_eq!(ending.finish, reason);
            match note {
                Some(note) => assert!(ending.text.ends_with(note), "{}", ending.text),
                None => assert_eq!(ending.text, before),
            }
            assert!(!ending.text.starts_with('\n'));
        }
    }
}
