//! `/console/conversations`: what visitors ask, and which conversations wait for a person.

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_core::member::Permission;
use resly_http::{Api, pagination};
use resly_service::inbox::search;
use resly_store::ConversationSummary;

use super::{
    bulk,
    filters::{self, Parameters, SNOOZED, YOURS},
    people::People,
    words::{PATH, shortened, state_badge},
};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    member::Member,
    parts::{Table, Tone, badge, empty, form, pager, tabs, when},
};

/// Conversations of a page.
const ROWS: u32 = 50;

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let people = People::of(&api, &member).await?;
    let wanted = parameters.query(member.session.person.id.0, api.app.clock.now(), ROWS + 1);
    let mut found = search::find(&api.app, member.session.organization, Some(&parameters.text), wanted).await?;
    let more = pagination::cut(&mut found, ROWS);
    let next = pagination::next(&found, more, |conversation| (conversation.created_at, conversation.id.0));
    let may = member.may(Permission::Converse);
    let actions = if may { availability(&member, &people) } else { Markup::default() };
    let body = html! {
        (filters::draw(&parameters, &people))
        @if !parameters.text.trim().is_empty() {
            p class="hint" { "Conversations in which all of these words were said. What was said in the last half minute may be missing." }
        }
        @if found.is_empty() { (nothing(&parameters)) }
        @else if may { (bulk::form(&member, &parameters.path(), &table(&found, &people, true))) (pager(&parameters.path(), next.as_deref())) }
        @else { (table(&found, &people, false)) (pager(&parameters.path(), next.as_deref())) }
    };
    let states = [
        ("", "All"),
        ("waiting", "Waiting"),
        (YOURS, "Yours"),
        ("agent", "With agents"),
        (SNOOZED, "Snoozed"),
        ("ai", "Assistant"),
        ("closed", "Closed"),
    ];
    let path = |state: &str| if state.is_empty() { PATH.to_owned() } else { format!("{PATH}?state={state}") };
    let pages: Vec<(String, &str)> = states.iter().map(|(state, title)| (path(state), *title)).collect();
    let current = path(&parameters.state);
    Ok(Page::new(member, "Conversations", body)
        .lead(html! { "What visitors asked, newest first. Those that wait are for you: take one over, and the assistant is silent in it." })
        .actions(actions)
        .tabs(tabs("Conversations by who answers", &current, &pages)))
}

/// Whether the member answers visitors now, and the button that changes it.
fn availability(member: &Member, people: &People) -> Markup {
    let (now, value, does) = if people.is_available {
        (badge(Tone::Good, "You are available"), "no", "Set yourself away")
    } else {
        (badge(Tone::Quiet, "You are away"), "yes", "Become available")
    };
    form(
        &member.form_token,
        &format!("{PATH}/availability"),
        &html! { div class="row" { (now) input type="hidden" name="available" value=(value); button class="button" { (does) } } },
    )
}

fn nothing(parameters: &Parameters) -> Markup {
    if parameters.is_filtered() {
        let all = html! { a href=(PATH) class="button" { "Show all" } };
        return empty("Nothing fits", "No conversation has all of these. Leave a filter out.", &all);
    }
    match parameters.state.as_str() {
        "waiting" => empty(
            "Nobody waits",
            "Conversations come here when a visitor, a rule or the assistant asks for a person.",
            &html! { a href="/docs/inbox" { "How conversations are handed over" } },
        ),
        "" => empty(
            "No conversations yet",
            "Each question to the chat begins or goes on with one. They appear here as soon as they are asked.",
            &html! { a href="/docs/chat-api" { "How to ask the first one" } },
        ),
        _ => empty("No conversation here", "None is in this state now.", &html! { a href=(PATH) { "Show all" } }),
    }
}

/// With boxes to tick where `several` can be changed at once.
fn table(found: &[ConversationSummary], people: &People, several: bool) -> Markup {
    let mut table =
        Table::new("Conversations", &["First question", "Who answers", "Agent", "Visitor", "#Messages", "Last change"]);
    for conversation in found {
        let path = format!("{PATH}/{}", conversation.id);
        let question = conversation.first_question.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let question = shortened(question.unwrap_or("(without words)"));
        let tags = html! { @for tag in &conversation.tags { " " (badge(Tone::Quiet, tag)) } };
        table.row(vec![
            html! {
                @if several { (bulk::tick(conversation.id, &question)) }
                span { a href=(path) { (question) } (tags) }
            },
            html! {
                @if conversation.merged_into.is_some() { (badge(Tone::Quiet, "Merged")) }
                @else { (state_badge(conversation.state)) }
            },
            html! { @if let Some(id) = conversation.assignee { (people.name(id)) } },
            html! { @if let Some(visitor) = &conversation.visitor { (visitor) } },
            html! { (conversation.messages) },
            when(conversation.updated_at),
        ]);
    }
    table.draw()
}
