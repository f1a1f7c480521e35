//! Deploy → API → one key: what it is, change, rotate, delete.

use std::time::Duration;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    id::KeyId,
    member::Permission,
    meter::Meter,
    principal::{KeyKind, Scope},
    time::Timestamp,
};
use resly_http::{Api, problem::Problem};
use resly_service::keys::{self, KeyDetails, KeyError, KeyIssuer, KeyPatch, Overlap};
use resly_store::KeySummary;

use super::{
    api::PATH,
    key_form::KeyForm,
    shown,
    words::{self, State as KeyState},
};
use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    numbers::{count, thousands},
    parts::{Choice, Field, alert, confirm, copyable, countdown, date, facts, form, select, submit, when},
    reply,
};

/// The overlaps to choose from, in seconds.
const OVERLAPS: [(&str, &str); 5] = [
    ("3600", "For an hour"),
    ("86400", "For a day"),
    ("604800", "For 7 days"),
    ("2592000", "For 30 days"),
    ("0", "Not at all: it leaked"),
];

/// What a form did that couldn't be done.
#[derive(Default)]
struct Refused {
    /// What was typed, with its mistakes.
    typed: Option<(KeyForm, Mistakes)>,
    notice: Option<String>,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    draw(member, &api, &id, Refused::default()).await
}

fn parse(id: &str) -> Result<KeyId, PageError> {
    id.parse().map_err(|_| Problem::from(KeyError::Missing).into())
}

async fn draw(member: Member, api: &Api, id: &str, refused: Refused) -> Result<Page, PageError> {
    let organization = member.session.organization;
    let details = keys::details(&api.app, organization, parse(id)?).await.map_err(Problem::from)?;
    let now = api.app.clock.now();
    let KeyDetails { key, rotations, .. } = &details;
    let Refused { typed, notice } = refused;
    let state = KeyState::of(key, rotations, now);
    let operators = key.scopes.contains(&Scope::Operator);
    let may_change = member.may(Permission::Manage) && !operators && state != KeyState::Over;
    let may_delete = member.may(Permission::Manage) && !operators;
    let body = html! {
        @if let Some(notice) = &notice { (alert(notice)) }
        (rotation(state, rotations, now))
        section class="panel" {
            (key_facts(key, state, now))
            @if operators {
                p class="hint" { "This key operates the host. Only another operator's key changes, rotates or deletes it." }
            }
        }
        section class="panel" {
            h2 { "Used in the last " (KeyDetails::DAYS) " days" }
            (used(&details))
        }
        @if may_change { (rotate_panel(&member, key)) (change_panel(&member, key, typed)) }
        @if may_delete { (delete_panel(&member, &details)) }
    };
    Ok(Page::new(member, key.name.clone(), body).above(PATH, "API"))
}

/// The state of a rotation: which keys are in it, and until when the older one works.
fn rotation(state: KeyState, rotations: &[KeySummary], now: Timestamp) -> Markup {
    let older = rotations.iter().find_map(|key| match KeyState::of(key, rotations, now) {
        KeyState::Ends(until) | KeyState::Replaced(until) => Some((key, until)),
        KeyState::Works | KeyState::Over => None,
    });
    html! {
        @if let KeyState::Replaced(until) = state {
            p class="notice warn" {
                "This key was rotated. It ends in " (countdown(now, until)) "."
                @if let Some(newest) = rotations.first() { " " a href={ (PATH) "/" (newest.id) } { "The new key" } }
            }
        } @else if let Some((older, until)) = older {
            p class="notice" {
                "This key replaces another one. Both work for " (countdown(now, until)) ". "
                a href={ (PATH) "/" (older.id) } { "The old key" }
            }
        }
    }
}

fn key_facts(key: &KeySummary, state: KeyState, now: Timestamp) -> Markup {
    let cap = |cap: Option<u64>| html! { @match cap { Some(cap) => (thousands(cap)), None => "no cap" } };
    let mut all = vec![
        ("State", state.draw(now)),
        ("May", words::scopes(key)),
        ("Kind", html! { (words::kind(key.kind)) }),
        ("Begins with", copyable("the beginning of the key", &words::beginning(key))),
        ("Last used", date(key.last_used_at, "never")),
        ("Made", when(key.created_at)),
        ("Expires", date(key.expires_at, "never")),
        ("Most messages in a month", cap(key.message_cap)),
        ("Most of one visitor in a day", cap(key.visitor_message_cap)),
    ];
    if key.kind == KeyKind::Publishable {
        all.push(("Allowed origins", html! { @for origin in &key.origins { code { (origin) } " " } }));
    }
    facts(&all)
}

/// What a key used, in words; the reader wants to know whether anything would miss it.
fn used(details: &KeyDetails) -> Markup {
    let of = |meter: Meter| details.used.get(&meter).copied().unwrap_or(0);
    let (messages, calls) = (of(Meter::Messages), of(Meter::ConnectorCalls));
    let tokens = of(Meter::ModelInputTokens) + of(Meter::ModelOutputTokens);
    html! {
        @if details.used.is_empty() {
            p class="quiet" { "Nothing was asked under it." }
        } @else {
            (facts(&[
                ("Messages", html! { (count(messages)) }),
                ("Connector calls", html! { (count(calls)) }),
                ("Tokens of models", html! { (count(tokens)) }),
            ]))
        }
        @if !details.rotations.is_empty() { p class="hint" { "The keys of a rotation are counted as one." } }
    }
}

fn rotate_panel(member: &Member, key: &KeySummary) -> Markup {
    let options = OVERLAPS.map(|(value, label)| Choice { value, label, hint: None });
    let overlap = Field {
        name: "overlap",
        label: "The old key works on",
        value: "86400",
        required: true,
        hint: Some("Both keys work meanwhile, so nothing stops while you update your applications."),
        ..Field::default()
    };
    html! {
        section class="panel" {
            h2 { "Rotate" }
            p { "You get a new key with the same name, scopes and caps." }
            (form(&member.form_token, &format!("{PATH}/{}/rotate", key.id), &html! {
                (select(&overlap, &options))
                (submit("Rotate the key"))
            }))
        }
    }
}

fn change_panel(member: &Member, key: &KeySummary, typed: Option<(KeyForm, Mistakes)>) -> Markup {
    let (typed, mistakes) = typed.unwrap_or_else(|| (KeyForm::of(key), Mistakes::default()));
    html! {
        section class="panel" {
            h2 { "Change" }
            (form(&member.form_token, &format!("{PATH}/{}", key.id), &html! {
                (typed.name_field("", &mistakes))
                (typed.scope_fields(key.kind, &mistakes))
                @if key.kind == KeyKind::Publishable { (typed.origin_field(&mistakes)) }
                (typed.cap_fields(&mistakes))
                (submit("Save"))
            }))
        }
    }
}

fn delete_panel(member: &Member, details: &KeyDetails) -> Markup {
    let key = &details.key;
    let messages = details.used.get(&Meter::Messages).copied().unwrap_or(0);
    let text = html! {
        p {
            "Last used: " (date(key.last_used_at, "never")) ". In the last " (KeyDetails::DAYS) " days it asked "
            (count(messages)) " messages."
        }
        p { "It stops working within a second. Whatever still uses it is answered 401. This can't be undone." }
    };
    html! {
        section class="panel" {
            h2 { "Delete" }
            p { "When nothing uses the key any more." }
            p class="form-end" {
                (confirm(&member.form_token, "delete-key", "Delete the key", &format!("Delete “{}”?", key.name), &text, &format!("{PATH}/{}/delete", key.id), "Delete it"))
            }
        }
    }
}

/// The page again, with why a form couldn't be done.
async fn refuse(member: Member, api: &Api, id: &str, error: KeyError, typed: KeyForm) -> Result<Response, PageError> {
    let refused = match error {
        KeyError::Invalid(mistakes) => Refused { typed: Some((typed, mistakes.into())), notice: None },
        other => {
            let problem = Problem::from(other);
            if problem.kind().status.is_server_error() || problem.kind().status == StatusCode::NOT_FOUND {
                return Err(problem.into());
            }
            Refused { typed: None, notice: Some(sentence(problem.detail())) }
        }
    };
    Ok(draw(member, api, id, refused).await?.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

pub async fn change(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let typed = KeyForm::read(&fields);
    let values = match typed.values(api.app.clock.now()) {
        Ok(values) => values,
        Err(mistakes) => {
            let refused = Refused { typed: Some((typed, mistakes)), notice: None };
            let page = draw(member, &api, &id, refused).await?;
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
    };
    let patch = KeyPatch {
        name: Some(values.name),
        scopes: Some(values.scopes),
        origins: fields.checked("origins").then_some(values.origins),
        message_cap: Some(values.message_cap),
        visitor_message_cap: Some(values.visitor_message_cap),
        ..KeyPatch::default()
    };
    match keys::change(&api.app.keyring, KeyIssuer::Member(member.session.organization), parse(&id)?, patch).await {
        Ok(key) => {
            Ok(reply::done(&format!("{PATH}/{}", key.id), "The key is changed. That holds everywhere within a second."))
        }
        Err(error) => refuse(member, &api, &id, error, typed).await,
    }
}

pub async fn rotate(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let issuer = KeyIssuer::Member(member.session.organization);
    let seconds = fields.text("overlap").parse().ok();
    let rotated = match Overlap::from_seconds(seconds) {
        Ok(overlap) => keys::rotate(&api.app.keyring, issuer, parse(&id)?, overlap).await,
        Err(error) => Err(error),
    };
    let secret = match rotated {
        Ok(secret) => secret,
        Err(error) => return refuse(member, &api, &id, error, KeyForm::read(&fields)).await,
    };
    let now = api.app.clock.now();
    let until = now.plus(Duration::from_secs(seconds.unwrap_or(3600)));
    let old = format!("{PATH}/{id}");
    let next = html! {
        @if until == now {
            p { "The old key has ended." }
        } @else {
            p { "Both keys work for " strong { (countdown(now, until)) } ". Meanwhile:" }
        }
        ol class="plain" {
            li { "Update your applications with the new key." }
            li { "Test that it works: its page shows when it was last used." }
            li { "Delete " a href=(old) { "the old key" } ", or let it end by itself." }
        }
    };
    Ok(shown::page(member, "The new key", &secret, &next, (PATH, "API")).into_response())
}

pub async fn delete(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    match keys::delete(&api.app.keyring, KeyIssuer::Member(member.session.organization), parse(&id)?).await {
        Ok(()) => Ok(reply::done(PATH, "The key is deleted. It stops working within a second.")),
        Err(error) => refuse(member, &api, &id, error, KeyForm::read(&fields)).await,
    }
}
