//! The forms beside a conversation and above the list: notes, tags, canned replies, snoozing, merging, availability, and
//! what is done to many conversations.

use std::time::Duration;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use resly_core::id::ConversationId;
use resly_http::{Api, problem::Problem};
use resly_service::inbox::{
    canned_replies::fill,
    handling::{self, BulkAction, HandlingError},
};
use resly_store::{HandoverError, MergeError, NoteError};

use super::{
    conversation::{Refused, draw, missing},
    people::People,
    side::SNOOZES,
    words::PATH,
};
use crate::{
    access::Agent,
    error::{PageError, sentence},
    fields::Submitted,
    member::Member,
    reply,
};

/// The conversation's page with what was done, or with why it wasn't.
async fn answer<T>(
    member: Member,
    api: &Api,
    id: &str,
    done: Result<T, HandlingError>,
    notice: &str,
    note: &str,
) -> Result<Response, PageError> {
    let error = match done {
        Ok(_) => return Ok(reply::done(&format!("{PATH}/{id}"), notice)),
        Err(error) => error,
    };
    let (status, mistake) = match error {
        HandlingError::Handover(HandoverError::Missing)
        | HandlingError::Note(NoteError::Missing)
        | HandlingError::Merge(MergeError::Missing) => return Err(missing()),
        HandlingError::Invalid(mistakes) => {
            let mistake = mistakes.first().map(|mistake| sentence(&mistake.message)).unwrap_or_default();
            (StatusCode::UNPROCESSABLE_ENTITY, mistake)
        }
        HandlingError::Note(error @ (NoteError::TooMany | NoteError::TooManyTags { .. })) => {
            (StatusCode::UNPROCESSABLE_ENTITY, sentence(&error.to_string()))
        }
        HandlingError::Merge(error @ (MergeError::Same | MergeError::OtherVisitor | MergeError::Merged)) => {
            (StatusCode::CONFLICT, sentence(&error.to_string()))
        }
        error => return Err(Problem::from(error).into()),
    };
    let refused = Refused { mistake: Some(mistake), note: note.to_owned(), ..Refused::default() };
    Ok(draw(member, api, id, refused).await?.status(status).into_response())
}

pub async fn note(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let (organization, own) = (member.session.organization, member.session.person.id.0);
    let note = fields.raw("note");
    let done = handling::note(&api.app, organization, conversation, Some(own), note).await;
    answer(member, &api, &id, done, "Your note is added.", note).await
}

pub async fn tag(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    // A tag is removed as it is stored.
    let remove: Vec<String> = fields.all("remove").into_iter().map(str::to_owned).collect();
    let add: Vec<String> = fields.filled("add").map(str::to_owned).into_iter().collect();
    let done = handling::tag(&api.app, member.session.organization, conversation, add, remove).await;
    answer(member, &api, &id, done, "The tags are changed.", "").await
}

pub async fn snooze(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let chosen = SNOOZES.iter().find(|(seconds, _)| *seconds == fields.text("seconds"));
    let seconds = chosen.and_then(|(seconds, _)| seconds.parse().ok());
    let until = seconds.map(|seconds| api.app.clock.now().plus(Duration::from_secs(seconds)));
    let done = handling::snooze(&api.app, member.session.organization, conversation, until).await;
    let notice =
        if until.is_some() { "Snoozed. It comes back by itself, or when the visitor writes." } else { "It is back." };
    answer(member, &api, &id, done, notice, "").await
}

pub async fn merge(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let into: ConversationId = fields.text("into").parse().map_err(|_| missing())?;
    let done = handling::merge(&api.app, member.session.organization, conversation, into).await;
    answer(member, &api, &id, done, "Merged. The visitor goes on in the other conversation.", "").await
}

/// The page with a canned reply at the end of what was typed.
pub async fn insert_canned(
    Agent(member): Agent,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let conversation = id.parse().map_err(|_| missing())?;
    let desk = handling::desk(&api.app, member.session.organization, conversation).await?.ok_or_else(missing)?;
    let people = People::of(&api, &member).await?;
    let chosen = desk.canned_replies.iter().find(|reply| reply.id.to_string() == fields.text("canned"));
    let typed = fields.raw("content");
    let typed = match chosen {
        Some(reply) => {
            let text = fill(&reply.body, desk.record.visitor.as_deref(), people.own_name());
            if typed.trim().is_empty() { text } else { format!("{}\n{text}", typed.trim_end()) }
        }
        None => typed.to_owned(),
    };
    Ok(draw(member, &api, &id, Refused { typed, ..Refused::default() }).await?.into_response())
}

pub async fn set_availability(
    Agent(member): Agent,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let available = fields.text("available") == "yes";
    handling::set_availability(&api.app, member.session.organization, member.session.person.id, available).await?;
    let notice = if available { "You are available." } else { "You are away." };
    Ok(reply::done(PATH, notice))
}

pub async fn change_many(
    Agent(member): Agent,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    // A place of ours, with the list's filters.
    let back =
        Some(fields.text("back")).filter(|back| back.strip_prefix(PATH).is_some_and(|rest| rest.starts_with('?')));
    let back = back.unwrap_or(PATH);
    let chosen: Vec<ConversationId> = fields.all("conversation").into_iter().filter_map(|id| id.parse().ok()).collect();
    let action = match fields.text("action") {
        "close" => Some(BulkAction::Close),
        "assign" => Some(BulkAction::Assign(member.session.person.id.0)),
        "tag" => fields.filled("tag").map(|tag| BulkAction::Tag(tag.to_owned())),
        _ => None,
    };
    let Some(action) = action else { return Ok(reply::done(back, "Nothing is changed: type the tag to add.")) };
    if chosen.is_empty() {
        return Ok(reply::done(back, "Nothing is changed: tick the conversations first."));
    }
    let notice = match handling::change_many(&api.app, member.session.organization, chosen, action).await {
        Ok(outcome) if outcome.left == 0 => format!("Changed: {}.", outcome.changed),
        Ok(outcome) => format!("Changed: {}. Left as they are: {}.", outcome.changed, outcome.left),
        Err(HandlingError::Invalid(mistakes)) => {
            mistakes.first().map(|mistake| sentence(&mistake.message)).unwrap_or_default()
        }
        Err(error) => return Err(Problem::from(error).into()),
    };
    Ok(reply::done(back, &notice))
}
