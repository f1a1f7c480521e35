//! `/console/conversations`: what visitors ask, and which conversations wait for a person.

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_core::{conversation::handover::ConversationState, time::Timestamp};
use resly_http::{Api, pagination};
use resly_store::{ConversationQuery, ConversationSummary};
use serde::Deserialize;

use super::people::People;
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    parts::{Field, Table, Tone, badge, empty, pager, tabs, when},
};

pub const PATH: &str = "/console/conversations";
/// Conversations of a page.
const ROWS: u32 = 50;
/// Characters of a question in the list.
const QUESTION: usize = 120;
/// The tab of the conversations that the member has.
const YOURS: &str = "yours";

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    state: String,
    visitor: String,
    tag: String,
    connector: String,
    since: String,
    until: String,
    before: String,
}

impl Parameters {
    fn query(&self, own: uuid::Uuid) -> ConversationQuery {
        let filled = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let yours = self.state == YOURS;
        let state = ConversationState::ALL.into_iter().find(|state| state.name() == self.state);
        ConversationQuery {
            state: if yours { Some(ConversationState::Agent) } else { state },
            assignee: yours.then_some(own),
            visitor: filled(&self.visitor),
            tag: filled(&self.tag),
            connector: filled(&self.connector),
            since: day(&self.since, "T00:00:00Z"),
            until: day(&self.until, "T23:59:59.999999Z"),
            before: pagination::decode(&self.before),
            limit: ROWS + 1,
        }
    }

    fn is_filtered(&self) -> bool {
        [&self.visitor, &self.tag, &self.connector, &self.since, &self.until].iter().any(|text| !text.trim().is_empty())
    }

    /// The page's address with these filters, without its cursor.
    fn path(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("state", &self.state),
            ("visitor", &self.visitor),
            ("tag", &self.tag),
            ("connector", &self.connector),
            ("since", &self.since),
            ("until", &self.until),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") }
    }
}

/// The time of a day, as a field of the kind `date` sends it.
fn day(text: &str, time: &str) -> Option<Timestamp> {
    (text.len() == 10).then(|| format!("{text}{time}").parse().ok())?
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let people = People::of(&api, &member).await?;
    let wanted = parameters.query(member.session.person.id.0);
    let mut found = api.app.store.find_conversations(member.session.organization, wanted).await?;
    let more = pagination::cut(&mut found, ROWS);
    let next = pagination::next(&found, more, |conversation| (conversation.created_at, conversation.id.0));
    let body = html! {
        (filters(&parameters))
        @if found.is_empty() { (nothing(&parameters)) }
        @else { (table(&found, &people)) (pager(&parameters.path(), next.as_deref())) }
    };
    let states = [
        ("", "All"),
        ("waiting", "Waiting"),
        (YOURS, "Yours"),
        ("agent", "With agents"),
        ("ai", "Assistant"),
        ("closed", "Closed"),
    ];
    let path = |state: &str| if state.is_empty() { PATH.to_owned() } else { format!("{PATH}?state={state}") };
    let pages: Vec<(String, &str)> = states.iter().map(|(state, title)| (path(state), *title)).collect();
    let current = path(&parameters.state);
    Ok(Page::new(member, "Conversations", body)
        .lead(html! { "What visitors asked, newest first. Those that wait are for you: take one over, and the assistant is silent in it." })
        .tabs(tabs("Conversations by who answers", &current, &pages)))
}

fn filters(parameters: &Parameters) -> Markup {
    let field = |name, label, value, kind| Field { kind, name, label, value, ..Field::default() }.draw();
    html! {
        form method="get" action=(PATH) class="filters" {
            @if !parameters.state.is_empty() { input type="hidden" name="state" value=(parameters.state); }
            (field("visitor", "Visitor", &parameters.visitor, "search"))
            (field("tag", "Tag", &parameters.tag, "search"))
            (field("connector", "Connector", &parameters.connector, "search"))
            (field("since", "From", &parameters.since, "date"))
            (field("until", "To", &parameters.until, "date"))
            button class="button" { "Filter" }
        }
    }
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

/// What a state is called, and how pressing it is.
pub fn state_badge(state: ConversationState) -> Markup {
    match state {
        ConversationState::Ai => badge(Tone::Quiet, "Assistant"),
        ConversationState::Waiting => badge(Tone::Warn, "Waiting"),
        ConversationState::Agent => badge(Tone::Good, "With an agent"),
        ConversationState::Closed => badge(Tone::Quiet, "Closed"),
    }
}

fn table(found: &[ConversationSummary], people: &People) -> Markup {
    let mut table =
        Table::new("Conversations", &["First question", "Who answers", "Agent", "Visitor", "#Messages", "Last change"]);
    for conversation in found {
        let path = format!("{PATH}/{}", conversation.id);
        let question = conversation.first_question.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let question = shortened(question.unwrap_or("(without words)"));
        let tags = html! { @for tag in &conversation.tags { " " (badge(Tone::Quiet, tag)) } };
        table.row(vec![
            html! { a href=(path) { (question) } (tags) },
            state_badge(conversation.state),
            html! { @if let Some(id) = conversation.assignee { (people.name(id)) } },
            html! { @if let Some(visitor) = &conversation.visitor { (visitor) } },
            html! { (conversation.messages) },
            when(conversation.updated_at),
        ]);
    }
    table.draw()
}

/// The beginning of a text, on one line.
pub fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= QUESTION {
        return line;
    }
    let cut: String = line.chars().take(QUESTION).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_come_back_in_the_address() {
        let parameters = Parameters {
            state: YOURS.to_owned(),
            visitor: " anna ".to_owned(),
            until: "2026-01-31".to_owned(),
            since: "soon".to_owned(),
            ..Parameters::default()
        };
        let own = uuid::Uuid::from_u128(7);
        let query = parameters.query(own);
        assert_eq!((query.state, query.assignee), (Some(ConversationState::Agent), Some(own)));
        assert_eq!((query.visitor.as_deref(), query.since), (Some("anna"), None));
        assert_eq!(query.until.unwrap().to_string(), "2026-01-31T23:59:59.999999Z");
        assert_eq!(parameters.path(), "/console/conversations?state=yours&visitor=+anna+&since=soon&until=2026-01-31");
        assert!(parameters.is_filtered() && !Parameters::default().is_filtered());
        assert_eq!(shortened(&"ü ".repeat(QUESTION)).chars().count(), QUESTION);
    }
}
