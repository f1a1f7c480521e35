//! `/console/connections/{id}/mapping`: jq filters that trim what the model sees, tried on the last output.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::member::Permission;
use resly_http::{Api, problem::Problem};
use resly_manifest::Action;
use resly_service::{
    actions::{self, ActionError, MappingPreview, PreviewSpec},
    connections::{self, ConnectionError, ConnectionPatch, ConnectionSetup},
};
use serde::Deserialize;

use super::{Tab, frame, open};
use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Field, area, facts, form, icon, snippet},
    reply,
};

#[derive(Deserialize)]
pub struct Parameters {
    action: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(Parameters { action }): Query<Parameters>,
) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let action = find(&setup, action.as_deref())?;
    let filter = setup.described.connection.mappings.get(&action.id).cloned().unwrap_or_default();
    let preview =
        preview(&api, &member, &setup, action, Some(filter.clone()).filter(|filter| !filter.is_empty())).await?;
    Ok(draw(member, &setup, action, &filter, &preview))
}

/// The action by its id; the first one without.
fn find<'s>(setup: &'s ConnectionSetup, action: Option<&str>) -> Result<&'s Action, PageError> {
    let found = match action {
        Some(action) => setup.manifest().action(action),
        None => setup.manifest().actions.first(),
    };
    found.ok_or_else(|| PageError::missing("This connector has no such action."))
}

/// What a filter came to.
enum Preview {
    Done(MappingPreview),
    /// The filter is wrong, and why.
    Wrong(String),
    /// There is no output to try it on.
    NoOutput,
}

/// Applies a filter to the action's last output. Without a filter, the output is shown as it is.
async fn preview(
    api: &Api,
    member: &Member,
    setup: &ConnectionSetup,
    action: &Action,
    filter: Option<String>,
) -> Result<Preview, PageError> {
    let spec = PreviewSpec { action: action.id.clone(), filter: filter.or_else(|| Some(".".to_owned())), sample: None };
    let (organization, id) = (member.session.organization, setup.described.connection.id);
    match actions::preview(&api.app, organization, id, spec).await {
        Ok(preview) => Ok(Preview::Done(preview)),
        Err(ActionError::NoSample) => Ok(Preview::NoOutput),
        Err(ActionError::Filter { message, offset, .. }) => Ok(Preview::Wrong(match offset {
            Some(offset) => format!("{message} (at byte {offset})"),
            None => message,
        })),
        Err(ActionError::Invalid(mistakes)) => {
            Ok(Preview::Wrong(mistakes.into_iter().map(|mistake| mistake.message).collect::<Vec<_>>().join("; ")))
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

fn draw(member: Member, setup: &ConnectionSetup, action: &Action, filter: &str, preview: &Preview) -> Page {
    let connection = &setup.described.connection;
    let path = Tab::Mapping.path(connection.id);
    let wrong = match preview {
        Preview::Wrong(why) => Some(sentence(why)),
        Preview::Done(_) | Preview::NoOutput => None,
    };
    let field = Field {
        name: "filter",
        label: "jq filter",
        value: filter,
        hint: Some("Applied to the action's output before a model sees it. Empty: the whole output."),
        error: wrong.as_deref(),
        placeholder: Some(".orders[0] | {order, state}"),
        ..Field::default()
    };
    let body = html! {
        p { "A model reads an output faster and for less money when it holds only what it needs." }
        nav class="choices-line" aria-label="Actions" {
            @for other in &setup.manifest().actions {
                @let mark = (other.id == action.id).then_some("true");
                a href={ (path) "?action=" (other.id) } aria-current=[mark] { (other.title) }
            }
        }
        div class="columns" {
            section class="panel" {
                h2 { (action.title) }
                @if member.may(Permission::Manage) {
                    (form(&member.form_token, &path, &html! {
                        input type="hidden" name="action" value=(action.id);
                        input type="hidden" name="revision" value=(connection.revision);
                        (area(&field, 8, true))
                        p class="form-end" {
                            button class="button" name="do" value="preview" { "Preview" }
                            button class="button primary" name="do" value="save" { "Save" }
                        }
                    }))
                } @else { (snippet("The filter", filter)) }
            }
            section class="panel" aria-live="polite" { (result(preview, &Tab::Actions.path(connection.id), action)) }
        }
    };
    frame(member, setup, Tab::Mapping, body)
}

fn result(preview: &Preview, actions: &str, action: &Action) -> Markup {
    let input_of = |preview: &MappingPreview| pretty(preview.input.get());
    html! {
        h2 { "On the last output" }
        @match preview {
            Preview::NoOutput => {
                p class="quiet" { "This action has given no output yet that could be shown." }
                p class="form-end" { a href={ (actions) "/" (action.id) } class="button" { "Run it once" } }
            }
            Preview::Wrong(_) => { p class="quiet" { "The filter fails, so nothing comes out of it." } }
            Preview::Done(preview) => {
                @for note in &preview.notes { p class="notice warn" { (icon("warn")) (sentence(note)) } }
                (facts(&[
                    ("Before", html! { (preview.input.get().len()) " bytes" }),
                    ("After", html! { (preview.output.get().len()) " bytes" }),
                    ("A model reads", html! { (preview.model_bytes) " bytes" }),
                ]))
                @if preview.sample_cut { p class="hint" { "The output was cut to be kept, so a filter may find less in it than in a whole one." } }
                h3 { "What a model reads" }
                (snippet("What comes out", &pretty(preview.output.get())))
                details { summary { "The whole output" } (snippet("The whole output", &input_of(preview))) }
            }
        }
    }
}

fn pretty(text: &str) -> String {
    let read: Result<serde_json::Value, _> = serde_json::from_str(text);
    read.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| text.to_owned())
}

/// Previews a filter, or sets it.
pub async fn save(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    let action = find(&setup, fields.filled("action"))?;
    let filter = fields.raw("filter").trim();
    let given = Some(filter.to_owned()).filter(|filter| !filter.is_empty());
    if fields.text("do") != "save" {
        let preview = preview(&api, &member, &setup, action, given).await?;
        return Ok(draw(member, &setup, action, filter, &preview).into_response());
    }
    let connection = &setup.described.connection;
    let mut mappings = connection.mappings.clone();
    match given {
        Some(filter) => mappings.insert(action.id.clone(), filter),
        None => mappings.remove(&action.id),
    };
    let revision = fields.text("revision").parse().ok();
    let patch = ConnectionPatch { mappings: Some(mappings), revision, ..ConnectionPatch::default() };
    match connections::change(&api.app, member.session.organization, connection.id, patch).await {
        Ok(_) => {
            let path = format!("{}?action={}", Tab::Mapping.path(connection.id), action.id);
            Ok(reply::done(&path, "The mapping is saved. Chats use it from now on."))
        }
        Err(ConnectionError::Invalid(mistakes)) => {
            let why = mistakes.into_iter().map(|mistake| mistake.message).collect::<Vec<_>>().join("; ");
            let page = draw(member, &setup, action, filter, &Preview::Wrong(why));
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}
