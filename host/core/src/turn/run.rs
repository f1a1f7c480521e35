//! The pipeline of one accepted turn: retrieve, settle what waited for a person, ask the model, run its tools, ask again,
//! at most N rounds; then commit the answer, and only then say that it is finished.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use serde_json::Value;

use super::{
    Delivery, Lookup, TurnRequest, Turns,
    cite::Citations,
    failure::TurnFailure,
    live::{Ending, LiveTurn, Presence, Timing, TurnEvent},
    prompt::instructions,
    store::{AcceptedTurn, FinishedTurn},
    tools::{self, Ran, Toolbox},
};
use crate::{
    approval::{Approval, render},
    connector::offer::Offer,
    conversation::{MessageStatus, Role},
    error::StoreError,
    model::{
        FinishReason, ModelError, ModelEvent, ModelMessage, ModelRequest, ModelStream, NumberedPassage, TokenUsage,
        ToolCall,
    },
    time::Timestamp,
};

/// In text, a client reads its headers with the first byte, so prose that a model writes before it calls a connector
/// is held until there is this much of it, a new line, the round's end, or `HOLD_FOR`.
const HOLD_BYTES: usize = 160;
const HOLD_FOR: Duration = Duration::from_secs(10);
const MAX_TOKENS: u32 = 4096;

/// What is cut is said to be cut.
const CUT_BY_HOST: &str = "\n\n[The answer is cut here: it is longer than this host allows.]";
const CUT_BY_MODEL: &str = "\n\n[The answer is cut here: it reached the model's limit.]";

/// How a turn that wasn't a failure ended.
enum End {
    Complete,
    Cancelled,
}

/// One turn under way.
pub(super) struct Run {
    pub(super) turns: Turns,
    pub(super) request: TurnRequest,
    pub(super) accepted: AcceptedTurn,
    pub(super) live: Arc<LiveTurn>,
    lookup: Lookup,
    pub(super) citations: Citations,
    pub(super) steps: Vec<Value>,
    /// What was written, released to readers or still held.
    text: String,
    /// How much of `text` readers have.
    released: usize,
    holding_since: Option<Timestamp>,
    usage: TokenUsage,
    pub(super) timing: Timing,
    renewed_at: Timestamp,
}

impl Run {
    pub(super) fn new(
        turns: Turns,
        request: TurnRequest,
        accepted: AcceptedTurn,
        live: Arc<LiveTurn>,
        lookup: Lookup,
        timing: Timing,
    ) -> Self {
        let renewed_at = turns.clock.now();
        Self {
            turns,
            request,
            accepted,
            live,
            lookup,
            citations: Citations::default(),
            steps: Vec::new(),
            text: String::new(),
            released: 0,
            holding_since: None,
            usage: TokenUsage::default(),
            timing,
            renewed_at,
        }
    }

    /// Runs to the end, whatever the end is. `_presence` gives the readers one even if this panics.
    pub(super) async fn run_on(mut self, _presence: Presence) {
        let live = Arc::clone(&self.live);
        let answered = tokio::select! {
            biased;
            () = live.cancelled() => Ok(End::Cancelled),
            answered = tokio::time::timeout(self.turns.limits.deadline, self.answer()) => {
                answered.unwrap_or(Err(TurnFailure::Deadline))
            }
        };
        let failure = match answered {
            Ok(end) => {
                self.release();
                match self
                    .commit(
                        match end {
                            End::Complete => MessageStatus::Complete,
                            End::Cancelled => MessageStatus::Cancelled,
                        },
                        false,
                    )
                    .await
                {
                    Ok(ending) => return self.live.push(TurnEvent::Finished(Arc::new(ending))),
                    Err(failure) => failure,
                }
            }
            Err(failure) => {
                // Nothing of the answer has left: the customer got nothing, so the organization pays nothing.
                let refund = self.released == 0 || self.request.delivery == Delivery::Whole;
                match self.commit(MessageStatus::Failed, refund).await {
                    Ok(_) => failure,
                    Err(worse) => worse,
                }
            }
        };
        self.live.push(TurnEvent::Failed(failure));
    }

    async fn answer(&mut self) -> Result<End, TurnFailure> {
        let organization = self.request.principal.organization;
        let offer = self.turns.offers.of(organization).await.map_err(|error| store_failure(&error))?;
        let question = self.accepted.history.iter().rfind(|message| message.role == Role::User);
        let question = question.map(|message| message.content.clone()).unwrap_or_default();
        let passages = self.retrieve().await;

        let workflows: Vec<String> = offer
            .workflows
            .iter()
            .filter(|workflow| workflow.matches(&question))
            .filter_map(|workflow| workflow.instructions.clone())
            .collect();
        let instructions = instructions(&workflows, &self.request.instructions);
        let specs = tools::specs(&offer, &self.request.principal);
        let holds = self.request.delivery == Delivery::Text && specs.iter().any(|spec| !spec.actions.is_empty());
        let mut messages: Vec<ModelMessage> = self
            .accepted
            .history
            .iter()
            .filter(|message| !message.content.is_empty())
            .map(|message| ModelMessage::Text { role: message.role, text: message.content.clone() })
            .collect();
        self.settle(&offer, &mut messages).await?;

        for round in 0..=self.turns.limits.rounds {
            let last = round == self.turns.limits.rounds;
            let request = ModelRequest {
                instructions: instructions.clone(),
                passages: passages.clone(),
                messages: messages.clone(),
                tools: if last { Vec::new() } else { specs.clone() },
                max_tokens: MAX_TOKENS,
            };
            let before = self.text.len();
            self.holding_since = (holds && !last).then(|| self.turns.clock.now());
            let calls = self.ask(request).await?;
            if calls.is_empty() {
                return Ok(End::Complete);
            }
            if last {
                return Err(TurnFailure::ToolLoop);
            }
            if self.text.len() > before {
                self.write(render::ending(&self.text));
            }
            self.live.push(TurnEvent::RoundEnded);
            messages.push(ModelMessage::ToolCalls { text: self.text[before..].to_owned(), calls: calls.clone() });
            if self.text.len() > before {
                self.text.push_str("\n\n");
            }
            let mut asked = Vec::new();
            for (at, call) in calls.iter().enumerate() {
                let within = at < self.turns.limits.calls_per_round;
                if let Some(content) = self.run_tool(call, within, &offer, &mut asked).await {
                    messages.push(ModelMessage::ToolResult {
                        call_id: call.id.clone(),
                        name: call.name.clone(),
                        content,
                    });
                }
            }
            if !asked.is_empty() {
                self.ask_person(&asked);
                return Ok(End::Complete);
            }
        }
        Err(TurnFailure::ToolLoop)
    }

    /// Ends the answer with the question whether to make those calls. Record and words come together, so that nobody
    /// confirms what they weren't shown.
    fn ask_person(&mut self, asked: &[Approval]) {
        self.steps.extend(asked.iter().map(tools::asked_step));
        self.write(render::question(asked));
    }

    /// What is known about the question. An answer without passages is better than none.
    async fn retrieve(&mut self) -> Vec<NumberedPassage> {
        let passages = match self.lookup.join_next().await {
            Some(Ok((found, took))) => {
                self.timing.retrieve_us = took;
                found.map_err(|error| error.to_string())
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(Vec::new()),
        };
        let passages = passages.unwrap_or_else(|error| {
            tracing::error!(error, "retrieval failed; answering without passages");
            Vec::new()
        });
        let numbered: Vec<_> = passages
            .into_iter()
            .map(|passage| NumberedPassage { n: self.citations.passage(&passage), passage })
            .collect();
        self.tell_citations();
        numbered
    }

    /// One round with the model: streams its text, returns the calls it wants.
    async fn ask(&mut self, request: ModelRequest) -> Result<Vec<ToolCall>, TurnFailure> {
        let offered = !request.tools.is_empty();
        let model = Arc::clone(&self.turns.model);
        let fail = |error: ModelError| {
            tracing::warn!(%error, "the model failed");
            TurnFailure::from(&error)
        };
        let mut stream = model.stream(request).await.map_err(fail)?;
        let mut calls = Vec::new();
        while let Some(event) = self.next_event(&mut stream).await {
            match event.map_err(fail)? {
                ModelEvent::Text(text) => {
                    self.write(text);
                    if self.text.len() >= self.turns.limits.answer_bytes {
                        tracing::warn!(bytes = self.text.len(), "the model's answer was cut at the host's cap");
                        self.write(CUT_BY_HOST.to_owned());
                        return Ok(Vec::new());
                    }
                }
                ModelEvent::ToolCall(call) => calls.push(call),
                ModelEvent::Finish { reason, usage } => {
                    self.usage.input += usage.input;
                    self.usage.output += usage.output;
                    if !offered && !calls.is_empty() {
                        return Err(TurnFailure::ToolLoop);
                    }
                    if reason == FinishReason::Length {
                        self.write(CUT_BY_MODEL.to_owned());
                    }
                    if reason != FinishReason::ToolCalls {
                        calls.clear();
                    }
                    return Ok(calls);
                }
            }
            self.renew().await;
        }
        fail(ModelError::Truncated { at: model.name().to_owned() });
        Err(TurnFailure::ModelBroken)
    }

    /// The model's next event; what is held meanwhile is let go when its time is over.
    async fn next_event(&mut self, stream: &mut ModelStream) -> Option<Result<ModelEvent, ModelError>> {
        if self.holding_since.is_some() && self.released < self.text.len() {
            match tokio::time::timeout(HOLD_FOR, stream.next()).await {
                Ok(event) => return event,
                Err(_) => self.release(),
            }
        }
        stream.next().await
    }

    fn write(&mut self, text: String) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(&text);
        let Some(since) = self.holding_since else {
            // Nothing is held: what was written is what is released, without another look at it.
            if self.released + text.len() == self.text.len() {
                self.released = self.text.len();
                return self.live.push(TurnEvent::Text(text));
            }
            return self.release();
        };
        let held = &self.text[self.released..];
        let long = held.len() > HOLD_BYTES || held.trim_start().contains('\n');
        if long || self.turns.clock.now().since(since) >= HOLD_FOR {
            self.holding_since = None;
            self.release();
        }
    }

    /// Gives readers all that was written.
    fn release(&mut self) {
        if self.released < self.text.len() {
            self.live.push(TurnEvent::Text(self.text[self.released..].to_owned()));
            self.released = self.text.len();
        }
    }

    /// Runs a tool; what the model is told of it. `None` when a person has to confirm it, which `asked` then holds.
    async fn run_tool(
        &mut self,
        call: &ToolCall,
        within: bool,
        offer: &Arc<Offer>,
        asked: &mut Vec<Approval>,
    ) -> Option<String> {
        let started = self.turns.clock.now();
        let input = serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::String(call.arguments.clone()));
        self.live.push(TurnEvent::ToolStarted { id: call.id.clone(), name: call.name.clone(), input });
        let known = self.citations.offered().len();
        let toolbox = Toolbox {
            turns: &self.turns,
            principal: &self.request.principal,
            visitor: self.request.visitor.as_deref(),
            accepted: &self.accepted,
            offer: Arc::clone(offer),
        };
        let ran = if within {
            toolbox.run(call, asked, &mut self.citations).await
        } else {
            let most = self.turns.limits.calls_per_round;
            let message = format!("only the first {most} calls of a round are made; call it again if it is needed");
            Ran::Done(toolbox.failed(&call.name, "too_many_calls", &message))
        };
        if self.citations.offered().len() > known {
            self.tell_citations();
        }
        let content = match ran {
            Ran::Done(result) => {
                self.steps.push(result.step);
                let (id, name) = (call.id.clone(), call.name.clone());
                self.live.push(TurnEvent::ToolFinished { id, name, ok: result.ok, output: result.output });
                Some(result.content)
            }
            Ran::Asks(approval) => {
                self.live.push(TurnEvent::ApprovalAsked(Arc::new((*approval).clone())));
                asked.push(*approval);
                None
            }
        };
        self.timing.tools_us += micros(self.turns.clock.now().since(started));
        self.renew().await;
        content
    }

    pub(super) fn tell_citations(&self) {
        self.live.push(TurnEvent::Citations(self.citations.offered().into()));
    }

    /// A sign of life for the store, a few times within a lease.
    pub(super) async fn renew(&mut self) {
        let now = self.turns.clock.now();
        if now.since(self.renewed_at) < self.turns.limits.lease / 4 {
            return;
        }
        self.renewed_at = now;
        let until = now.plus(self.turns.limits.lease);
        let renewed =
            self.turns.store.renew_turn(self.request.principal.organization, self.accepted.answer, until).await;
        if let Err(error) = renewed {
            tracing::warn!(%error, "a turn's lease could not be renewed");
        }
    }

    async fn commit(&mut self, status: MessageStatus, refund: bool) -> Result<Ending, TurnFailure> {
        let now = self.turns.clock.now();
        let citations = self.citations.cited(&self.text);
        let finished = FinishedTurn {
            organization: self.request.principal.organization,
            answer: self.accepted.answer,
            content: self.text.clone(),
            status,
            citations: citations.clone(),
            steps: std::mem::take(&mut self.steps),
            refund,
            now,
        };
        self.turns.store.finish_turn(finished).await.map_err(|error| store_failure(&error))?;
        self.timing.commit_us = micros(self.turns.clock.now().since(now));
        Ok(Ending { status, text: std::mem::take(&mut self.text), citations, usage: self.usage, timing: self.timing })
    }
}

pub(super) fn store_failure(error: &StoreError) -> TurnFailure {
    tracing::error!(%error, "a turn could not be stored");
    TurnFailure::Store
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
