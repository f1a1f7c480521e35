//! Writes wait for a person: what decides, what doesn't, and that each is made once.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use super::{
    call,
    fakes::{Say, World},
    finish, text,
};
use crate::{
    approval::{Approval, ApprovalState, LIFETIME, Outcome, Person, Verdict},
    connector::connection::{ConnectionStatus, Policy},
    conversation::Role,
    id::ApprovalId,
    model::{FinishReason, ModelMessage},
    turn::{Delivery, Start, TurnRequest, live::TurnEvent},
};

fn refund(input: Value) -> Say {
    call("call_connector", json!({"connection": "shop", "action": "refund", "input": input}))
}

/// A model that asks for a refund, and then says so.
fn world() -> World {
    let ask = vec![text("I will."), refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)];
    World::with_shop(Policy::default(), vec![ask, vec![text("Then."), finish(FinishReason::Stop)]])
}

async fn run(world: &World, request: TurnRequest) -> Vec<TurnEvent> {
    let Ok(Start::Running(started)) = world.turns.start(request).await else { panic!("not accepted") };
    started.live.follow().collect().await
}

async fn says(world: &World, words: &str) -> Vec<TurnEvent> {
    let mut request = world.request(Delivery::Events);
    request.messages[0].text = words.to_owned();
    let events = run(world, request).await;
    world.store.remember(words);
    events
}

fn answer(events: &[TurnEvent]) -> &str {
    match events.last() {
        Some(TurnEvent::Finished(ending)) => &ending.text,
        other => panic!("{other:?}"),
    }
}

/// What the model was told in its last round about its calls.
fn told(world: &World) -> String {
    let asked = world.model.asked();
    let results = asked.last().unwrap().messages.iter().filter_map(|message| match message {
        ModelMessage::ToolResult { content, .. } => Some(content.as_str()),
        _ => None,
    });
    results.collect()
}

fn only(world: &World) -> Approval {
    let approvals = world.store.approvals();
    assert_eq!(approvals.len(), 1);
    approvals[0].clone()
}

fn person(world: &World) -> Person {
    Person::from(&world.request(Delivery::Events).principal)
}

#[tokio::test]
async fn a_write_is_asked_for_and_made_after_a_yes_with_the_input_that_was_shown() {
    let world = world();
    let events = says(&world, "Refund order 7").await;
    assert_eq!(
        answer(&events),
        "I will.\n\nBefore I do this, please confirm:\n\n`Our shop: Refund`\n- `order: \"7\"`\n\nReply `yes` to go ahead or `no` \
         to leave it. Unanswered, it lapses after 15 minutes."
    );
    assert!(world.sandbox.calls().is_empty() && world.store.records().is_empty());
    assert!(events.iter().any(|event| matches!(event, TurnEvent::ApprovalAsked(a) if a.id == only(&world).id)));
    assert_eq!(world.model.asked().len(), 1, "the turn ends with the question");

    let events = says(&world, "Yes, please!").await;
    assert_eq!(answer(&events), "Then.");
    assert_eq!(world.sandbox.calls(), [("refund".to_owned(), r#"{"order":"7"}"#.to_owned())]);
    assert_eq!(only(&world).state, ApprovalState::Executed);
    assert!(told(&world).contains("shipped"), "{}", told(&world));
    let last = world.model.asked().pop().unwrap().messages;
    assert!(matches!(last[2], ModelMessage::Text { role: Role::User, .. }), "the result comes after the yes: {last:?}");
    assert!(events.iter().any(|event| matches!(event, TurnEvent::ToolFinished { ok: true, .. })));
    assert_eq!(world.store.finished().steps[0]["approval"], json!(only(&world).id));
    assert_eq!(world.store.records(), ["ok"]);
}

#[tokio::test]
async fn no_words_of_the_model_s_hide_the_question() {
    let ask = vec![text("Look:\n\n```"), refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)];
    let world = World::with_shop(Policy::default(), vec![ask]);
    let events = says(&world, "Refund order 7").await;
    assert!(answer(&events).starts_with("Look:\n\n```\n```\n\nBefore I do this"), "{}", answer(&events));
    let texts: Vec<&str> = super::texts(&events);
    assert_eq!(texts[..2], ["Look:\n\n```", "\n```"], "it ends in the part that opened it");
    let at = |wanted: fn(&TurnEvent) -> bool| events.iter().position(wanted);
    let ended = at(|event| matches!(event, TurnEvent::Text(text) if text == "\n```"));
    assert!(ended < at(|event| matches!(event, TurnEvent::RoundEnded)));
}

#[tokio::test]
async fn anything_but_a_clear_yes_leaves_it_undone() {
    let cases =
        [("no", ApprovalState::Declined, None), ("yes but half", ApprovalState::Declined, Some("not confirmed"))];
    for (words, state, reason) in cases {
        let world = world();
        says(&world, "Refund order 7").await;
        says(&world, words).await;
        assert!(world.sandbox.calls().is_empty());
        assert_eq!((only(&world).state, only(&world).reason.as_deref()), (state, reason));
        assert!(told(&world).contains("declined"));
        // It can't be brought back.
        let again = world.turns.approvals.decide(person(&world), only(&world).id, Verdict::Approve).await;
        assert_eq!(again.unwrap().unwrap().state, ApprovalState::Declined);
        assert!(world.sandbox.calls().is_empty());
    }
}

#[tokio::test]
async fn a_yes_after_its_time_is_none() {
    let world = world();
    says(&world, "Refund order 7").await;
    world.clock.pass(LIFETIME);
    let found = world.turns.approvals.find(person(&world), only(&world).id).await.unwrap().unwrap();
    assert_eq!(found.state, ApprovalState::Expired);
    says(&world, "yes").await;
    assert!(world.sandbox.calls().is_empty());
    assert!(told(&world).contains("expired"));
}

#[tokio::test]
async fn a_yes_counts_for_the_question_right_before_it_only() {
    let mut rounds = vec![vec![refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)]];
    rounds.extend(vec![vec![text("Fine."), finish(FinishReason::Stop)]; 3]);
    let world = World::with_shop(Policy::default(), rounds);
    says(&world, "Refund order 7").await;
    says(&world, "What was that?").await;
    says(&world, "yes").await;
    assert!(world.sandbox.calls().is_empty());
}

#[tokio::test]
async fn another_visitor_s_yes_is_none() {
    for (says, made) in [(Some("eve"), 0), (Some("ada"), 1), (None, 1)] {
        let world = world();
        let visitor = |visitor: Option<&str>| visitor.map(str::to_owned);
        run(&world, TurnRequest { visitor: visitor(Some("ada")), ..world.request(Delivery::Events) }).await;
        world.store.remember("Why?");
        let mut yes = TurnRequest { visitor: visitor(says), ..world.request(Delivery::Events) };
        yes.messages[0].text = "yes".to_owned();
        run(&world, yes).await;
        assert_eq!(world.sandbox.calls().len(), made, "{says:?}");
    }
}

#[tokio::test]
async fn what_was_changed_since_it_was_shown_is_not_done() {
    type Change = fn(&mut crate::connector::connection::Connection);
    let changes: [(Change, &str); 4] = [
        (|connection| connection.revision += 1, "changed"),
        (|connection| connection.policy.deny_writes = true, "doesn't allow"),
        (|connection| connection.status = ConnectionStatus::Disabled, "not enabled"),
        (|connection| connection.id = crate::id::ConnectionId(uuid::Uuid::nil()), "any more"),
    ];
    for (change, why) in changes {
        let world = world();
        says(&world, "Refund order 7").await;
        world.store.change(change);
        says(&world, "yes").await;
        assert!(world.sandbox.calls().is_empty());
        let approval = only(&world);
        assert_eq!(approval.state, ApprovalState::Failed);
        let Some(Outcome::Error { kind, message }) = approval.outcome else { panic!("{approval:?}") };
        assert!(kind == "denied" && message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn one_yes_is_for_all_that_was_shown_and_a_repeated_wish_is_one() {
    let wishes = vec![
        refund(json!({"order": "7"})),
        refund(json!({"order": "8", "approved": true})),
        refund(json!({"order": "7"})),
        finish(FinishReason::ToolCalls),
    ];
    let world = World::with_shop(Policy::default(), vec![wishes, vec![text("Both."), finish(FinishReason::Stop)]]);
    let events = says(&world, "Refund 7 and 8").await;
    let asked = answer(&events);
    assert!(
        asked.contains("these 2 things") && asked.contains("(1) `Our shop") && asked.contains("(2) `Our shop"),
        "{asked}"
    );
    assert!(asked.contains("- `approved: true`"), "what the model adds is shown, and grants nothing: {asked}");
    says(&world, "ja").await;
    let calls = world.sandbox.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[0].1.contains('7') && calls[1].1.contains('8'));
}

#[tokio::test]
async fn a_client_s_verdicts_go_on_with_the_answer() {
    for (verdict, made) in [(Verdict::Approve, 1), (Verdict::Decline { reason: Some("too dear".to_owned()) }, 0)] {
        let world = world();
        says(&world, "Refund order 7").await;
        let approval = only(&world);
        let go_on = |id| TurnRequest { verdicts: vec![(id, verdict.clone())], ..world.request(Delivery::Events) };
        let unknown = world.turns.start(go_on(ApprovalId(uuid::Uuid::nil()))).await;
        assert!(matches!(unknown, Err(super::super::store::BeginTurnError::NoApproval)));
        let Ok(Start::Running(started)) = world.turns.start(go_on(approval.id)).await else { panic!() };
        assert_eq!(started.live.continues, Some(approval.message.to_string()));
        let events: Vec<_> = started.live.follow().collect().await;
        assert_eq!(answer(&events), "Then.");
        assert_eq!(world.sandbox.calls().len(), made);
        let shown = events.iter().any(|event| match event {
            TurnEvent::ToolFinished { id, ok, .. } => made == 1 && *ok && *id == approval.call,
            TurnEvent::ToolDenied { id, .. } => made == 0 && *id == approval.call,
            _ => false,
        });
        assert!(shown, "{events:?}");
        assert_eq!(told(&world).contains("too dear"), made == 0);
        let last = world.model.asked().pop().unwrap().messages;
        assert!(
            matches!(&last[1], ModelMessage::ToolCalls { text, .. } if text.contains("please confirm")),
            "{last:?}"
        );
    }
}

#[tokio::test]
async fn what_was_decided_elsewhere_is_told_and_not_done_again() {
    let world = world();
    says(&world, "Refund order 7").await;
    let id = only(&world).id;
    let deciding = (0..20).map(|_| world.turns.approvals.decide(person(&world), id, Verdict::Approve));
    for decided in futures::future::join_all(deciding).await {
        let state = decided.unwrap().unwrap().state;
        assert!(matches!(state, ApprovalState::Approved | ApprovalState::Executed), "{state:?}");
    }
    assert_eq!(world.sandbox.calls().len(), 1);
    says(&world, "yes").await;
    assert_eq!(world.sandbox.calls().len(), 1);
    assert!(told(&world).contains("shipped"));
}

#[tokio::test]
async fn a_fault_of_a_confirmed_call_is_its_end() {
    let world = world();
    says(&world, "Refund order 7").await;
    world.sandbox.fail_next();
    says(&world, "yes").await;
    assert_eq!(only(&world).state, ApprovalState::Failed);
    assert!(told(&world).contains("upstream"));
    let again = world.turns.approvals.decide(person(&world), only(&world).id, Verdict::Approve).await.unwrap();
    assert_eq!((again.unwrap().state, world.sandbox.calls().len()), (ApprovalState::Failed, 1));
}

#[tokio::test]
async fn bad_input_and_what_nobody_can_look_through_go_back_to_the_model() {
    let many: Vec<u32> = (0..200).collect();
    let rounds = vec![
        vec![refund(json!({"orders": many})), finish(FinishReason::ToolCalls)],
        vec![text("No."), finish(FinishReason::Stop)],
    ];
    let world = World::with_shop(Policy::default(), rounds);
    assert_eq!(answer(&says(&world, "Refund all").await), "No.");
    assert!(world.store.approvals().is_empty() && told(&world).contains("more than 100 values"));
}

#[tokio::test]
async fn what_a_turn_cuts_it_says() {
    let world = World::new(vec![vec![text("Half an ans"), finish(FinishReason::Length)]]);
    assert!(answer(&says(&world, "Why?").await).ends_with("[The answer is cut here: it reached the model's limit.]"));

    let mut calls: Vec<Say> = (0..9).map(|_| super::lookup()).collect();
    calls.push(finish(FinishReason::ToolCalls));
    let world = World::with_shop(Policy::default(), vec![calls, vec![text("Ok."), finish(FinishReason::Stop)]]);
    says(&world, "Why?").await;
    assert_eq!(world.sandbox.calls().len(), 8);
    assert!(told(&world).contains("too_many_calls"));

    let mut world = World::new(vec![vec![text("0123456789"), text("more"), finish(FinishReason::Stop)]]);
    world.turns.limits.answer_bytes = 8;
    world.turns.limits.deadline = Duration::from_secs(5);
    assert!(answer(&says(&world, "Why?").await).ends_with("longer than this host allows.]"));
}
