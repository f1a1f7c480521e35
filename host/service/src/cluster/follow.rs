//! Follows and cancels an answer in progress, whichever host writes it.
//!
//! An answer of another host is followed by asking that host for the turn's events. When the connection breaks off, it is
//! asked again, and the events that came before are left out. A host that refuses connections may be draining and still
//! write, so its row decides: while its lease is valid, the turn's row is read until the answer has ended, and what is
//! stored completes what was sent. When the lease is over and the host stays away, the turn is ended for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use resly_core::{
    approval::ChatClient,
    boxed,
    conversation::{Message, MessageStatus},
    error::StoreError,
    id::{ConversationId, MessageId},
    model::FinishReason,
    turn::{
        Delivery,
        failure::TurnFailure,
        live::{AnswerEvents, LiveTurn, Timing, TurnEvent, TurnResult},
        store::{AnswerInProgress, AnswerWriter},
    },
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    TurnAddress,
    client::{EventReader, PeerError},
    takeover::{self, Absence, RETRY},
};
use crate::App;

/// How long the host that writes an answer may take to cancel it. It also looks for such requests in the database.
const CANCEL: Duration = Duration::from_secs(1);

/// An answer in progress.
pub enum InProgress {
    /// This host writes it.
    Here(Arc<LiveTurn>),
    /// Another host writes it.
    Elsewhere(AnswerEvents),
    /// Another host writes it, and has told no address.
    Unreachable(MessageId),
    Nothing,
}

/// Follows the answer in progress in a conversation. A conversation of another organization, visitor or publishable key
/// looks like one without an answer in progress.
#[boxed]
pub async fn follow(
    app: &Arc<App>,
    person: &ChatClient,
    conversation: &str,
    delivery: Delivery,
) -> Result<InProgress, StoreError> {
    let (conversation, found) = match find(app, person, conversation).await? {
        Found::Here(live) => return Ok(InProgress::Here(live)),
        Found::Elsewhere(conversation, found) => (conversation, found),
        Found::Nothing => return Ok(InProgress::Nothing),
    };
    let Some(turn) = address(app, person, &found).filter(|_| found.writer.url.is_some() || !found.writer.alive) else {
        return Ok(InProgress::Unreachable(found.answer));
    };
    let message = app.turns.store.message(person.organization, found.answer).await?;
    let limits = app.turns.limits;
    let follower = Follower {
        app: Arc::clone(app),
        person: person.clone(),
        turn,
        whole: delivery == Delivery::Whole,
        reader: None,
        readable: true,
        received: 0,
        to_skip: 0,
        text_bytes: 0,
        queue: VecDeque::new(),
        over: false,
        absence: Absence::default(),
        until: Instant::now() + limits.deadline + limits.lease,
    };
    let events = stream::unfold(follower, |mut follower| async move { Some((follower.next().await?, follower)) });
    Ok(InProgress::Elsewhere(AnswerEvents {
        conversation,
        message: found.answer,
        continues: message.and_then(|message| message.client_id),
        events: events.boxed(),
    }))
}

/// Cancels the answer in progress in a conversation.
#[boxed]
pub async fn cancel(app: &App, person: &ChatClient, conversation: &str) -> Result<(), StoreError> {
    let found = match find(app, person, conversation).await? {
        Found::Here(live) => {
            live.cancel();
            return Ok(());
        }
        Found::Elsewhere(_, found) => found,
        Found::Nothing => return Ok(()),
    };
    // The row has to say it first, because the host may be out of reach.
    app.turns.store.request_cancel(person.organization, found.answer).await?;
    if let (Some(turn), Some(url)) = (address(app, person, &found), &found.writer.url) {
        let told = timeout(CANCEL, app.cluster.cancel_turn(url, &turn)).await;
        if let Err(error) = told.unwrap_or(Err(PeerError::Slow)) {
            tracing::debug!(%error, url, "a host was not told to cancel an answer: it finds the request in the database");
        }
    }
    Ok(())
}

/// Where an answer in progress is written.
enum Found {
    Here(Arc<LiveTurn>),
    Elsewhere(ConversationId, AnswerInProgress),
    Nothing,
}

async fn find(app: &App, person: &ChatClient, conversation: &str) -> Result<Found, StoreError> {
    let (store, organization) = (&app.turns.store, person.organization);
    let Some(conversation) = store.find_conversation(person, conversation).await? else { return Ok(Found::Nothing) };
    if let Some(live) = app.turns.live.find(organization, conversation) {
        return Ok(Found::Here(live));
    }
    let found = store.answer_in_progress(organization, conversation, app.clock.now()).await?;
    // A turn of this host is in the database a moment before it is in memory.
    if let Some(live) = app.turns.live.find(organization, conversation) {
        return Ok(Found::Here(live));
    }
    Ok(found.map_or(Found::Nothing, |found| Found::Elsewhere(conversation, found)))
}

/// The turn's address, if another host writes it.
fn address(app: &App, person: &ChatClient, found: &AnswerInProgress) -> Option<TurnAddress> {
    let host = found.writer.host.filter(|host| *host != app.cluster.id)?;
    Some(TurnAddress { host, organization: person.organization, answer: found.answer })
}

/// One reader of an answer that another host writes.
struct Follower {
    app: Arc<App>,
    person: ChatClient,
    turn: TurnAddress,
    /// Whether the reader wants the answer as one object at its end.
    whole: bool,
    /// The open connection to the host that writes the answer.
    reader: Option<EventReader>,
    /// False after that host sent an event that this one can't read.
    readable: bool,
    /// The events that came from that host.
    received: usize,
    /// The events of the open connection that came before, over an earlier one.
    to_skip: usize,
    /// Bytes of the answer's text that came.
    text_bytes: usize,
    queue: VecDeque<TurnEvent>,
    over: bool,
    absence: Absence,
    /// When to give up.
    until: Instant,
}

impl Follower {
    async fn next(&mut self) -> Option<TurnEvent> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            let app = Arc::clone(&self.app);
            tokio::select! {
                biased;
                () = app.turns.live.interrupted() => self.end([TurnEvent::Failed(TurnFailure::HostStopping)]),
                () = tokio::time::sleep_until(self.until) => self.end([TurnEvent::Failed(TurnFailure::Deadline)]),
                () = self.advance() => {}
            }
        }
    }

    /// Makes one step towards the next event.
    async fn advance(&mut self) {
        if let Some(reader) = &mut self.reader {
            match reader.next().await {
                Ok(event) => return self.receive(event),
                Err(error) => {
                    self.readable = !matches!(error, PeerError::Event(_) | PeerError::TooLong);
                    tracing::info!(%error, host = %self.turn.host, "an answer of another host is followed no longer");
                    self.reader = None;
                }
            }
        }
        let TurnAddress { organization, answer, .. } = self.turn;
        match self.app.turns.store.answer_writer(organization, answer, self.app.clock.now()).await {
            Ok(Some(writer)) => self.reach(writer).await,
            Ok(None) => self.complete().await,
            Err(error) => {
                tracing::warn!(%error, "who writes an answer could not be looked up");
                sleep(RETRY).await;
            }
        }
    }

    fn receive(&mut self, event: TurnEvent) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return;
        }
        self.received += 1;
        if let TurnEvent::Text(text) = &event {
            self.text_bytes += text.len();
        }
        self.over = event.is_last();
        self.queue.push_back(event);
    }

    fn end(&mut self, events: impl IntoIterator<Item = TurnEvent>) {
        self.queue.extend(events);
        self.over = true;
    }

    /// Connects to the host that writes the answer. Ends the turn for a host that is gone.
    async fn reach(&mut self, writer: AnswerWriter) {
        if let Some(url) = writer.url.as_ref().filter(|_| self.readable) {
            match self.app.cluster.follow_turn(url, &self.turn).await {
                Ok(reader) => {
                    self.reader = Some(reader);
                    self.to_skip = self.received;
                    self.absence.end();
                    return;
                }
                Err(error) => tracing::debug!(%error, url, "the host that writes an answer doesn't send it"),
            }
        }
        if self.absence.makes_gone(&writer) {
            match takeover::end(&self.app, &self.turn).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, "an answer of a host that is gone could not be ended"),
            }
        }
        sleep(RETRY).await;
    }

    /// Completes what was sent by what is stored, after the answer has ended.
    async fn complete(&mut self) {
        match self.stored().await {
            Ok(Some((message, approvals))) => {
                let events = self.rest(message, approvals);
                self.end(events);
            }
            Ok(None) => self.end([TurnEvent::Failed(TurnFailure::Interrupted)]),
            Err(error) => {
                tracing::warn!(%error, "an answer that has ended could not be read");
                sleep(RETRY).await;
            }
        }
    }

    /// The stored answer, with the events of its approvals unless the writing host sent them.
    async fn stored(&self) -> Result<Option<(Message, Vec<TurnEvent>)>, StoreError> {
        let turns = &self.app.turns;
        let Some(message) = turns.store.message(self.turn.organization, self.turn.answer).await? else {
            return Ok(None);
        };
        if self.received > 0 {
            return Ok(Some((message, Vec::new())));
        }
        let replay = turns.replay(message, &self.person).await?;
        let mut events = vec![TurnEvent::Citations(replay.message.citations.clone().into())];
        events.extend(replay.events());
        Ok(Some((replay.message, events)))
    }

    fn rest(&self, message: Message, mut events: Vec<TurnEvent>) -> Vec<TurnEvent> {
        let Some(rest) = message.content.get(self.text_bytes..) else {
            return vec![TurnEvent::Failed(TurnFailure::Interrupted)];
        };
        if !rest.is_empty() {
            events.push(TurnEvent::Text(rest.to_owned()));
        }
        events.push(match message.status {
            MessageStatus::Complete | MessageStatus::Cancelled | MessageStatus::HandedOver => finished(message),
            // Only this format can say that the answer isn't whole.
            MessageStatus::Interrupted if self.whole => finished(message),
            MessageStatus::Failed | MessageStatus::Interrupted | MessageStatus::Streaming => {
                TurnEvent::Failed(TurnFailure::Interrupted)
            }
        });
        events
    }
}

fn finished(message: Message) -> TurnEvent {
    TurnEvent::Finished(Arc::new(TurnResult {
        status: message.status,
        text: message.content,
        citations: message.citations,
        finish: message.finish.unwrap_or(FinishReason::Other),
        steps: message.steps,
        usage: message.usage.unwrap_or_default(),
        timing: Timing::default(),
    }))
}
