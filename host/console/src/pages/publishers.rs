//! `/console/connectors/publishers`: whose signatures of uploads the organization trusts, and whether it requires one.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::member::Permission;
use resly_http::{Api, problem::Problem};
use resly_service::publishers::{self, NewPublisher, PublisherError};
use resly_store::{Publisher, Trust};

use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Field, Table, alert, check, confirm, copyable, empty, form, submit, when},
    reply,
};

const PATH: &str = "/console/connectors/publishers";

/// A publisher to add, as it was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    name: String,
    public_key: String,
    mistakes: Vec<(String, String)>,
    refused: Option<String>,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    draw(member, &api, &Typed::default()).await
}

async fn draw(member: Member, api: &Api, typed: &Typed) -> Result<Page, PageError> {
    let trust = api.app.store.trust(member.session.organization).await?;
    let manages = member.may(Permission::Manage);
    let body = html! {
        @if let Some(refused) = &typed.refused { (alert(&sentence(refused))) }
        @if trust.publishers.is_empty() {
            (empty("No publisher is trusted", "A publisher signs its components with a key of its own. Trust that key, and its \
                    uploads are known to be its own.", &html! {}))
        } @else { (list(&member, &trust, manages)) }
        @if manages { (adding(&member, typed)) (requiring(&member, &trust)) }
    };
    Ok(Page::new(member, "Publishers", body)
        .above("/console/connectors", "Connectors")
        .lead(html! { "Whose signatures of uploaded connectors this organization trusts." }))
}

fn list(member: &Member, trust: &Trust, manages: bool) -> Markup {
    let mut table = Table::new("Publishers, the oldest first", &["Publisher", "Public key", "Added", ""]);
    for Publisher { id, name, public_key, created_at } in &trust.publishers {
        let text = html! {
            p { "What is installed goes on working." }
            @if trust.required { p { "Versions that " (name) " signed can't be installed, moved to or enabled any more, because a trusted signature is required." } }
        };
        let remove = html! {
            @if manages {
                (confirm(&member.form_token, &format!("remove-{id}"), "Remove", "Remove this publisher?", &text, &format!("{PATH}/{id}/remove"), "Remove it"))
            }
        };
        table.row(vec![
            html! { (name) },
            copyable("the public key", &public_key.to_string()),
            when(*created_at),
            remove,
        ]);
    }
    table.draw()
}

fn adding(member: &Member, typed: &Typed) -> Markup {
    let mistake =
        |path: &str| typed.mistakes.iter().find(|(known, _)| known == path).map(|(_, message)| sentence(message));
    let (of_name, of_key) = (mistake("name"), mistake("public_key"));
    html! {
        section class="panel" {
            h2 { "Trust another publisher" }
            (form(&member.form_token, PATH, &html! {
                (Field { name: "name", label: "Name", value: &typed.name, required: true, error: of_name.as_deref(), length: Some(100), ..Field::default() }.draw())
                (Field {
                    name: "public_key", label: "Public key", value: &typed.public_key, required: true, error: of_key.as_deref(),
                    hint: Some("Ed25519, 32 bytes in Base64, as resly connector keygen prints it."), ..Field::default()
                }.draw())
                (submit("Trust it"))
            }))
        }
    }
}

fn requiring(member: &Member, trust: &Trust) -> Markup {
    html! {
        section class="panel" {
            h2 { "Uploads" }
            (form(&member.form_token, &format!("{PATH}/require"), &html! {
                (check("required", "An upload has to be signed by a publisher of this list", trust.required))
                (submit("Save"))
            }))
        }
    }
}

pub async fn add(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let (name, public_key) = (fields.text("name").to_owned(), fields.text("public_key").to_owned());
    let new = NewPublisher { name: name.clone(), public_key: public_key.clone() };
    let error = match publishers::add(&api.app, organization, new).await {
        Ok(publisher) => {
            return Ok(reply::done(PATH, &format!("{} is trusted.", publisher.name)));
        }
        Err(error) => error,
    };
    let typed = match error {
        PublisherError::Invalid(mistakes) => {
            let mistakes = mistakes.into_iter().map(|mistake| (mistake.path, mistake.message)).collect();
            Typed { name, public_key, mistakes, refused: None }
        }
        error => {
            let problem = Problem::from(error);
            if problem.kind().status.is_server_error() {
                return Err(problem.into());
            }
            Typed { name, public_key, mistakes: Vec::new(), refused: Some(problem.detail().to_owned()) }
        }
    };
    Ok(draw(member, &api, &typed).await?.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}

pub async fn require(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let required = fields.checked("required");
    publishers::require(&api.app, organization, required).await.map_err(Problem::from)?;
    let notice =
        if required { "Uploads have to be signed by a trusted publisher." } else { "Uploads need no signature." };
    Ok(reply::done(PATH, notice))
}

pub async fn remove(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let missing = || PageError::missing("There is no such publisher. It may have been removed meanwhile.");
    let id = id.parse().map_err(|_| missing())?;
    if !api.app.store.delete_publisher(organization, id).await? {
        return Err(missing());
    }
    Ok(reply::done(PATH, "The publisher is removed."))
}
