use std::time::Duration;

use super::*;
use crate::testing::{ManualClock, SequenceRandom, SpanCollector};

fn tracer(sampler: Sampler) -> (Tracer, Arc<SpanCollector>, Arc<ManualClock>) {
    let (spans, clock) = (Arc::<SpanCollector>::default(), Arc::<ManualClock>::default());
    let exporter: Arc<dyn TelemetryExporter> = Arc::clone(&spans) as _;
    (Tracer::new(sampler, exporter, Arc::clone(&clock) as _, Arc::new(SequenceRandom::default())), spans, clock)
}

#[tokio::test]
async fn spans_within_a_span_are_its_children_also_on_other_tasks() {
    let (tracer, spans, clock) = tracer(Sampler::default());
    assert_eq!(current(), None);
    let outer = tracer.start(SpanKind::Server, format_args!("outer"));
    let other = tracer.clone();
    within(outer.context(), async {
        drop(tracer.start(SpanKind::Internal, format_args!("inner")));
        let spawned = async move { drop(other.start(SpanKind::Client, format_args!("spawned"))) };
        tokio::spawn(within(current(), spawned)).await.unwrap();
    })
    .await;
    assert_eq!(current(), None, "it ends with the future");
    clock.advance(Duration::from_millis(5));
    let outer_context = outer.context().unwrap();
    drop(outer);
    let spans = spans.spans();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["inner", "spawned", "outer"]);
    for inner in &spans[..2] {
        assert_eq!((inner.parent, inner.context.trace), (Some(outer_context.span), outer_context.trace));
        assert_ne!(inner.context.span, outer_context.span);
    }
    let outer = &spans[2];
    assert_eq!((outer.parent, outer.end.since(outer.start)), (None, Duration::from_millis(5)));
}

#[test]
fn a_trace_that_is_not_sampled_keeps_its_id_and_exports_nothing() {
    let (tracer, spans, _) = tracer("always_off".parse().unwrap());
    let span = tracer.start(SpanKind::Server, format_args!("outer"));
    let context = span.context().unwrap();
    let mut below = tracer.start_below(Some(context), SpanKind::Internal, format_args!("below"));
    below.set("n", 1_u64);
    below.fail("broken");
    let below_context = below.context().unwrap();
    assert_eq!((below_context.trace, below_context.sampled), (context.trace, false));
    drop((below, span));
    assert!(spans.spans().is_empty());
}

#[test]
fn a_panic_ends_a_span_as_failed() {
    let (tracer, spans, _) = tracer(Sampler::default());
    let panics = std::panic::AssertUnwindSafe(|| {
        let _span = tracer.start(SpanKind::Internal, format_args!("panics"));
        panic!("on purpose");
    });
    std::panic::catch_unwind(panics).unwrap_err();
    let span = &spans.spans()[0];
    assert!(span.failed && span.attributes.contains(&("error.type", "panic".into())), "{span:?}");
}

#[test]
fn a_long_text_is_cut_and_without_an_exporter_nothing_is_made() {
    let (tracer, spans, _) = tracer(Sampler::default());
    let mut span = tracer.start(SpanKind::Internal, format_args!("long"));
    span.set("text", "é".repeat(2000));
    drop(span);
    let (_, text) = &spans.spans()[0].attributes[0];
    assert!(matches!(text, AttributeValue::Text(text) if text.len() == 1024));

    struct Unused;
    impl fmt::Display for Unused {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("nobody reads it");
        }
    }
    let mut none = Tracer::default().start(SpanKind::Internal, format_args!("{}", Unused));
    none.set_display("text", Unused);
    assert_eq!(none.context(), None);
}
