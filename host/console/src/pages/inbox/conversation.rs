//! `/console/conversations/{id}`: the transcript, and what an agent does: take over, reply, give back, close.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};
use resly_core::{conversation::handover::ConversationState, id::ConversationId, member::Permission};
use resly_http::{Api, problem::Problem};
use resly_service::inbox::{
    conversations::{self as inbox, InboxError},
    handling::{self, Desk},
};
use resly_store::HandoverError;

use super::{
    people::People,
    side, transcript,
    words::{PATH, shortened},
};
use crate::{
    access::{Agent, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Field, alert, area, button, confirm, facts, form, submit, when},
    reply,
};

/// A form that could not be done: what to say, and what was typed.
#[derive(Default)]
pub(super) struct Refused {
    pub mistake: Option<String>,
    /// The reply.
    pub typed: String,
    pub note: String,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    draw(member, &api, &id, Refused::default()).await
}

/// The transcript alone, which the page's script loads again and again.
pub async fn live(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let record = find(&member, &api, &id).await?.record;
    let people = People::of(&api, &member).await?;
    let mut response = transcript::draw(&record, &people).into_string().into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(super) fn missing() -> PageError {
    PageError::missing(
        "There is no such conversation. It may have been deleted with its visitor, or at the end of the time that the plan keeps it.",
    )
}

async fn find(member: &Member, api: &Api, id: &str) -> Result<Desk, PageError> {
    let id: ConversationId = id.parse().map_err(|_| missing())?;
    handling::desk(&api.app, member.session.organization, id).await?.ok_or_else(missing)
}

pub(super) async fn draw(member: Member, api: &Api, id: &str, refused: Refused) -> Result<Page, PageError> {
    let desk = find(&member, api, id).await?;
    let record = &desk.record;
    let people = People::of(api, &member).await?;
    let path = format!("{PATH}/{}", record.id);
    let first = record.messages.first().map(|message| shortened(&message.content)).unwrap_or_default();
    let title = if first.is_empty() { "Conversation".to_owned() } else { first };
    let about = facts(&[
        ("Visitor", html! { (record.visitor.as_deref().unwrap_or("not named")) }),
        ("Begun", when(record.created_at)),
        ("Conversation", html! { code { (record.id) } }),
        ("Tags", side::tags(&member, record, &path)),
    ]);
    let body = html! {
        @if let Some(mistake) = &refused.mistake { (alert(mistake)) }
        (side::merged(record))
        section class="panel" { (about) }
        section class="panel" aria-label="Transcript" data-live={ (path) "/transcript" } { (transcript::draw(record, &people)) }
        (reply_form(&member, &desk, &people, &path, &refused.typed))
        (side::notes(&member, record, &people, &path, &refused.note))
    };
    let actions = actions(&member, &desk, &people, &path);
    Ok(Page::new(member, title, body).above(PATH, "Conversations").actions(actions))
}

/// What the member may do now.
fn actions(member: &Member, desk: &Desk, people: &People, path: &str) -> Markup {
    let record = &desk.record;
    if !member.may(Permission::Converse) || record.handling.merged_into.is_some() {
        return Markup::default();
    }
    let send = |to: &str, text: &str, class: &str| {
        form(&member.form_token, &format!("{path}/{to}"), &html! { button class=(class) { (text) } })
    };
    let (state, holder) = (record.handling.state, record.handling.assignee);
    let own = holder.is_some_and(|holder| people.is_own(holder));
    let take = match (state, holder) {
        (ConversationState::Agent, _) if own => Markup::default(),
        (ConversationState::Agent, Some(holder)) => {
            let name = people.name(holder);
            let text =
                html! { p { (name) " answers in this conversation. Afterwards you do, and they can't any more." } };
            let action = format!("{path}/take?from={holder}");
            confirm(
                &member.form_token,
                "take-over",
                "Take over",
                &format!("Take it from {name}?"),
                &text,
                &action,
                "Take it over",
            )
        }
        _ => send("take", "Take over", "button primary"),
    };
    let ticket = format!("/console/tickets/new?conversation={}", record.id);
    html! {
        (take)
        @if state.is_handed_over() { (send("return", "Give back to the assistant", "button")) }
        @if state != ConversationState::Closed { (send("close", "Close", "button")) }
        (side::snooze(member, record, path))
        (side::merge(member, desk, path))
        (button(&ticket, "Open a ticket"))
    }
}

fn reply_form(member: &Member, desk: &Desk, people: &People, path: &str, typed: &str) -> Markup {
    let record = &desk.record;
    let holder = record.handling.assignee;
    let agent = record.handling.state == ConversationState::Agent;
    let own = agent && holder.is_none_or(|holder| people.is_own(holder));
    if !member.may(Permission::Converse) || !own && typed.is_empty() {
        return Markup::default();
    }
    let field = Field {
        name: "content",
        label: "Your reply",
        value: typed,
        required: true,
        hint: Some("The visitor reads it in their chat."),
        ..Field::default()
    };
    html! {
        section class="panel" {
            (form(&member.form_token, &format!("{path}/reply"), &html! {
                (area(&field, 4, false))
                (side::canned(desk, people, path))
                (submit("Send"))
            }))
        }
    }
}

/// The page after a form that could not be done.
async fn refused(member: Member, api: &Api, id: &str, error: InboxError, typed: &str) -> Result<Response, PageError> {
    let (status, mistake) = match error {
        InboxError::Handover(HandoverError::Missing) => return Err(missing()),
        InboxError::Handover(HandoverError::Taken { by }) => {
            let people = People::of(api, &member).await?;
            (StatusCode::CONFLICT, format!("{} has this conversation now.", people.name(by)))
        }
        InboxError::Handover(HandoverError::NotTaken { .. }) => {
            (StatusCode::CONFLICT, "No agent has this conversation. Take it over first.".to_owned())
        }
        InboxError::Handover(HandoverError::Merged) => {
            (StatusCode::CONFLICT, "It was merged into another conversation. Go on there.".to_owned())
        }
        InboxError::Invalid(mistakes) => {
            let mistake = mistakes.first().map(|mistake| sentence(&mistake.message)).unwrap_or_default();
            (StatusCode::UNPROCESSABLE_ENTITY, mistake)
        }
        error @ InboxError::Handover(HandoverError::Store(_)) => return Err(Problem::from(error).into()),
    };
    let refused = Refused { mistake: Some(mistake), typed: typed.to_owned(), ..Refused::default() };
    Ok(draw(member, api, id, refused).await?.status(status).into_response())
}

/// From whom a conversation is taken.
#[derive(serde::Deserialize)]
pub struct TakeFrom {
    from: Option<uuid::Uuid>,
}

pub async fn take(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    axum::extract::Query(TakeFrom { from }): axum::extract::Query<TakeFrom>,
    Submitted(_): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let (organization, own) = (member.session.organization, member.session.person.id.0);
    let done = inbox::assign(&api.app, organization, conversation, Some(own), from).await;
    answer(member, &api, &id, done, "It is yours. The assistant is silent until you give it back.").await
}

/// The conversation's page with what was done, or with why it wasn't.
async fn answer(
    member: Member,
    api: &Api,
    id: &str,
    done: Result<(), HandoverError>,
    notice: &str,
) -> Result<Response, PageError> {
    match done {
        Ok(()) => Ok(reply::done(&format!("{PATH}/{id}"), notice)),
        Err(error) => refused(member, api, id, InboxError::Handover(error), "").await,
    }
}

pub async fn say(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let (organization, own) = (member.session.organization, member.session.person.id.0);
    let content = fields.raw("content");
    match inbox::reply(&api.app, organization, conversation, Some(own), content).await {
        Ok(message) => Ok(reply::redirect(&format!("{PATH}/{id}#m-{}", message.id))),
        Err(error) => refused(member, &api, &id, error, content).await,
    }
}

pub async fn give_back(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(_): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let done = inbox::give_back(&api.app, member.session.organization, conversation).await;
    answer(member, &api, &id, done, "The assistant answers the visitor's next message.").await
}

pub async fn close(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(_): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let done = inbox::close(&api.app, member.session.organization, conversation).await;
    answer(member, &api, &id, done, "Closed. The visitor's next message opens it again.").await
}
