//! `/console/tickets`: what customers need a person for, and a form for a new one.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    member::Permission,
    ticket::{PRIORITIES, STATUSES, TicketFields},
    time::Timestamp,
};
use resly_http::{Api, pagination};
use resly_service::{
    FieldError,
    inbox::tickets::{self as inbox, TicketError},
};
use resly_store::{Ticket, TicketQuery};
use serde::Deserialize;

use super::{
    people::{People, choices},
    words::shortened,
};
use crate::{
    access::{Agent, Viewer},
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    parts::{Choice, Field, Table, Tone, alert, area, badge, button, empty, form, pager, select, submit, tabs, when},
    reply,
};

pub const PATH: &str = "/console/tickets";
/// Tickets of a page.
const ROWS: u32 = 50;
/// The tab of the tickets that the member sees to.
const YOURS: &str = "yours";

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// One of the statuses, or [`YOURS`].
    status: String,
    priority: String,
    before: String,
}

impl Parameters {
    fn path(&self) -> String {
        let query: Vec<String> = [("status", &self.status), ("priority", &self.priority)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| {
                format!("{name}={}", url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>())
            })
            .collect();
        if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{}", query.join("&")) }
    }
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Result<Page, PageError> {
    let known = |text: &str, all: &[&str]| all.contains(&text).then(|| text.to_owned());
    let wanted = TicketQuery {
        status: known(&parameters.status, &STATUSES),
        priority: known(&parameters.priority, &PRIORITIES),
        assignee: (parameters.status == YOURS).then_some(member.session.person.id.0),
        conversation: None,
        before: pagination::decode(&parameters.before),
        limit: ROWS,
    };
    let people = People::of(&api, &member).await?;
    let found = api.app.store.find_tickets(member.session.organization, wanted).await?;
    let next = pagination::next(&found.tickets, found.more, |ticket| (ticket.created_at, ticket.id.0));
    let new =
        if member.may(Permission::Converse) { button("/console/tickets/new", "New ticket") } else { Markup::default() };
    let body = html! {
        (filters(&parameters))
        @if found.tickets.is_empty() { (nothing(&parameters)) }
        @else { (table(&found.tickets, &people, api.app.clock.now())) (pager(&parameters.path(), next.as_deref())) }
    };
    let statuses = [
        ("", "All"),
        ("open", "Open"),
        (YOURS, "Yours"),
        ("pending", "Pending"),
        ("resolved", "Resolved"),
        ("closed", "Closed"),
    ];
    let path = |status: &str| if status.is_empty() { PATH.to_owned() } else { format!("{PATH}?status={status}") };
    let pages: Vec<(String, &str)> = statuses.iter().map(|(status, title)| (path(status), *title)).collect();
    let current = path(&parameters.status);
    Ok(Page::new(member, "Tickets", body)
        .lead(html! { "What customers need a person for. The assistant opens them, and so do you." })
        .tabs(tabs("Tickets by status", &current, &pages))
        .actions(new))
}

fn filters(parameters: &Parameters) -> Markup {
    let any = Choice { value: "", label: "Any", hint: None };
    let options: Vec<Choice<'_>> = std::iter::once(any).chain(named(&PRIORITIES)).collect();
    let field = Field { name: "priority", label: "Priority", value: &parameters.priority, ..Field::default() };
    html! {
        form method="get" action=(PATH) class="filters" {
            @if !parameters.status.is_empty() { input type="hidden" name="status" value=(parameters.status); }
            (select(&field, &options))
            button class="button" { "Filter" }
        }
    }
}

fn nothing(parameters: &Parameters) -> Markup {
    if parameters.status.is_empty() && parameters.priority.is_empty() {
        let text = "The assistant opens one when a customer needs a person and nobody can answer at once. Agents and your own \
                    systems open them, too.";
        return empty("No tickets yet", text, &html! { a href="/docs/inbox" { "How tickets come about" } });
    }
    empty("No ticket here", "None has this status and priority now.", &html! { a href=(PATH) { "Show all" } })
}

pub fn status_badge(status: &str) -> Markup {
    let tone = match status {
        "open" => Tone::Warn,
        "pending" => Tone::Quiet,
        _ => Tone::Good,
    };
    badge(tone, status)
}

fn priority_badge(priority: &str) -> Markup {
    match priority {
        "urgent" => badge(Tone::Bad, priority),
        "high" => badge(Tone::Warn, priority),
        other => html! { span class="quiet" { (other) } },
    }
}

fn table(found: &[Ticket], people: &People, now: Timestamp) -> Markup {
    let mut table = Table::new("Tickets", &["Subject", "Status", "Priority", "Agent", "Requester", "Due", "Opened"]);
    for ticket in found {
        let TicketFields { subject, status, priority, assignee, requester, due_at, tags, .. } = &ticket.fields;
        let subject = shortened(subject);
        let subject = if subject.is_empty() { "(without a subject)".to_owned() } else { subject };
        let late = due_at.is_some_and(|due| due < now) && matches!(status.as_str(), "open" | "pending");
        table.row(vec![
            html! { a href={ (PATH) "/" (ticket.id) } { (subject) } @for tag in tags { " " (badge(Tone::Quiet, tag)) } },
            status_badge(status),
            priority_badge(priority),
            html! { @if let Some(id) = assignee { (people.name(*id)) } },
            html! { @if let Some(requester) = requester { (requester) } },
            html! { @if let Some(due) = due_at { (when(*due)) @if late { " " (badge(Tone::Bad, "late")) } } },
            when(ticket.created_at),
        ]);
    }
    table.draw()
}

fn named<'n>(names: &'n [&'n str]) -> impl Iterator<Item = Choice<'n>> {
    names.iter().map(|name| Choice { value: name, label: name, hint: None })
}

/// A ticket's fields, with the mistakes of the last try beside them.
pub fn fields(fields: &TicketFields, people: &People, mistakes: &[FieldError]) -> Markup {
    let error =
        |path: &str| mistakes.iter().find(|mistake| mistake.path == path).map(|mistake| mistake.message.as_str());
    let ids = people.ids();
    let assignee = fields.assignee.map(|id| id.to_string()).unwrap_or_default();
    let due = fields.due_at.map(|due| due.to_string().get(..16).unwrap_or_default().to_owned()).unwrap_or_default();
    let tags = fields.tags.join(", ");
    let statuses: Vec<Choice<'_>> = named(&STATUSES).collect();
    let priorities: Vec<Choice<'_>> = named(&PRIORITIES).collect();
    html! {
        (Field { name: "subject", label: "Subject", value: &fields.subject, required: true, length: Some(200), error: error("subject"), ..Field::default() }.draw())
        (area(&Field { name: "body", label: "What it is about", value: &fields.body, error: error("body"), ..Field::default() }, 5, false))
        div class="columns" {
            (select(&Field { name: "status", label: "Status", value: &fields.status, required: true, error: error("status"), ..Field::default() }, &statuses))
            (select(&Field { name: "priority", label: "Priority", value: &fields.priority, required: true, error: error("priority"), ..Field::default() }, &priorities))
            (select(&Field { name: "assignee", label: "Agent", value: &assignee, error: error("assignee"), ..Field::default() }, &choices(&ids)))
        }
        div class="columns" {
            (Field { name: "requester", label: "Requester", value: fields.requester.as_deref().unwrap_or_default(), hint: Some("A name or an e-mail address."), error: error("requester"), ..Field::default() }.draw())
            (Field { kind: "datetime-local", name: "due_at", label: "Due", value: &due, hint: Some("In UTC."), error: error("due_at"), ..Field::default() }.draw())
            (Field { name: "tags", label: "Tags", value: &tags, hint: Some("With commas between them."), error: error("tags"), ..Field::default() }.draw())
        }
    }
}

/// The fields that a form sent, with what can't be read of them.
pub fn read(form: &Fields) -> (TicketFields, Vec<FieldError>) {
    let mut mistakes = Vec::new();
    let due = form.filled("due_at").map(|text| {
        let seconds = if text.len() == 16 { ":00Z" } else { "Z" };
        format!("{text}{seconds}").parse::<Timestamp>()
    });
    let due_at = match due {
        Some(Err(_)) => {
            mistakes.push(FieldError::new("due_at", "a day and a time are expected"));
            None
        }
        Some(Ok(due)) => Some(due),
        None => None,
    };
    let tags = form.text("tags").split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned);
    let fields = TicketFields {
        subject: form.text("subject").to_owned(),
        body: form.raw("body").to_owned(),
        status: form.text("status").to_owned(),
        priority: form.text("priority").to_owned(),
        assignee: form.filled("assignee").and_then(|id| id.parse().ok()),
        requester: form.filled("requester").map(str::to_owned),
        due_at,
        tags: tags.collect(),
    };
    (fields, mistakes)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NewParameters {
    conversation: String,
}

pub async fn new_page(
    Agent(member): Agent,
    State(api): State<Api>,
    Query(NewParameters { conversation }): Query<NewParameters>,
) -> Result<Page, PageError> {
    let ticket = TicketFields {
        status: STATUSES[0].to_owned(),
        priority: "normal".to_owned(),
        assignee: Some(member.session.person.id.0),
        ..TicketFields::default()
    };
    let people = People::of(&api, &member).await?;
    Ok(new_form(member, &people, &conversation, &ticket, &[]))
}

fn new_form(
    member: crate::member::Member,
    people: &People,
    conversation: &str,
    ticket: &TicketFields,
    mistakes: &[FieldError],
) -> Page {
    let of_conversation = mistakes.iter().find(|mistake| mistake.path == "conversation");
    let body = html! {
        section class="panel" {
            @if let Some(mistake) = of_conversation { (alert(&mistake.message)) }
            (form(&member.form_token, PATH, &html! {
                input type="hidden" name="conversation" value=(conversation);
                (fields(ticket, people, mistakes))
                (submit("Open the ticket"))
            }))
        }
    };
    let page = Page::new(member, "New ticket", body).above(PATH, "Tickets");
    if conversation.is_empty() { page } else { page.lead(html! { "It is linked with the conversation." }) }
}

pub async fn create(
    Agent(member): Agent,
    State(api): State<Api>,
    Submitted(form): Submitted,
) -> Result<Response, PageError> {
    let (ticket, mut mistakes) = read(&form);
    let conversation = form.filled("conversation").map(|id| id.parse());
    if mistakes.is_empty() {
        let of = match conversation {
            Some(Err(_)) => return Err(PageError::missing("There is no such conversation.")),
            Some(Ok(id)) => Some(id),
            None => None,
        };
        match inbox::open(&api.app, member.session.organization, of, ticket.clone()).await {
            Ok(id) => return Ok(reply::done(&format!("{PATH}/{id}"), "The ticket is open.")),
            Err(TicketError::Invalid(found)) => mistakes = found,
            Err(error) => return Err(resly_http::problem::Problem::from(error).into()),
        }
    }
    let people = People::of(&api, &member).await?;
    let page = new_form(member, &people, form.text("conversation"), &ticket, &mistakes);
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}
