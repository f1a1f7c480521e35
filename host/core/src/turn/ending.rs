//! Stores the end of a turn, even while the database can't be reached. The answer is there already, so a short outage need
//! not cost the customer the answer, nor the organization a message without one.
//!
//! Storing the same end twice has no further effect, so an attempt of which nobody knows what came may be repeated.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Delivery,
    failure::TurnFailure,
    live::TurnResult,
    run::{Run, micros, store_failure},
    store::{FinishOutcome, FinishedTurn, TurnStore},
};
use crate::{
    conversation::{MessageStatus, handover::TAKEN_OVER},
    error::StoreError,
    knowledge::Citation,
    model::FinishReason,
};

/// Pauses between two attempts: the first one, and the longest.
const SOON: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_secs(2);

impl Run {
    /// Stores the end of the turn, and gives what its readers are told.
    pub(super) async fn commit(&mut self, status: MessageStatus, refund: bool) -> Result<TurnResult, TurnFailure> {
        let now = self.turns.clock.now();
        let citations = self.citations.cited(self.draft.text());
        let steps = std::mem::take(&mut self.steps);
        let finished = FinishedTurn {
            host: self.turns.host,
            organization: self.request.principal.organization,
            answer: self.accepted.answer,
            content: self.draft.text().to_owned(),
            status,
            finish: (status != MessageStatus::Failed).then_some(self.finish),
            citations: citations.clone(),
            steps: steps.clone(),
            usage: self.usage,
            refund,
            now,
        };
        match store_soon(&*self.turns.store, &finished, self.turns.limits.storing).await {
            Ok(FinishOutcome::Stored) => {}
            Ok(FinishOutcome::HandedOver) => {
                self.draft.note(TAKEN_OVER);
                self.draft.release();
                self.finish = FinishReason::Other;
                return Ok(self.result(MessageStatus::HandedOver, citations, steps));
            }
            Ok(FinishOutcome::Superseded) => {
                // Whoever reads this answer must not take it for the one that is kept.
                tracing::warn!(message = %finished.answer, "this host was slow: a repeat of the request is answered instead");
                return Err(TurnFailure::Store);
            }
            Err(error) => {
                self.unstored = error.is_passing().then_some(finished);
                return Err(store_failure(&error));
            }
        }
        self.timing.commit_us = micros(self.turns.clock.now().since(now));
        Ok(self.result(status, citations, steps))
    }

    fn result(&mut self, status: MessageStatus, citations: Vec<Citation>, steps: Vec<Value>) -> TurnResult {
        TurnResult {
            status,
            text: self.draft.take_text(),
            citations,
            steps,
            finish: self.finish,
            usage: self.usage,
            timing: self.timing,
        }
    }

    /// Whether a failure now leaves the customer without any text. Then the message costs the organization nothing.
    pub(super) fn gives_nothing(&self) -> bool {
        !self.draft.has_left() || self.request.delivery == Delivery::Whole
    }

    /// Stores an end that readers couldn't wait for, and that [`Self::commit`] left.
    pub(super) async fn store_at_last(&mut self) {
        let Some(mut finished) = self.unstored.take() else { return };
        if self.gives_nothing() {
            // What the customer was told is what is stored.
            (finished.status, finished.finish, finished.refund) = (MessageStatus::Failed, None, true);
        }
        store_at_last(&*self.turns.store, finished).await;
    }
}

/// Stores the end, within `patience`, while readers wait. A full disk is told at once, since an operator has to make room.
async fn store_soon(
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
async fn store_at_last(store: &dyn TurnStore, turn: FinishedTurn) {
    let mut pause = SOON;
    loop {
        match store.finish_turn(turn.clone()).await {
            Ok(FinishOutcome::Stored) => {
                return tracing::info!(message = %turn.answer, "stored the end of an answer that had to wait");
            }
            // The customer has another answer by now, or a person answers.
            Ok(FinishOutcome::Superseded | FinishOutcome::HandedOver) => return,
            Err(error) if error.is_passing() => {}
            Err(error) => {
                return tracing::error!(%error, message = %turn.answer, "an answer can't be stored and is left to its lease");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LATER);
    }
}
