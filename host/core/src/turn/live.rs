//! A turn while it runs: a log of events that its one writer appends to and any number of readers follow from the
//! start, so that a client may leave, come back and lose nothing.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::stream::{self, Stream};
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

/// What happens in a turn, in order. `Finished` or `Failed` is the last one, and comes after the answer is committed.
#[derive(Clone, Debug)]
pub enum TurnEvent {
    /// What the answer may cite from now on: the whole list, each time it grows.
    Citations(Arc<[Citation]>),
    /// More of the answer.
    Text(String),
    ToolStarted {
        id: String,
        name: String,
        input: Value,
    },
    /// `output` is what the model sees, as JSON; on failure it is `{"error", "message"}`.
    ToolFinished {
        id: String,
        name: String,
        ok: bool,
        output: Value,
    },
    /// A call that was started waits for a person. The turn ends when all calls of its round were looked at.
    ApprovalAsked(Arc<Approval>),
    /// A person didn't confirm a call; nothing was done.
    ToolDenied {
        id: String,
        name: String,
    },
    /// The model's round is over; its calls follow.
    RoundEnded,
    Finished(Arc<Ending>),
    Failed(TurnFailure),
}

/// How a turn ended well, or was cancelled.
#[derive(Clone, Debug)]
pub struct Ending {
    pub status: MessageStatus,
    pub text: String,
    /// What the text cites, by the numbers that it names.
    pub citations: Vec<Citation>,
    /// Why it ended. Anything but `Stop` and `ToolCalls` means that it is cut.
    pub finish: FinishReason,
    /// As they are stored.
    pub steps: Vec<Value>,
    pub usage: TokenUsage,
    pub timing: Timing,
}

/// What the host itself took, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    pub accept_us: u64,
    pub retrieve_us: u64,
    pub tools_us: u64,
    pub commit_us: u64,
}

/// Why a turn stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its customer wants no more.
    Cancelled,
    /// The host ends.
    HostStopping,
}

/// A turn that readers can follow.
pub struct LiveTurn {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    pub message: MessageId,
    /// The client's id for the answer that this one goes on from.
    pub continues: Option<String>,
    events: Mutex<Vec<TurnEvent>>,
    /// How many events there are; the writer's end closes it.
    written: watch::Sender<usize>,
    stopped: watch::Sender<Option<Stop>>,
    /// Dropped when the turn ends.
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

    /// Keeps something until the turn ends, whoever follows it: a permit, say.
    pub fn keep_until_end(&self, what: impl Send + 'static) {
        let mut held = lock(&self.held);
        if !self.has_ended() {
            held.push(Box::new(what));
        }
    }

    /// Every event from the first on, as it comes. The stream ends after `Finished` or `Failed`.
    pub fn follow(self: &Arc<Self>) -> impl Stream<Item = TurnEvent> + Send + use<> {
        let reader = (Arc::clone(self), self.written.subscribe(), 0_usize, false);
        stream::unfold(reader, |(live, mut written, next, ended)| async move {
            if ended {
                return None;
            }
            written.wait_for(|count| *count > next).await.ok()?;
            let event = lock(&live.events).get(next).cloned()?;
            let ended = matches!(event, TurnEvent::Finished(_) | TurnEvent::Failed(_));
            Some((event, (live, written, next + 1, ended)))
        })
    }

    /// Asks the turn to stop. What it has written until then is kept.
    pub fn cancel(&self) {
        self.stop(Stop::Cancelled);
    }

    fn stop(&self, stop: Stop) {
        // The first reason stays.
        self.stopped.send_if_modified(|stopped| stopped.replace(stopped.unwrap_or(stop)).is_none());
    }

    pub(super) async fn stopped(&self) -> Stop {
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as `self`: it can't be closed while this waits.
        stopped.wait_for(Option::is_some).await.ok().and_then(|stop| *stop).unwrap_or(Stop::Cancelled)
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
        lock(&self.events).last().is_some_and(|event| matches!(event, TurnEvent::Finished(_) | TurnEvent::Failed(_)))
    }
}

/// The turns that this host is running, by conversation: the newest of each.
#[derive(Default)]
pub struct LiveTurns(Mutex<HashMap<ConversationId, Arc<LiveTurn>>>);

impl LiveTurns {
    /// The turn in progress of a conversation.
    pub fn find(&self, organization: OrganizationId, conversation: ConversationId) -> Option<Arc<LiveTurn>> {
        lock(&self.0).get(&conversation).filter(|live| live.organization == organization).cloned()
    }

    /// Whether this host is writing an answer.
    pub fn writes(&self, answer: MessageId) -> bool {
        lock(&self.0).values().any(|live| live.message == answer)
    }

    /// How many turns are running.
    pub fn count(&self) -> usize {
        lock(&self.0).len()
    }

    /// Cancels those of the answers that this host is writing.
    pub fn cancel(&self, answers: &[MessageId]) {
        for live in lock(&self.0).values().filter(|live| answers.contains(&live.message)) {
            live.cancel();
        }
    }

    /// Ends every running turn as interrupted, so that its readers learn that it isn't whole.
    pub fn interrupt_all(&self) {
        for live in lock(&self.0).values() {
            live.stop(Stop::HostStopping);
        }
    }

    pub(super) fn enter(self: &Arc<Self>, live: Arc<LiveTurn>) -> LiveTurnGuard {
        lock(&self.0).insert(live.conversation, Arc::clone(&live));
        LiveTurnGuard { turns: Arc::clone(self), live }
    }
}

/// A turn's place among the running ones. However the turn goes, its readers see an end.
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
        let mut turns = lock(&self.turns.0);
        if turns.get(&self.live.conversation).is_some_and(|live| live.message == self.live.message) {
            turns.remove(&self.live.conversation);
        }
    }
}

/// A panic while it was held leaves plain data that is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
