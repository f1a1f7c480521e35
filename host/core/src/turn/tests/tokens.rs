//! The tokens of a turn: reported, estimated, and summed over its rounds.

use futures::StreamExt;

use super::{
    events,
    fakes::{Harness, ScriptStep},
    finish, lookup, reports, text,
};
use crate::{
    connector::connection::Policy,
    conversation::MessageStatus,
    model::{
        FinishReason, ModelError, ModelEvent, ReportedUsage, TokenUsage,
        estimate::{TokenEstimate, estimate, estimate_request},
    },
    turn::{Delivery, Start, live::TurnEvent},
};

fn exactly(input: u64, cached_input: u64, output: u64) -> TokenUsage {
    TokenUsage { input, cached_input, output, estimated: false }
}

fn report(usage: ReportedUsage) -> ScriptStep {
    ScriptStep::Event(ModelEvent::Usage(usage))
}

fn broken() -> ScriptStep {
    ScriptStep::Error(ModelError::InBand { at: "m".to_owned(), detail: "x".to_owned() })
}

/// What is stored of a turn in which the model does this.
async fn usage(script: Vec<ScriptStep>) -> (TokenUsage, Harness) {
    let harness = Harness::new(vec![script]);
    events(&harness, Delivery::Events).await;
    (harness.store.finished().usage, harness)
}

#[tokio::test]
async fn every_round_counts_and_running_counts_count_once() {
    let cached = |input, cached, output| {
        report(ReportedUsage { input: Some(input), cached_input: Some(cached), output: Some(output) })
    };
    let harness = Harness::with_shop(
        Policy::default(),
        vec![
            vec![reports(100, 1), lookup(), reports(100, 20), finish(FinishReason::ToolCalls)],
            vec![text("Shipped."), cached(150, 96, 4), finish(FinishReason::Stop)],
        ],
    );
    let events = events(&harness, Delivery::Events).await;
    let Some(TurnEvent::Finished(result)) = events.last() else { panic!("{events:?}") };
    assert_eq!(result.usage, exactly(250, 96, 24));
    assert_eq!(harness.store.finished().usage, exactly(250, 96, 24));
}

#[tokio::test]
async fn what_nobody_reports_is_estimated_and_marked() {
    let (used, harness) = usage(vec![text("It is "), text("blue."), finish(FinishReason::Stop)]).await;
    let input = estimate_request(&harness.model.asked()[0]);
    assert!(input > estimate("The sky is blue."), "the passages are a part of the prompt");
    assert_eq!(used, TokenUsage { input, cached_input: 0, output: estimate("It is blue."), estimated: true });

    let input_only = ReportedUsage { input: Some(40), ..ReportedUsage::default() };
    let (used, _) = usage(vec![report(input_only), text("It is blue."), finish(FinishReason::Stop)]).await;
    assert_eq!((used.input, used.output, used.estimated), (40, estimate("It is blue."), true));
}

#[tokio::test]
async fn one_estimated_round_marks_the_answer() {
    let harness = Harness::with_shop(
        Policy::default(),
        vec![
            vec![lookup(), finish(FinishReason::ToolCalls)],
            vec![text("Shipped."), reports(150, 4), finish(FinishReason::Stop)],
        ],
    );
    events(&harness, Delivery::Events).await;
    let used = harness.store.finished().usage;
    assert!(used.estimated && used.input > 150 && used.output > 4, "{used:?}");
}

#[tokio::test]
async fn of_a_broken_stream_the_last_report_counts_and_an_estimate_of_what_came_after_it() {
    let (used, _) = usage(vec![text("It is "), reports(40, 2), text("blue and wide"), broken()]).await;
    assert_eq!((used.input, used.output, used.estimated), (40, 2 + estimate("blue and wide"), true));
    let (used, _) = usage(vec![text("It is "), reports(40, 2), broken()]).await;
    assert_eq!(used, exactly(40, 0, 2), "nothing came after it");
    let mut thinking = TokenEstimate::default();
    thinking.add("Which colour is it?");
    let thinks = || ScriptStep::Event(ModelEvent::Hidden(thinking));
    let (used, _) = usage(vec![thinks(), reports(40, 9), thinks(), broken()]).await;
    assert_eq!((used.output, used.estimated), (9 + thinking.tokens(), true));
    let (used, _) = usage(vec![text("It is "), ScriptStep::End]).await;
    assert_eq!((used.output, used.estimated), (estimate("It is "), true));
}

#[tokio::test]
async fn a_provider_that_fails_before_it_sends_anything_counts_nothing() {
    let (used, harness) = usage(vec![broken()]).await;
    assert_eq!(used, TokenUsage::default());
    assert!(harness.store.finished().refund);
    // It had read the question, and said so.
    let (used, harness) = usage(vec![reports(40, 1), broken()]).await;
    assert_eq!(used, exactly(40, 0, 1));
    assert!(harness.store.finished().refund, "the message is given back, and the tokens were used all the same");
}

#[tokio::test]
async fn a_cancelled_answer_counts_what_was_used_by_then() {
    for (script, output, estimated) in [
        (vec![reports(40, 1), text("One "), ScriptStep::Wait], 1 + estimate("One "), true),
        (vec![text("One "), reports(40, 2), ScriptStep::Wait], 2, false),
    ] {
        let harness = Harness::new(vec![script]);
        let started = harness.turns.start(harness.request(Delivery::Events).into()).await;
        let Ok(Start::Running(started)) = started else { panic!("the question was not accepted") };
        let mut events = Box::pin(started.live.follow());
        while let Some(event) = events.next().await {
            if matches!(event, TurnEvent::Text(_)) {
                // The model has nothing more to say, and waits.
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                started.live.cancel();
            }
        }
        let stored = harness.store.finished();
        assert_eq!(stored.status, MessageStatus::Cancelled);
        assert_eq!((stored.usage.input, stored.usage.output, stored.usage.estimated), (40, output, estimated));
    }
}
