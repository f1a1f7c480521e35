//! The end of a turn that the database doesn't take at once.

use std::{iter::repeat_n, sync::atomic::Ordering, time::Duration};

use super::*;
use crate::error::StoreError;

fn down() -> StoreError {
    StoreError::Unavailable { doing: "store an answer", detail: "it is restarted".to_owned() }
}

fn full() -> StoreError {
    StoreError::Full { doing: "store an answer", detail: "no room".to_owned() }
}

fn harness(errors: impl IntoIterator<Item = StoreError>) -> Harness {
    let harness = Harness::new(vec![vec![text("It is blue."), finish(FinishReason::Stop)]]);
    harness.store.finish_errors.lock().unwrap().extend(errors);
    harness
}

/// Waits until the turn's task has ended.
async fn idle(harness: &Harness) {
    while harness.turns.live.count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn readers_wait_for_a_database_that_comes_back() {
    let harness = harness([down(), down()]);
    let events = events(&harness, Delivery::Whole).await;
    let Some(TurnEvent::Finished(ending)) = events.last() else { panic!("{events:?}") };
    assert_eq!(ending.text, "It is blue.");
    assert_eq!(harness.store.finished().status, MessageStatus::Complete);
}

#[tokio::test]
async fn an_end_that_readers_could_not_wait_for_is_stored_at_last() {
    let cases = [
        // Nothing of the answer was given, so it costs nothing.
        (Delivery::Whole, MessageStatus::Failed, true),
        // The customer has the text, which is stored, too.
        (Delivery::Events, MessageStatus::Complete, false),
    ];
    for (delivery, status, refund) in cases {
        let mut harness = harness(repeat_n(down(), 3));
        harness.turns.limits.storing = Duration::ZERO;
        let events = events(&harness, delivery).await;
        assert!(matches!(events.last(), Some(TurnEvent::Failed(TurnFailure::Store))), "{events:?}");
        idle(&harness).await;
        let stored = harness.store.finished();
        assert_eq!((stored.status, stored.refund, stored.content.as_str()), (status, refund, "It is blue."));
    }
}

#[tokio::test]
async fn a_full_disk_is_told_at_once_and_by_its_name() {
    let harness = harness([full()]);
    let events = events(&harness, Delivery::Whole).await;
    assert!(matches!(events.last(), Some(TurnEvent::Failed(TurnFailure::DiskFull))), "{events:?}");
    idle(&harness).await;
    assert!(harness.store.finished().refund);
}

#[tokio::test]
async fn an_answer_whose_place_is_taken_does_not_look_like_the_one_that_is_kept() {
    let harness = harness([]);
    harness.store.superseded.store(true, Ordering::Relaxed);
    let events = events(&harness, Delivery::Text).await;
    assert!(matches!(events.last(), Some(TurnEvent::Failed(TurnFailure::Store))), "{events:?}");
    idle(&harness).await;
}
