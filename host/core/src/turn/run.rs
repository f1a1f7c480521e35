//! The pipeline of one accepted turn: it settles pending approvals, retrieves passages, and asks the model for at most
//! `TurnLimits::rounds` rounds of tool calls. It stores the answer before readers see the end.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Delivery, Lookup, TurnRequest, Turns,
    cite::Citations,
    dialogue::{self, Omitted},
    draft::Draft,
    failure::TurnFailure,
    live::{LiveTurn, LiveTurnGuard, StopReason, Timing, TurnEvent},
    model_measure::ModelMeasure,
    prompt::instructions,
    store::{AcceptedTurn, FinishedTurn},
    tokens::RoundTokens,
    tools,
};
use crate::{
    approval::{
        Approval, render,
        round::{self, Round},
    },
    conversation::MessageStatus,
    error::StoreError,
    metrics::names,
    model::{
        FinishReason, ModelError, ModelEvent, ModelRequest, NumberedPassage, ProviderData, Role, TokenUsage, ToolCall,
    },
    time::Timestamp,
    trace::{Span, gen_ai},
};

/// Notes that tell the customer that an answer was cut, and why.
const CUT_BY_HOST: &str = "[The answer is cut here: it is longer than this host allows.]";
const CUT_BY_MODEL: &str = "[The answer is cut here: it reached the model's limit.]";
const CUT_BY_FILTER: &str = "[The answer is cut here: a content filter of the model's provider stopped it.]";
const CUT_BY_PROVIDER: &str = "[The answer is cut here: the model's provider ended it early.]";

/// How a turn ended that didn't fail.
pub(super) enum End {
    Complete,
    Cancelled,
    /// A person answers from now on.
    HandedOver,
}

/// The tool calls that a model makes in one round.
#[derive(Default)]
struct Asked {
    calls: Vec<ToolCall>,
    /// Opaque data of the model's provider, which goes back to it with the calls.
    data: ProviderData,
}

/// One running turn.
pub(super) struct Run {
    pub(super) turns: Turns,
    pub(super) request: Arc<TurnRequest>,
    pub(super) accepted: AcceptedTurn,
    pub(super) live: Arc<LiveTurn>,
    lookup: Lookup,
    pub(super) citations: Citations,
    pub(super) steps: Vec<Value>,
    pub(super) draft: Draft,
    pub(super) usage: TokenUsage,
    /// The round that the model is answering. It isn't a part of `usage` yet.
    round: Option<RoundTokens>,
    /// Why the answer ends. `Other` until the model says it.
    pub(super) finish: FinishReason,
    pub(super) timing: Timing,
    accepted_at: Timestamp,
    renewed_at: Timestamp,
    /// The end of the turn while the database doesn't take it.
    pub(super) unstored: Option<FinishedTurn>,
    /// Ends when readers are told of the end.
    span: Span,
}

impl Run {
    pub(super) fn new(
        turns: Turns,
        request: Arc<TurnRequest>,
        accepted: AcceptedTurn,
        live: Arc<LiveTurn>,
        lookup: Lookup,
        timing: Timing,
        span: Span,
    ) -> Self {
        let accepted_at = turns.clock.now();
        let draft = Draft::new(Arc::clone(&live), Arc::clone(&turns.clock));
        Self {
            turns,
            request,
            accepted,
            live,
            lookup,
            citations: Citations::default(),
            steps: Vec::new(),
            draft,
            usage: TokenUsage::default(),
            round: None,
            finish: FinishReason::Other,
            timing,
            accepted_at,
            renewed_at: accepted_at,
            unstored: None,
            span,
        }
    }

    /// Runs the turn until it is complete, cancelled or failed. `_presence` sends readers an end even if this panics.
    pub(super) async fn run_turn(mut self, _presence: LiveTurnGuard) {
        let live = Arc::clone(&self.live);
        let answered = tokio::select! {
            biased;
            stop = live.stopped() => match stop {
                StopReason::Cancelled => Ok(End::Cancelled),
                StopReason::HostStopping => Err(TurnFailure::HostStopping),
            },
            answered = tokio::time::timeout(self.turns.limits.deadline, self.answer()) => {
                answered.unwrap_or(Err(TurnFailure::Deadline))
            }
        };
        self.count_round();
        let failure = match answered {
            Ok(end) => {
                self.draft.release();
                let status = match end {
                    End::Complete => MessageStatus::Complete,
                    End::Cancelled => {
                        self.finish = FinishReason::Other;
                        MessageStatus::Cancelled
                    }
                    End::HandedOver => MessageStatus::HandedOver,
                };
                match self.commit(status, false).await {
                    Ok(ending) => {
                        self.measure(ending.status.name(), false);
                        return self.live.push(TurnEvent::Finished(Arc::new(ending)));
                    }
                    Err(failure) => failure,
                }
            }
            Err(failure) => {
                let refund = self.gives_nothing();
                let status = match failure {
                    TurnFailure::HostStopping if !refund => MessageStatus::Interrupted,
                    _ => MessageStatus::Failed,
                };
                match self.commit(status, refund).await {
                    // Nobody waits for this answer any more.
                    Ok(ending) if ending.status == MessageStatus::HandedOver => {
                        self.measure(ending.status.name(), false);
                        return self.live.push(TurnEvent::Finished(Arc::new(ending)));
                    }
                    Ok(_) => failure,
                    Err(worse) => worse,
                }
            }
        };
        self.measure(failure.slug(), true);
        self.live.push(TurnEvent::Failed(failure));
        self.store_at_last().await;
    }

    /// Measures the turn, which has ended, and ends its span. `failed` says whether `outcome` is the kind of an error.
    fn measure(&mut self, outcome: &'static str, failed: bool) {
        let mut span = std::mem::take(&mut self.span);
        span.set("resly.turn.outcome", outcome);
        gen_ai::set_usage(&mut span, &self.usage);
        if failed {
            span.fail(outcome);
        } else {
            gen_ai::set_finish_reason(&mut span, self.finish);
        }
        let metrics = &self.turns.metrics;
        metrics.count(&names::TURNS, [outcome.into()]);
        metrics.time(&names::TURN_DURATION, [], self.turns.clock.now().since(self.accepted_at));
        if let Some(first) = self.draft.first_left_at() {
            metrics.time(&names::TURN_FIRST_TEXT, [], first.since(self.accepted_at));
        }
    }

    async fn answer(&mut self) -> Result<End, TurnFailure> {
        let organization = self.request.principal.organization;
        let available = self.turns.offers.of(organization).await.map_err(|error| store_failure(&error))?;
        let question = self.accepted.history.iter().rfind(|message| message.role == Role::User);
        let question = question.map(|message| message.content.clone()).unwrap_or_default();
        let (mut messages, omitted) = dialogue::history(&self.accepted.history, self.turns.limits.history_tokens);
        self.steps.extend(omitted.map(Omitted::step));
        if available.workflows.iter().any(|rule| rule.hands_over() && rule.matches(&question)) {
            return self.hand_over_by_rule().await;
        }
        let answered = self.settle(&available, &mut messages).await?;
        let passages = self.retrieve(answered).await;

        let workflows: Vec<String> = available
            .workflows
            .iter()
            .filter(|workflow| workflow.matches(&question))
            .filter_map(|workflow| workflow.instructions.clone())
            .collect();
        let instructions = instructions(&workflows, &self.request.instructions);
        let specs = tools::specs(&available, &self.request.principal);
        let holds = self.request.delivery == Delivery::Text && specs.iter().any(|spec| !spec.actions.is_empty());

        for round in 0..=self.turns.limits.rounds {
            let last = round == self.turns.limits.rounds;
            let request = ModelRequest {
                instructions: instructions.clone(),
                passages: passages.clone(),
                messages: dialogue::well_formed(messages.iter().cloned()),
                tools: if last { Vec::new() } else { specs.clone() },
                max_tokens: self.turns.limits.max_tokens,
            };
            let before = self.draft.text().len();
            self.draft.begin(holds && !last);
            let asked = self.ask(Arc::new(request)).await;
            self.count_round();
            let Asked { calls, data } = asked?;
            if calls.is_empty() {
                return Ok(if self.is_handed_over() { End::HandedOver } else { End::Complete });
            }
            if last {
                return Err(TurnFailure::ToolLoop);
            }
            if self.draft.text().len() > before {
                self.draft.write(render::ending(self.draft.text()));
            }
            self.live.push(TurnEvent::RoundEnded);
            let said = self.draft.text()[before..].to_owned();
            if !said.is_empty() {
                self.draft.break_off();
            }
            let (round, asked) = self.run_calls(calls, &available).await;
            let round = Round { calls: round, data };
            if !asked.is_empty() {
                self.ask_person(asked, round).await?;
                self.finish = FinishReason::ToolCalls;
                return Ok(End::Complete);
            }
            messages.extend(round::exchange(said, round));
        }
        Err(TurnFailure::ToolLoop)
    }

    /// Ends the answer with the question whether to make these calls. The approvals are stored before the question is
    /// shown, and each one holds the text that the person reads, so nobody can confirm what they weren't shown.
    async fn ask_person(&mut self, asked: Vec<Approval>, round: Round) -> Result<(), TurnFailure> {
        let asked = self.turns.approvals.keep(asked, round).await.map_err(|error| store_failure(&error))?;
        for approval in &asked {
            self.live.push(TurnEvent::ApprovalAsked(Arc::new(approval.clone())));
            self.steps.push(tools::asked_step(approval));
        }
        self.draft.write(render::question(&asked));
        Ok(())
    }

    /// Waits for the passages. A customer who only answered a confirmation gets none, because passages found for a
    /// "yes" have nothing to do with the conversation. When retrieval fails, the turn goes on without passages.
    async fn retrieve(&mut self, answered: bool) -> Vec<NumberedPassage> {
        if answered {
            self.lookup.abort_all();
            return Vec::new();
        }
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
        self.push_citations();
        numbered
    }

    /// Asks the model once: streams its text and returns the calls that it makes.
    async fn ask(&mut self, request: Arc<ModelRequest>) -> Result<Asked, TurnFailure> {
        let offered = !request.tools.is_empty();
        let model = Arc::clone(&self.turns.model);
        let mut measure = ModelMeasure::start(&self.turns, self.accepted.conversation);
        self.round = model.is_language_model().then(|| RoundTokens::new(Arc::clone(&request)));
        let mut stream = model.stream(request).await.map_err(|error| self.model_failure(&mut measure, &error))?;
        let mut asked = Asked::default();
        while let Some(event) =
            self.draft.next_event(&mut stream).await.map_err(|error| self.model_failure(&mut measure, &error))?
        {
            measure.observe(&event);
            if let Some(round) = &mut self.round {
                round.observe(&event);
            }
            match event {
                ModelEvent::Cites(numbers) => {
                    self.live.push(TurnEvent::Citations(self.citations.by_numbers(&numbers).into()));
                }
                ModelEvent::Text(text) => {
                    self.draft.write(text);
                    if self.draft.text().len() >= self.turns.limits.answer_bytes {
                        tracing::warn!(bytes = self.draft.text().len(), "the model's answer was cut at the host's cap");
                        self.draft.note(CUT_BY_HOST);
                        self.finish = FinishReason::Length;
                        return Ok(Asked::default());
                    }
                }
                ModelEvent::ToolCall(call) => asked.calls.push(call),
                ModelEvent::Data(data) => asked.data = data,
                ModelEvent::Hidden(_) | ModelEvent::Usage(_) | ModelEvent::Model(_) => {}
                ModelEvent::Finish(reason) => {
                    measure.ended(&self.round.as_ref().map(RoundTokens::usage).unwrap_or_default(), reason);
                    if !offered && !asked.calls.is_empty() {
                        return Err(TurnFailure::ToolLoop);
                    }
                    self.finish = reason;
                    match reason {
                        FinishReason::ToolCalls => return Ok(asked),
                        FinishReason::Stop => {}
                        FinishReason::Length => self.draft.note(CUT_BY_MODEL),
                        FinishReason::ContentFilter => self.draft.note(CUT_BY_FILTER),
                        FinishReason::Other => self.draft.note(CUT_BY_PROVIDER),
                    }
                    return Ok(Asked::default());
                }
            }
            self.renew().await;
        }
        Err(self.model_failure(&mut measure, &ModelError::Truncated { at: model.name().to_owned() }))
    }

    fn model_failure(&mut self, measure: &mut ModelMeasure, error: &ModelError) -> TurnFailure {
        tracing::warn!(%error, "the model failed");
        measure.failed(error);
        if let Some(round) = &mut self.round {
            round.fail();
        }
        error.into()
    }

    /// Adds the tokens of the round to those of the answer.
    fn count_round(&mut self) {
        if let Some(round) = self.round.take() {
            self.usage = self.usage.plus(round.usage());
        }
    }

    pub(super) fn push_citations(&self) {
        self.live.push(TurnEvent::Citations(self.citations.offered().into()));
    }

    /// Renews the turn's lease in the store when a quarter of its length has passed.
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
}

pub(super) fn store_failure(error: &StoreError) -> TurnFailure {
    tracing::error!(%error, "a turn could not be stored");
    match error {
        StoreError::Full { .. } => TurnFailure::DiskFull,
        StoreError::Unavailable { .. } | StoreError::ReadOnly { .. } | StoreError::Broken { .. } => TurnFailure::Store,
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
