//! A definition as text, JSON or TOML: written, checked, tried, added. Also where another page leaves one to go on with.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::connector::connection::Origin;
use resly_http::{Api, problem::Problem};
use resly_service::connectors;
use serde::Deserialize;
use serde_json::Value;

use super::{
    TEXT, by_default,
    definition::{self, Outcome, Written},
    handbook,
    mistakes::Mistakes,
    trial::TrialForm,
    way,
};
use crate::{
    access::Admin,
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    parts::{Field, area, form},
    reply,
};

/// A version to begin with.
#[derive(Deserialize)]
pub struct Beginning {
    from: Option<String>,
    version: Option<String>,
}

pub async fn page(
    Admin(member): Admin,
    State(api): State<Api>,
    Query(beginning): Query<Beginning>,
) -> Result<Page, PageError> {
    let mut text = String::new();
    if let Some(id) = beginning.from {
        let organization = member.session.organization;
        let found = connectors::find(&api.app, organization, &id, beginning.version.as_deref()).await;
        let chosen = found.map_err(Problem::from)?.chosen.installable;
        if chosen.origin == Origin::Uploaded {
            return Err(PageError::missing(
                "This version was uploaded as a component, and has no definition to go on with.",
            ));
        }
        text = pretty(&serde_json::to_value(&*chosen.manifest).map_err(|error| Problem::internal(&error))?);
    }
    Ok(draw(member, &Work { text, ..Work::default() }))
}

/// What the page shows.
#[derive(Default)]
pub struct Work {
    pub text: String,
    /// What an admin should look at in it.
    pub remarks: Vec<String>,
    pub trial: TrialForm,
    pub outcome: Option<Outcome>,
    /// Why what is to be tried can't be read.
    pub unreadable: Option<String>,
}

/// A definition as people read it.
pub fn pretty(definition: &Value) -> String {
    serde_json::to_string_pretty(definition).unwrap_or_default()
}

pub async fn write(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let mut work =
        Work { text: fields.raw("definition").to_owned(), trial: TrialForm::read(&fields), ..Work::default() };
    let written = Written::Text(work.text.clone());
    let outcome = match fields.text("do") {
        "add" => definition::add(&api, organization, written).await?,
        "try" => match work.trial.spec() {
            Ok(spec) => definition::dry_run(&api, organization, written, spec).await?,
            Err(why) => {
                work.unreadable = Some(why);
                return Ok(answer(member, &work));
            }
        },
        _ => definition::check(&api, organization, written).await?,
    };
    if let Outcome::Added { id, version } = &outcome {
        return Ok(added(id, version));
    }
    work.outcome = Some(outcome);
    Ok(answer(member, &work))
}

/// Where an admin goes on with a new version.
pub fn added(id: &str, version: &str) -> Response {
    let notice = format!("{id} {version} is in the catalogue. Install it to use it.");
    reply::done(&format!("/console/connectors/{id}/versions/{version}"), &notice)
}

fn answer(member: Member, work: &Work) -> Response {
    let wrong = work.unreadable.is_some() || matches!(work.outcome, Some(Outcome::Mistakes(_) | Outcome::NotTried(..)));
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    draw(member, work).status(status).into_response()
}

pub fn draw(member: Member, work: &Work) -> Page {
    let found = match &work.outcome {
        Some(Outcome::Mistakes(mistakes)) => mistakes.clone(),
        _ => Vec::new(),
    };
    let mistakes = Mistakes::new(found);
    let field = Field {
        name: "definition",
        label: "Definition",
        value: &work.text,
        required: true,
        hint: Some("JSON, or TOML as in connector.toml. A version never changes: raise it for a change."),
        ..Field::default()
    };
    let body = html! {
        (mistakes.summary())
        (remarks(&work.remarks))
        (form(&member.form_token, TEXT, &html! {
            (by_default("check"))
            div class="split" {
                section class="panel" {
                    (area(&field, 28, true))
                    p class="form-end" { button class="button primary" name="do" value="add" { "Add the connector" } }
                }
                div { (work.trial.draw(TEXT, work.outcome.as_ref(), work.unreadable.as_deref())) }
            }
        }))
    };
    let lead = html! {
        "The whole of what a connector without code can be: " (handbook("declarative-connectors", "the parts")) ", "
        (handbook("declarative-grammar", "the grammar of requests and responses")) "."
    };
    way(member, TEXT, lead, body)
}

fn remarks(remarks: &[String]) -> Markup {
    html! {
        @if !remarks.is_empty() {
            div class="notice warn" { div { p { "Look at these before you add it:" } ul { @for remark in remarks { li { (remark) } } } } }
        }
    }
}

/// The page with a definition that another page's form wrote.
pub fn continued(member: Member, fields: &Fields, definition: &Value) -> Response {
    let work = Work { text: pretty(definition), trial: TrialForm::read(fields), ..Work::default() };
    draw(member, &work).into_response()
}
