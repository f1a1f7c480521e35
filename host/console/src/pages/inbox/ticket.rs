//! `/console/tickets/{id}`: a ticket with its comments; change it, comment on it.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{id::TicketId, member::Permission, ticket::TicketFields};
use resly_http::{Api, problem::Problem};
use resly_service::{
    FieldError,
    inbox::tickets::{self as inbox, TicketError},
};
use resly_store::{TicketComment, TicketRecord};

use super::{
    people::People,
    tickets::{PATH, fields, read, status_badge},
    words::{PATH as CONVERSATIONS, shortened},
};
use crate::{
    access::{Agent, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Field, area, facts, form, submit, when},
    reply,
};

/// A form that could not be done.
#[derive(Default)]
struct Refused {
    /// The fields as they were typed.
    fields: Option<TicketFields>,
    mistakes: Vec<FieldError>,
    comment: String,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    draw(member, &api, &id, Refused::default()).await
}

fn missing() -> PageError {
    PageError::missing("There is no such ticket. It may have been deleted.")
}

async fn draw(member: Member, api: &Api, id: &str, refused: Refused) -> Result<Page, PageError> {
    let id: TicketId = id.parse().map_err(|_| missing())?;
    let record = api.app.store.ticket(member.session.organization, id).await?.ok_or_else(missing)?;
    let people = People::of(api, &member).await?;
    let TicketRecord { ticket, comments } = &record;
    let path = format!("{PATH}/{id}");
    let subject = shortened(&ticket.fields.subject);
    let title = if subject.is_empty() { "Ticket".to_owned() } else { subject };
    let conversation = html! {
        @match ticket.conversation {
            Some(id) => a href={ (CONVERSATIONS) "/" (id) } { "Read it" },
            None => span class="quiet" { "none" },
        }
    };
    let about = facts(&[
        ("Status", status_badge(&ticket.fields.status)),
        ("Opened", when(ticket.created_at)),
        ("Last change", when(ticket.updated_at)),
        ("Conversation", conversation),
    ]);
    let may = member.may(Permission::Converse);
    let shown = refused.fields.as_ref().unwrap_or(&ticket.fields);
    let body = html! {
        section class="panel" { (about) }
        section class="panel" {
            h2 { "Ticket" }
            @if may { (form(&member.form_token, &path, &html! { (fields(shown, &people, &refused.mistakes)) (submit("Save")) })) }
            @else { p class="said" { (ticket.fields.body) } }
        }
        section class="panel" {
            h2 { "Comments" }
            (discussion(comments, &people))
            @if may { (comment_form(&member, &path, &refused)) }
        }
    };
    Ok(Page::new(member, title, body).above(PATH, "Tickets"))
}

fn discussion(comments: &[TicketComment], people: &People) -> Markup {
    html! {
        @if comments.is_empty() { p class="quiet" { "Nobody has commented yet. Comments are for your team; customers don't see them." } }
        @else {
            ol class="transcript" {
                @for comment in comments {
                    li class="agent" {
                        p class="by" { strong { (comment.author.map_or("Somebody", |author| people.name(author))) } " " (when(comment.created_at)) }
                        p class="said" { (comment.body) }
                    }
                }
            }
        }
    }
}

fn comment_form(member: &Member, path: &str, refused: &Refused) -> Markup {
    let mistake = refused.mistakes.iter().find(|mistake| mistake.path == "comment");
    let mistake = mistake.map(|mistake| sentence(&mistake.message));
    let field = Field {
        name: "comment",
        label: "Comment",
        value: &refused.comment,
        required: true,
        error: mistake.as_deref(),
        ..Field::default()
    };
    form(
        &member.form_token,
        &format!("{path}/comments"),
        &html! { (area(&field, 3, false)) (submit("Add the comment")) },
    )
}

/// The page after a form with mistakes.
async fn refused(
    member: Member,
    api: &Api,
    id: &str,
    error: TicketError,
    typed: Refused,
) -> Result<Response, PageError> {
    match error {
        TicketError::Missing => Err(missing()),
        TicketError::Invalid(mistakes) => {
            let page = draw(member, api, id, Refused { mistakes, ..typed }).await?;
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        error @ TicketError::Store(_) => Err(Problem::from(error).into()),
    }
}

pub async fn change(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(form): Submitted,
) -> Result<Response, PageError> {
    let ticket: TicketId = id.parse().map_err(|_| missing())?;
    let (fields, mistakes) = read(&form);
    let changed = if mistakes.is_empty() {
        inbox::change(&api.app, member.session.organization, ticket, fields.clone()).await
    } else {
        Err(TicketError::Invalid(mistakes))
    };
    match changed {
        Ok(()) => Ok(reply::done(&format!("{PATH}/{id}"), "The ticket is saved.")),
        Err(error) => refused(member, &api, &id, error, Refused { fields: Some(fields), ..Refused::default() }).await,
    }
}

pub async fn comment(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(form): Submitted,
) -> Result<Response, PageError> {
    let ticket: TicketId = id.parse().map_err(|_| missing())?;
    let (organization, own) = (member.session.organization, member.session.person.id.0);
    let comment = form.raw("comment");
    match inbox::comment(&api.app, organization, ticket, Some(own), comment).await {
        Ok(()) => Ok(reply::done(&format!("{PATH}/{id}"), "Your comment is added.")),
        Err(error) => {
            let typed = Refused { comment: comment.to_owned(), ..Refused::default() };
            refused(member, &api, &id, error, typed).await
        }
    }
}
