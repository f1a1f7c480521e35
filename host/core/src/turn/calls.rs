//! Runs the tool calls of one round: reads at the same time, writes alone, with the results in the model's order.

use std::collections::VecDeque;

use futures::{StreamExt, stream};
use serde_json::Value;

use super::{
    live::TurnEvent,
    run::{Run, micros},
    tools::{ToolOutcome, Toolbox},
};
use crate::{
    approval::{Approval, round::RoundCall},
    connector::{available::ActionSet, tool_error::ToolErrorKind},
    model::ToolCall,
};

/// How many reads of one round run at the same time.
const READS_AT_ONCE: usize = 4;

/// A call with the host's own id. Models choose ids freely, and some repeat the same ids in every round.
struct NamedCall {
    id: String,
    call: ToolCall,
    /// False when the round already has `calls_per_round` calls. Such a call isn't made.
    within: bool,
}

impl Run {
    /// Runs the calls of a round. Returns all calls, and the approvals of those that wait for a person.
    pub(super) async fn run_calls(
        &mut self,
        calls: Vec<ToolCall>,
        available: &ActionSet,
    ) -> (Vec<RoundCall>, Vec<Approval>) {
        let most = self.turns.limits.calls_per_round;
        let (mut done, mut asked) = (Vec::with_capacity(calls.len()), Vec::new());
        let named = calls.into_iter().enumerate().map(|(at, call)| NamedCall {
            id: self.turns.new_call_id(),
            call,
            within: at < most,
        });
        let mut left: VecDeque<NamedCall> = named.collect();
        while !left.is_empty() {
            let group: Vec<NamedCall> = left.drain(..self.next_group(&left, available)).collect();
            let started = self.turns.clock.now();
            self.run_group(group, available, &mut done, &mut asked).await;
            self.timing.tools_us += micros(self.turns.clock.now().since(started));
            self.renew().await;
        }
        (done, asked)
    }

    /// How many of the calls run next: one write, or all reads before the next write. Reads and writes so keep the
    /// model's order, and each read shows the state that the model expects.
    fn next_group(&self, calls: &VecDeque<NamedCall>, available: &ActionSet) -> usize {
        let toolbox = self.toolbox(available);
        let reads = calls.iter().take_while(|named| !named.within || toolbox.is_read(&named.call));
        reads.count().max(1)
    }

    async fn run_group(
        &mut self,
        group: Vec<NamedCall>,
        available: &ActionSet,
        done: &mut Vec<RoundCall>,
        asked: &mut Vec<Approval>,
    ) {
        let known = self.citations.offered().len();
        let mut asked_now = Vec::new();
        {
            let Self { turns, request, accepted, live, citations, steps, .. } = &mut *self;
            let toolbox = Toolbox {
                turns,
                principal: &request.principal,
                visitor: request.visitor.as_deref(),
                accepted,
                available,
            };
            let (toolbox, asked, live) = (&toolbox, &*asked, &*live);
            let runs = group.into_iter().map(|named| async move {
                let NamedCall { id, call, within } = named;
                let input =
                    serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::String(call.arguments.clone()));
                live.push(TurnEvent::ToolStarted { id: id.clone(), name: call.name.clone(), input });
                let ran = if within { toolbox.run(&id, &call, asked).await } else { toolbox.over_limit(&call) };
                (id, call, ran)
            });
            let mut runs = stream::iter(runs.collect::<Vec<_>>()).buffered(READS_AT_ONCE);
            while let Some((id, call, ran)) = runs.next().await {
                let (content, cites) = match toolbox.render(ran, citations) {
                    Ok(result) => {
                        steps.push(result.step);
                        let (id, name) = (id.clone(), call.name.clone());
                        live.push(TurnEvent::ToolFinished { id, name, ok: result.ok, output: result.output });
                        (Some(result.content), citations.by_numbers(&result.cites))
                    }
                    Err(approval) => {
                        asked_now.push(*approval);
                        (None, Vec::new())
                    }
                };
                done.push(RoundCall::new(id, call, content, cites));
            }
        }
        asked.append(&mut asked_now);
        if self.citations.offered().len() > known {
            self.push_citations();
        }
    }

    fn toolbox<'a>(&'a self, available: &'a ActionSet) -> Toolbox<'a> {
        Toolbox {
            turns: &self.turns,
            principal: &self.request.principal,
            visitor: self.request.visitor.as_deref(),
            accepted: &self.accepted,
            available,
        }
    }
}

impl Toolbox<'_> {
    /// The result of a call beyond the limit of its round.
    fn over_limit(&self, call: &ToolCall) -> ToolOutcome {
        let most = self.turns.limits.calls_per_round;
        let message = format!("only the first {most} calls of a round are made; call it again if it is needed");
        ToolOutcome::Done(self.failed(&call.name, ToolErrorKind::TooManyCalls, &message))
    }
}
