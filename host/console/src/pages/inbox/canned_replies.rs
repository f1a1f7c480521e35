//! `/console/canned-replies`: texts that agents use again and again.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{id::RowId, member::Permission};
use resly_http::{Api, problem::Problem};
use resly_service::{
    FieldError,
    inbox::canned_replies::{self as use_case, CannedReplyError, PLACEHOLDERS},
};
use resly_store::{CannedReply, CannedReplyError as StoredError};

use crate::{
    access::{Agent, Viewer},
    error::{PageError, sentence},
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    parts::{Field, area, confirm, dialog, empty, form, submit},
    reply,
};

pub const PATH: &str = "/console/canned-replies";

/// A form with mistakes: which reply it is about, and what was typed.
#[derive(Default)]
struct Refused {
    id: Option<RowId>,
    name: String,
    body: String,
    mistakes: Vec<FieldError>,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    draw(member, &api, &Refused::default()).await
}

async fn draw(member: Member, api: &Api, refused: &Refused) -> Result<Page, PageError> {
    let replies = use_case::list(&api.app, member.session.organization).await?;
    let may = member.may(Permission::Converse);
    let body = html! {
        @if !refused.mistakes.is_empty() {
            section class="panel" {
                h2 { @if refused.id.is_some() { "Change it" } @else { "New canned reply" } }
                (fields(&member, refused))
            }
        }
        @if replies.is_empty() {
            (empty("No canned replies yet", "A canned reply is a text that agents use often. They choose it below a conversation, or type a slash and its name.", &Markup::default()))
        }
        @for reply in &replies { (panel(&member, reply, may)) }
        @if may && refused.mistakes.is_empty() {
            section class="panel" { h2 { "New canned reply" } (fields(&member, refused)) }
        }
    };
    Ok(Page::new(member, "Canned replies", body)
        .lead(html! { "Texts for your team's replies. " @for (at, (name, what)) in PLACEHOLDERS.iter().enumerate() { @if at > 0 { ", " } code { (name) } " is " (what) } "." }))
}

fn panel(member: &Member, reply: &CannedReply, may: bool) -> Markup {
    let as_it_is = Refused { id: Some(reply.id), name: reply.name.clone(), body: reply.body.clone(), mistakes: vec![] };
    let text = html! { p { "Agents can't choose it any more. Replies that were sent stay." } };
    html! {
        section class="panel" {
            h2 { code { "/" (reply.name) } }
            p class="said" { (reply.body) }
            @if may {
                div class="row" {
                    (dialog(&format!("change-{}", reply.id), "", "Change", &format!("Change /{}", reply.name), &html! { div class="dialog-body" { (fields(member, &as_it_is)) } }))
                    (confirm(&member.form_token, &format!("delete-{}", reply.id), "Delete", &format!("Delete /{}?", reply.name), &text, &format!("{PATH}/{}/delete", reply.id), "Delete it"))
                }
            }
        }
    }
}

fn fields(member: &Member, shown: &Refused) -> Markup {
    let mistake = |path: &str| {
        let found = shown.mistakes.iter().find(|mistake| mistake.path == path);
        found.map(|mistake| sentence(&mistake.message))
    };
    let (name_mistake, body_mistake) = (mistake("name"), mistake("body"));
    let ids = shown.id.map_or_else(
        || ("f-name".to_owned(), "f-body".to_owned()),
        |id| (format!("f-name-{id}"), format!("f-body-{id}")),
    );
    let name = Field {
        name: "name",
        label: "Name",
        value: &shown.name,
        required: true,
        hint: Some("Letters, digits, - and _. Agents type it after a slash."),
        error: name_mistake.as_deref(),
        length: Some(40),
        id: Some(&ids.0),
        ..Field::default()
    };
    let body = Field {
        name: "body",
        label: "Text",
        value: &shown.body,
        required: true,
        error: body_mistake.as_deref(),
        id: Some(&ids.1),
        ..Field::default()
    };
    let action = shown.id.map_or_else(|| PATH.to_owned(), |id| format!("{PATH}/{id}"));
    form(&member.form_token, &action, &html! { (name.draw()) (area(&body, 4, false)) (submit("Save")) })
}

fn missing() -> PageError {
    PageError::missing("There is no such canned reply. It may have been deleted.")
}

async fn put(member: Member, api: &Api, id: Option<RowId>, fields: &Fields) -> Result<Response, PageError> {
    let (name, body) = (fields.text("name"), fields.raw("body"));
    match use_case::put(&api.app, member.session.organization, id, name, body).await {
        Ok(kept) => Ok(reply::done(PATH, &format!("/{} is saved.", kept.name))),
        Err(CannedReplyError::Stored(StoredError::Missing)) => Err(missing()),
        Err(CannedReplyError::Invalid(mistakes)) => {
            let refused = Refused { id, name: name.to_owned(), body: body.to_owned(), mistakes };
            Ok(draw(member, api, &refused).await?.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

pub async fn create(
    Agent(member): Agent,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    put(member, &api, None, &fields).await
}

pub async fn change(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let id = id.parse().map_err(|_| missing())?;
    put(member, &api, Some(id), &fields).await
}

pub async fn delete(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(_): Submitted,
) -> Result<Response, PageError> {
    let id = id.parse().map_err(|_| missing())?;
    match use_case::delete(&api.app, member.session.organization, id).await {
        Ok(()) => Ok(reply::done(PATH, "The canned reply is deleted.")),
        Err(CannedReplyError::Stored(StoredError::Missing)) => Err(missing()),
        Err(error) => Err(Problem::from(error).into()),
    }
}
