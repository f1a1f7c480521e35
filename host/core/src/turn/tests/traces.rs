//! The spans of a turn that doesn't go its usual way.

use uuid::Uuid;

use super::*;
use crate::{
    approval::Verdict,
    id::ApprovalId,
    testing::SpanCollector,
    trace::{AttributeValue, Sampler, SpanRecord, TelemetryExporter, Tracer},
    turn::TurnRequest,
};

const TURN: &str = "invoke_agent resly";
/// The fake model has no provider.
const CHAT: &str = "chat scripted";

fn traced(rounds: Vec<Vec<ScriptStep>>) -> (Harness, Arc<SpanCollector>) {
    let mut harness = Harness::new(rounds);
    let spans = Arc::<SpanCollector>::default();
    let exporter: Arc<dyn TelemetryExporter> = Arc::clone(&spans) as _;
    let (clock, random) = (Arc::clone(&harness.turns.clock), Arc::clone(&harness.turns.random));
    harness.turns.tracer = Tracer::new(Sampler::default(), exporter, clock, random);
    (harness, spans)
}

fn attribute<'a>(span: &'a SpanRecord, name: &str) -> Option<&'a AttributeValue> {
    span.attributes.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
}

/// The names of spans, each with the kind of its error.
fn errors(spans: &SpanCollector) -> Vec<(String, Option<AttributeValue>)> {
    let spans = spans.spans();
    let error = |span: &SpanRecord| {
        let kind = attribute(span, "error.type").cloned();
        assert_eq!(span.failed, kind.is_some(), "{span:?}");
        (span.name.clone(), kind)
    };
    spans.iter().map(error).collect()
}

#[tokio::test]
async fn an_error_in_a_stream_fails_its_request_and_the_turn() {
    let (harness, spans) = traced(vec![vec![text("The sky"), ScriptStep::End]]);
    let events = events(&harness, Delivery::Events).await;
    let Some(TurnEvent::Failed(failure)) = events.last() else { panic!("{events:?}") };
    let expected = [(CHAT.to_owned(), Some("truncated".into())), (TURN.to_owned(), Some(failure.slug().into()))];
    assert_eq!(errors(&spans), expected);
    let spans = spans.spans();
    assert_eq!(spans[0].parent, Some(spans[1].context.span));
}

#[tokio::test]
async fn a_cancelled_answer_is_no_failure_and_leaves_no_span_open() {
    let (harness, spans) = traced(vec![vec![text("The sky"), ScriptStep::Wait]]);
    let Ok(Start::Running(started)) = harness.turns.start(harness.request(Delivery::Events).into()).await else {
        panic!("the question was not accepted")
    };
    let mut events = std::pin::pin!(started.live.follow());
    while let Some(event) = events.next().await {
        if matches!(event, TurnEvent::Text(_)) {
            started.live.cancel();
        }
    }
    assert_eq!(errors(&spans), [(CHAT.to_owned(), None), (TURN.to_owned(), None)]);
    let spans = spans.spans();
    assert_eq!(attribute(&spans[0], "gen_ai.response.finish_reasons"), None);
    assert_eq!(attribute(&spans[1], "resly.turn.outcome"), Some(&"cancelled".into()));
}

#[tokio::test]
async fn a_panic_ends_every_span() {
    let (harness, spans) = traced(vec![vec![ScriptStep::Panic]]);
    events(&harness, Delivery::Events).await;
    let panicked = Some(AttributeValue::from("panic"));
    let mut found = errors(&spans);
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, [(CHAT.to_owned(), panicked.clone()), (TURN.to_owned(), panicked)]);
}

#[tokio::test]
async fn a_question_that_is_not_accepted_says_why() {
    let (harness, spans) = traced(vec![]);
    let verdicts = vec![(ApprovalId(Uuid::from_u128(77)), Verdict::Approve)];
    let request = TurnRequest { verdicts, ..harness.request(Delivery::Events) };
    assert!(harness.turns.start(request.into()).await.is_err());
    assert_eq!(errors(&spans), [(TURN.to_owned(), Some("no_approval".into()))]);
}
