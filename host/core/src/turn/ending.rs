//! Stores the end of a turn, even while the database can't be reached. The answer is there already, so a short outage need
//! not cost the customer the answer, nor the organization a message without one.
//!
//! Storing the same end twice has no further effect, so an attempt of which nobody knows what came may be repeated.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::store::{FinishOutcome, FinishedTurn, TurnStore};
use crate::error::StoreError;

/// Pauses between two attempts: the first one, and the longest.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(2);

/// Stores the end, within `patience`, while readers wait. A full disk is told at once, since an operator has to make room.
pub(super) async fn store_soon(
    store: &dyn TurnStore,
    turn: &FinishedTurn,
    patience: Duration,
) -> Result<FinishOutcome, StoreError> {
    let until = Instant::now() + patience;
    let mut pause = SOON;
    loop {
        let error = match timeout_at(until, store.finish_turn(turn.clone())).await {
            Ok(Ok(outcome)) => return Ok(outcome),
            Ok(Err(error)) => error,
            Err(_) => {
                let detail = format!("it took longer than {} s", patience.as_secs());
                return Err(StoreError::Unavailable { doing: "store an answer", detail });
            }
        };
        if !matches!(error, StoreError::Unavailable { .. }) || Instant::now() + pause >= until {
            return Err(error);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LATER);
    }
}

/// Goes on trying until the end is stored, when readers were told already that it isn't. If the host ends before, the
/// turn's lease settles it.
pub(super) async fn store_at_last(store: &dyn TurnStore, turn: FinishedTurn) {
    let mut pause = SOON;
    loop {
        match store.finish_turn(turn.clone()).await {
            Ok(FinishOutcome::Stored) => {
                return tracing::info!(message = %turn.answer, "stored the end of an answer that had to wait");
            }
            // The customer has another answer by now.
            Ok(FinishOutcome::Superseded) => return,
            Err(error) if error.is_passing() => {}
            Err(error) => {
                return tracing::error!(%error, message = %turn.answer, "an answer can't be stored and is left to its lease");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LATER);
    }
}
