//! The messages of a conversation: who said what, what it rests on, what was called for it and what it cost.

use maud::{Markup, html};
use resly_core::{
    conversation::{Message, MessageStatus},
    knowledge::Citation,
    model::Role,
};
use resly_store::ConversationRecord;
use serde_json::Value;

use super::{people::People, words::state_badge};
use crate::parts::{Tone, badge, when};

/// The state of the conversation and its messages.
pub fn draw(record: &ConversationRecord, people: &People) -> Markup {
    let handling = &record.handling;
    html! {
        p class="row" {
            (state_badge(handling.state))
            @if let Some(id) = handling.assignee { span { (people.name(id)) } }
            @if let Some(until) = handling.snoozed_until { span class="quiet" { "Snoozed until " (when(until)) } }
            @if let Some((by, at)) = handling.handed_over {
                span class="quiet" { "A person was asked for by " (asked_by(by.name())) ", " (when(at)) }
            }
        }
        @if let Some(summary) = handling.summary.as_deref().filter(|_| handling.state.is_handed_over()) {
            details class="summary" { summary { "What it was about" } p class="said" { (summary) } }
        }
        ol class="transcript" { @for message in &record.messages { (item(message, people)) } }
    }
}

fn asked_by(source: &str) -> &'static str {
    match source {
        "visitor" => "the visitor",
        "rule" => "a rule",
        "model" => "the assistant",
        _ => "an agent",
    }
}

fn item(message: &Message, people: &People) -> Markup {
    let (who, class) = match message.role {
        Role::User => ("Visitor", "visitor"),
        Role::Assistant if message.status == MessageStatus::HandedOver => ("Notice", "notice-line"),
        Role::Assistant => ("Assistant", "assistant"),
        Role::Agent => (message.author.map_or("Agent", |author| people.name(author)), "agent"),
    };
    let replaced = message.superseded_at.is_some();
    html! {
        li class={ (class) @if replaced { " replaced" } } id={ "m-" (message.id) } {
            p class="by" { strong { (who) } " " (when(message.created_at)) " " (state(message)) @if replaced { " " (badge(Tone::Quiet, "replaced by an edit")) } }
            @if !message.content.is_empty() { p class="said" { (message.content) } }
            (steps(&message.steps))
            (citations(&message.citations))
            @if let Some(usage) = message.usage.filter(|usage| !usage.is_zero()) {
                p class="cost" { (usage.input) " tokens read, " (usage.output) " written" @if usage.estimated { " (estimated)" } }
            }
        }
    }
}

/// What is unusual about how a message ended.
fn state(message: &Message) -> Markup {
    match message.status {
        MessageStatus::Complete | MessageStatus::HandedOver => Markup::default(),
        MessageStatus::Streaming => badge(Tone::Quiet, "being written"),
        MessageStatus::Cancelled => badge(Tone::Quiet, "cancelled"),
        MessageStatus::Interrupted => badge(Tone::Warn, "interrupted"),
        MessageStatus::Failed => badge(Tone::Bad, "failed"),
    }
}

/// The tools that an answer called.
fn steps(steps: &[Value]) -> Markup {
    let text = |step: &Value, name: &str| step.get(name).and_then(Value::as_str).map(str::to_owned);
    html! {
        @if !steps.is_empty() {
            ul class="calls" {
                @for step in steps {
                    @let ok = step.get("ok").and_then(Value::as_bool).unwrap_or(false);
                    @let tool = text(step, "tool").unwrap_or_default();
                    li {
                        code { (text(step, "title").or_else(|| text(step, "action")).unwrap_or(tool)) } " "
                        @if let Some(approval) = text(step, "approval") {
                            (badge(Tone::Warn, "asked to confirm")) span class="hidden" { (approval) }
                        } @else if ok { (badge(Tone::Good, "done")) } @else { (badge(Tone::Bad, "failed")) }
                        @if let Some(reason) = text(step, "reason") { " " span class="quiet" { (reason) } }
                    }
                }
            }
        }
    }
}

fn citations(citations: &[Citation]) -> Markup {
    html! {
        @if !citations.is_empty() {
            ol class="citations" {
                @for citation in citations {
                    li value=(citation.n) {
                        @match citation.url.as_deref().filter(|url| is_link(url)) {
                            Some(url) => a href=(url) rel="noreferrer noopener" { (citation.title) },
                            None => (citation.title),
                        }
                    }
                }
            }
        }
    }
}

/// Whether an address of somebody else's may be a link.
fn is_link(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_is_text_and_only_web_addresses_are_links() {
        let citation = |url: &str| Citation {
            n: 1,
            title: "<script>alert(1)</script>".to_owned(),
            url: Some(url.to_owned()),
            source_id: "s".to_owned(),
            snippet: String::new(),
        };
        let drawn = citations(&[citation("javascript:alert(1)"), citation("https://a.example/x")]).into_string();
        assert!(!drawn.contains("<script") && !drawn.contains("javascript:"), "{drawn}");
        assert_eq!(drawn.matches("<a href").count(), 1);
        let drawn = steps(&[json!({"tool": "<b>", "ok": false, "reason": "upstream"}), json!(7)]).into_string();
        assert!(!drawn.contains("<b>") && drawn.contains("upstream"), "{drawn}");
    }
}
