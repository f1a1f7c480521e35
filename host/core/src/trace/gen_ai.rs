//! The spans of generative AI, by OpenTelemetry's semantic conventions 1.41: which exist, and their attributes.
//!
//! The conventions have attributes for contents: instructions, messages, arguments, results and documents. None of them is
//! set here.

use super::{Span, SpanKind, Tracer};
use crate::{
    id::{ConversationId, OrganizationId},
    model::{FinishReason, TokenUsage},
};

/// The agent that answers chats, as spans name it.
const AGENT: &str = "resly";
pub const CHAT: &str = "chat";
const INVOKE_AGENT: &str = "invoke_agent";
const EXECUTE_TOOL: &str = "execute_tool";
const RETRIEVAL: &str = "retrieval";

const OPERATION: &str = "gen_ai.operation.name";
const CONVERSATION: &str = "gen_ai.conversation.id";
const ORGANIZATION: &str = "resly.organization.id";

/// The provider and the model of a [`crate::model::Model::name`]. The built-in model is the host's own.
pub fn provider_and_model(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or((AGENT, name))
}

/// A turn, from its question to its end.
pub fn invoke_agent(tracer: &Tracer, model: &str, organization: OrganizationId) -> Span {
    let mut span = tracer.start(SpanKind::Internal, format_args!("{INVOKE_AGENT} {AGENT}"));
    span.set(OPERATION, INVOKE_AGENT);
    span.set("gen_ai.agent.name", AGENT);
    set_model(&mut span, model);
    span.set_display(ORGANIZATION, organization);
    span
}

/// One request to the model, to the end of its stream.
pub fn chat(tracer: &Tracer, model: &str, max_tokens: u32) -> Span {
    let (_, name) = provider_and_model(model);
    let mut span = tracer.start(SpanKind::Client, format_args!("{CHAT} {name}"));
    span.set(OPERATION, CHAT);
    set_model(&mut span, model);
    span.set("gen_ai.request.max_tokens", u64::from(max_tokens));
    span.set("gen_ai.request.stream", true);
    span
}

/// A search of the organization's knowledge.
pub fn retrieval(tracer: &Tracer, organization: OrganizationId) -> Span {
    let mut span = tracer.start(SpanKind::Internal, format_args!("{RETRIEVAL}"));
    span.set(OPERATION, RETRIEVAL);
    span.set_display(ORGANIZATION, organization);
    span
}

/// A connector call. Its name follows by [`set_tool`], because a caller may name an action that doesn't exist.
pub fn execute_tool(tracer: &Tracer, organization: OrganizationId) -> Span {
    let mut span = tracer.start(SpanKind::Internal, format_args!("{EXECUTE_TOOL}"));
    span.set(OPERATION, EXECUTE_TOOL);
    span.set("gen_ai.tool.type", "extension");
    span.set_display(ORGANIZATION, organization);
    span
}

/// Says which tool it is: an action, by its id in the connector's manifest.
pub fn set_tool(span: &mut Span, action: &str) {
    span.rename(format_args!("{EXECUTE_TOOL} {action}"));
    span.set("gen_ai.tool.name", action);
}

pub fn set_conversation(span: &mut Span, conversation: ConversationId) {
    span.set_display(CONVERSATION, conversation);
}

/// Says which model wrote the answer. A provider may choose another one than it was asked for.
pub fn set_response_model(span: &mut Span, model: &str) {
    span.set("gen_ai.response.model", model);
}

pub fn set_time_to_first_chunk(span: &mut Span, seconds: f64) {
    span.set("gen_ai.response.time_to_first_chunk", seconds);
}

pub fn set_finish_reason(span: &mut Span, reason: FinishReason) {
    span.set("gen_ai.response.finish_reasons", vec![finish_reason(reason)]);
}

pub fn set_usage(span: &mut Span, usage: &TokenUsage) {
    span.set("gen_ai.usage.input_tokens", usage.input);
    span.set("gen_ai.usage.output_tokens", usage.output);
    if usage.cached_input > 0 {
        span.set("gen_ai.usage.cache_read.input_tokens", usage.cached_input);
    }
    if usage.estimated {
        span.set("resly.usage.estimated", true);
    }
}

fn set_model(span: &mut Span, name: &str) {
    let (provider, model) = provider_and_model(name);
    span.set("gen_ai.provider.name", provider);
    span.set("gen_ai.request.model", model);
}

/// A reason by the name that the conventions give it in messages.
fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::ToolCalls => "tool_call",
        FinishReason::ContentFilter => "content_filter",
        other => other.name(),
    }
}
