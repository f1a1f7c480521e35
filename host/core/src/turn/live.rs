//! The log of a running turn. One writer appends events, and any number of readers follow them from the first one, so a
//! client can disconnect and resume without losing anything. Another host sends its readers the same events: see
//! [`AnswerEvents`].

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    StreamExt,
    stream::{self, BoxStream, Stream},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::failure::TurnFailure;
use crate::{
    approval::Approval,
    conversation::MessageStatus,
    id::{ConversationId, MessageId, OrganizationId},
    knowledge::Citation,
    model::{FinishReason, TokenUsage},
};

/// What happens in a turn, in order. The last event is `Finished` or `Failed`, sent after the answer was stored.
/// As JSON, it is what hosts of one version or the next send each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnEvent {
    /// The sources that the answer may cite so far. Each of these events holds the whole list.
    Citations(Arc<[Citation]>),
    /// The next piece of the answer's text.
    Text(String),
    ToolStarted {
        id: String,
        name: String,
        input: Value,
    },
    /// `output` is JSON for clients: the output or, when `ok` is false, `{"error", "message"}` in words for customers.
    ToolFinished {
        id: String,
        name: String,
        ok: bool,
        output: Value,
    },
    /// A started call waits for a person. The turn ends after all calls of its round were handled.
    ApprovalAsked(Arc<Approval>),
    /// A person declined a call. Nothing was done.
    ToolDenied {
        id: String,
        name: String,
    },
    /// The model has ended a round with tool calls, which follow.
    RoundEnded,
    Finished(Arc<TurnResult>),
    Failed(TurnFailure),
}

/// The result of a turn that completed or was cancelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnResult {
    pub status: MessageStatus,
    pub text: String,
    /// The sources whose numbers appear in the text.
    pub citations: Vec<Citation>,
    /// Why the model stopped. Any reason but `Stop` and `ToolCalls` means that the text is cut.
    pub finish: FinishReason,
    /// The steps as they are stored with the answer.
    pub steps: Vec<Value>,
    pub usage: TokenUsage,
    pub timing: Timing,
}

/// Microseconds that each part of a turn took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    pub accept_us: u64,
    pub retrieve_us: u64,
    pub tools_us: u64,
    pub commit_us: u64,
}

impl TurnEvent {
    /// Whether this is the last event of a turn.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Finished(_) | Self::Failed(_))
    }
}

/// An answer in progress with its events, from the first one on. They come from this host or from another one.
pub struct AnswerEvents {
    pub conversation: ConversationId,
    pub message: MessageId,
    /// The client's id of the answer that this one continues.
    pub continues: Option<String>,
    /// Ends after `Finished` or `Failed`.
    pub events: BoxStream<'static, TurnEvent>,
}

/// Why a turn was stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// A customer cancelled it.
    Cancelled,
    /// The host is shutting down.
    HostStopping,
}

/// A running turn that readers can follow.
pub struct LiveTurn {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    pub message: MessageId,
    /// The client's id of the answer that this one continues.
    pub continues: Option<String>,
    events: Mutex<Vec<TurnEvent>>,
    /// The number of events. Readers wait until it grows.
    written: watch::Sender<usize>,
    stopped: watch::Sender<Option<StopReason>>,
    /// Values that are dropped when the turn ends.
    held: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl LiveTurn {
    pub(super) fn new(
        organization: OrganizationId,
        conversation: ConversationId,
        message: MessageId,
        continues: Option<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            organization,
            conversation,
            message,
            continues,
            events: Mutex::default(),
            written: watch::Sender::new(0),
            stopped: watch::Sender::new(None),
            held: Mutex::default(),
        })
    }

    /// Holds a value, such as a permit, until the turn ends, even when all readers have left.
    pub fn keep_until_end(&self, what: impl Send + 'static) {
        let mut held = lock(&self.held);
        if !self.has_ended() {
            held.push(Box::new(what));
        }
    }

    /// Streams every event from the first one on. The stream ends after `Finished` or `Failed`.
    pub fn follow(self: &Arc<Self>) -> impl Stream<Item = TurnEvent> + Send + use<> {
        let reader = (Arc::clone(self), self.written.subscribe(), 0_usize, false);
        stream::unfold(reader, |(live, mut written, next, ended)| async move {
            if ended {
                return None;
            }
            written.wait_for(|count| *count > next).await.ok()?;
            let event = lock(&live.events).get(next).cloned()?;
            let ended = event.is_last();
            Some((event, (live, written, next + 1, ended)))
        })
    }

    /// The answer with its events.
    pub fn answer(self: &Arc<Self>) -> AnswerEvents {
        AnswerEvents {
            conversation: self.conversation,
            message: self.message,
            continues: self.continues.clone(),
            events: self.follow().boxed(),
        }
    }

    /// Asks the turn to stop. The text that was written so far is stored.
    pub fn cancel(&self) {
        self.stop(StopReason::Cancelled);
    }

    fn stop(&self, stop: StopReason) {
        // The first reason counts.
        self.stopped.send_if_modified(|stopped| stopped.replace(stopped.unwrap_or(stop)).is_none());
    }

    pub(super) async fn stopped(&self) -> StopReason {
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as `self`: it can't be closed while this waits.
        stopped.wait_for(Option::is_some).await.ok().and_then(|stop| *stop).unwrap_or(StopReason::Cancelled)
    }

    pub(super) fn push(&self, event: TurnEvent) {
        let count = {
            let mut events = lock(&self.events);
            events.push(event);
            events.len()
        };
        self.written.send_replace(count);
    }

    fn has_ended(&self) -> bool {
        lock(&self.events).last().is_some_and(TurnEvent::is_last)
    }
}

/// The turns that this host runs, by conversation. A conversation has only its newest turn here.
pub struct LiveTurns {
    turns: Mutex<HashMap<ConversationId, Arc<LiveTurn>>>,
    stopping: watch::Sender<bool>,
}

impl Default for LiveTurns {
    fn default() -> Self {
        Self { turns: Mutex::default(), stopping: watch::Sender::new(false) }
    }
}

impl LiveTurns {
    /// The running turn of a conversation.
    pub fn find(&self, organization: OrganizationId, conversation: ConversationId) -> Option<Arc<LiveTurn>> {
        lock(&self.turns).get(&conversation).filter(|live| live.organization == organization).cloned()
    }

    /// The running turn that writes an answer.
    pub fn find_answer(&self, organization: OrganizationId, answer: MessageId) -> Option<Arc<LiveTurn>> {
        let turns = lock(&self.turns);
        turns.values().find(|live| live.message == answer && live.organization == organization).cloned()
    }

    /// Whether this host writes the answer.
    pub fn writes(&self, answer: MessageId) -> bool {
        lock(&self.turns).values().any(|live| live.message == answer)
    }

    /// The number of running turns.
    pub fn count(&self) -> usize {
        lock(&self.turns).len()
    }

    /// Cancels those of `answers` that this host writes.
    pub fn cancel(&self, answers: &[MessageId]) {
        for live in lock(&self.turns).values().filter(|live| answers.contains(&live.message)) {
            live.cancel();
        }
    }

    /// Stops every running turn because the host shuts down, so readers learn that their answer is incomplete.
    pub fn interrupt_all(&self) {
        self.stopping.send_replace(true);
        for live in lock(&self.turns).values() {
            live.stop(StopReason::HostStopping);
        }
    }

    /// Waits for [`LiveTurns::interrupt_all`].
    pub async fn interrupted(&self) {
        // The sender lives as long as `self`: it can't be closed while this waits.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    pub(super) fn enter(self: &Arc<Self>, live: Arc<LiveTurn>) -> LiveTurnGuard {
        lock(&self.turns).insert(live.conversation, Arc::clone(&live));
        LiveTurnGuard { turns: Arc::clone(self), live }
    }
}

/// Removes a turn from [`LiveTurns`] when dropped. A turn without an end, such as after a panic, then ends as failed.
pub(super) struct LiveTurnGuard {
    turns: Arc<LiveTurns>,
    pub(super) live: Arc<LiveTurn>,
}

impl Drop for LiveTurnGuard {
    fn drop(&mut self) {
        if !self.live.has_ended() {
            self.live.push(TurnEvent::Failed(TurnFailure::Internal));
        }
        lock(&self.live.held).clear();
        let mut turns = lock(&self.turns.turns);
        if turns.get(&self.live.conversation).is_some_and(|live| live.message == self.live.message) {
            turns.remove(&self.live.conversation);
        }
    }
}

/// Ignores poisoning: a panic while the lock was held leaves plain data that is still valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
