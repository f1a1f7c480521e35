//! Questions that the knowledge didn't answer, in groups, each with a button that drafts an article.

use axum::{
    extract::{Query, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::member::Permission;
use resly_http::Api;
use resly_service::{
    analytics,
    csv::{Cell, Csv},
};
use resly_store::QuestionGroup;

use super::{
    QUESTIONS, analytics_tabs,
    filters::{Choices, Parameters},
    words,
};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    member::Member,
    numbers::counted,
    parts::{badge, button, empty, when},
    reply,
};

const CSV: &str = "/console/analytics/questions.csv";

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let choices = Choices::read(parameters, api.app.clock.now());
    let groups = analytics::groups(&api.app, member.session.organization, choices.query.span).await?;
    let body = html! {
        (choices.days_form(QUESTIONS))
        @if groups.is_empty() { (nothing()) }
        @else {
            @for group in &groups { (panel(group, &member)) }
            p { a href=(choices.address(CSV, None)) download { "Download as CSV" } }
        }
        p class="hint" { "Questions whose answer rests on no source and no action, or was rated down. Those that ask about the same are together; the 50 groups that were asked about most often are shown." }
    };
    let lead = html! { "What visitors asked that your knowledge doesn't answer, from " (choices.days()) "." };
    Ok(Page::new(member, "Analytics", body).lead(lead).tabs(analytics_tabs(QUESTIONS)))
}

fn nothing() -> Markup {
    empty(
        "No unanswered questions",
        "Questions that no source answers, and answers that visitors rate down, will be here, each group with a button that drafts an article.",
        &button("/console/knowledge", "Look at the knowledge"),
    )
}

fn panel(group: &QuestionGroup, member: &Member) -> Markup {
    let title = group.examples.first().map_or("", |question| question.text.as_str());
    html! {
        section class="panel" {
            div class="panel-head" {
                h2 { (title) }
                @if member.may(Permission::Manage) {
                    a href={ "/console/knowledge/new?draft=" (group.id) } class="button" { "Draft an article" span class="hidden" { " about " (title) } }
                }
            }
            p class="quiet" { "Asked " (counted(group.questions, "time")) ", last " (when(group.last_asked_at)) }
            ul class="list" {
                @for question in &group.examples {
                    @let (tone, gap) = words::gap(question.gap);
                    li {
                        a href={ "/console/conversations/" (question.conversation) "#m-" (question.id) } { (question.text) } " " (badge(tone, gap))
                    }
                }
            }
        }
    }
}

/// The groups with their examples as a file.
pub async fn csv(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, PageError> {
    let choices = Choices::read(parameters, api.app.clock.now());
    let span = choices.query.span;
    let groups = analytics::groups(&api.app, member.session.organization, span).await?;
    let mut table = Csv::new(&["group", "asked", "question", "language", "reason", "asked_at", "conversation"]);
    for group in groups {
        let asked = i64::try_from(group.questions).unwrap_or(i64::MAX);
        for question in group.examples {
            table.row([
                Cell::Text(group.id.to_string()),
                Cell::Number(asked),
                Cell::Text(question.text),
                Cell::Text(question.language),
                Cell::Text(question.gap.name().to_owned()),
                Cell::Text(question.asked_at.to_string()),
                Cell::Text(question.conversation.to_string()),
            ]);
        }
    }
    Ok(reply::download(table.finish(), &format!("unanswered-questions-{}-{}.csv", span.first(), span.last())))
}
