//! The conversations behind a number: as many as the number says.

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_http::{Api, pagination};
use resly_service::analytics::{self, Card};
use resly_store::ListedOutcome;

use super::{
    CONVERSATIONS, PATH,
    filters::{Choices, Parameters},
    words,
};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    numbers::counted,
    pages::inbox::words::shortened,
    parts::{Table, Tone, badge, button, empty, pager, tabs, when},
};

/// Conversations of a page.
const ROWS: u32 = 50;

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let before = pagination::decode(&parameters.before);
    let choices = Choices::read(parameters, api.app.clock.now());
    let (organization, query, card) = (member.session.organization, &choices.query, choices.card);
    let numbers = analytics::numbers(&api.app, organization, query).await?;
    let mut found = analytics::conversations(&api.app, organization, query, card, before, ROWS + 1).await?;
    let more = pagination::cut(&mut found, ROWS);
    let next = pagination::next(&found, more, |listed| (listed.started_at, listed.id));
    let address = choices.address(CONVERSATIONS, Some(card));
    let back = choices.address(PATH, None);
    let body = html! {
        @if found.is_empty() {
            (empty("No conversation here", "None of the chosen days has this outcome.", &button(&back, "Back to the numbers")))
        } @else { (table(&found)) (pager(&address, next.as_deref())) }
    };
    let pages: Vec<(String, &str)> =
        Card::ALL.iter().map(|card| (choices.address(CONVERSATIONS, Some(*card)), words::card(*card))).collect();
    let lead = html! { (counted(card.count(&numbers), "conversation")) " that began from " (choices.days()) "." };
    Ok(Page::new(member, words::card(card), body).lead(lead).above(back, "Analytics").tabs(tabs(
        "Conversations by outcome",
        &address,
        &pages,
    )))
}

fn table(found: &[ListedOutcome]) -> Markup {
    let columns = ["First question", "Outcome", "Language", "#Messages", "Ratings", "Began"];
    let mut table = Table::new("Conversations", &columns);
    for listed in found {
        let question = listed.first_question.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let (tone, outcome) = words::outcome(listed.outcome);
        table.row(vec![
            html! { a href={ "/console/conversations/" (listed.conversation) } { (shortened(question.unwrap_or("(without words)"))) } },
            badge(tone, outcome),
            html! { (words::language(&listed.language)) },
            html! { (listed.messages) },
            html! {
                @if listed.rated_up > 0 { (badge(Tone::Good, &format!("{} good", listed.rated_up))) " " }
                @if listed.rated_down > 0 { (badge(Tone::Bad, &format!("{} bad", listed.rated_down))) }
            },
            when(listed.started_at),
        ]);
    }
    table.draw()
}
