//! The builder: a form that writes the definition of a connector without code, with a dry run beside it.

mod action;
mod definition;
mod draw;
mod form;
mod rows;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use resly_http::Api;

use self::{definition::Definition, draw::Shown, form::BuilderForm};
use super::{
    definition::{self as definitions, Outcome, Written},
    mistakes::Mistakes,
    text,
    trial::TrialForm,
};
use crate::{
    access::Admin,
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
};

pub async fn page(Admin(member): Admin) -> Page {
    draw::page(member, &Shown::new(BuilderForm::begin()))
}

pub async fn write(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let form = BuilderForm::read(&fields);
    let Definition { document, mistakes } = definition::write(&form);
    let does = fields.text("do");
    if does == "text" {
        return Ok(text::continued(member, &fields, &document));
    }
    if matches!(does, "rows" | "action") {
        let mut shown = Shown::new(form);
        shown.trial = TrialForm::read(&fields);
        shown.another_action = does == "action";
        return Ok(draw::page(member, &shown).into_response());
    }
    let ran = Run { member, api: &api, fields: &fields, form, mistakes };
    ran.run(does, document).await
}

/// A form whose definition is checked, tried or added.
struct Run<'r> {
    member: Member,
    api: &'r Api,
    fields: &'r Fields,
    form: BuilderForm,
    /// What the form couldn't write into the definition.
    mistakes: Vec<(String, String)>,
}

impl Run<'_> {
    async fn run(self, does: &str, document: serde_json::Value) -> Result<Response, PageError> {
        let Self { member, api, fields, form, mut mistakes } = self;
        let organization = member.session.organization;
        let trial = TrialForm::read(fields);
        let spec = trial.spec();
        let written = Written::Document(document);
        let outcome = match does {
            // What isn't whole is only checked, so that all of its mistakes are told at once.
            _ if !mistakes.is_empty() => definitions::check(api, organization, written).await?,
            "add" => definitions::add(api, organization, written).await?,
            "try" => match spec {
                Ok(spec) => definitions::dry_run(api, organization, written, spec).await?,
                Err(why) => {
                    let shown = Shown { trial, unreadable: Some(why), ..Shown::new(form) };
                    return Ok(draw::page(member, &shown).status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
                }
            },
            _ => definitions::check(api, organization, written).await?,
        };
        match &outcome {
            Outcome::Added { id, version } => return Ok(text::added(id, version)),
            Outcome::Mistakes(found) => {
                // A place that the form has a mistake at has others only because of that.
                let covered = |path: &str| mistakes.iter().any(|(known, _)| path.starts_with(known.as_str()));
                let further: Vec<_> = found.iter().filter(|(path, _)| !covered(path)).cloned().collect();
                mistakes.extend(further);
            }
            _ => {}
        }
        let wrong = !mistakes.is_empty() || matches!(outcome, Outcome::NotTried(..));
        let outcome = Some(outcome).filter(|_| mistakes.is_empty());
        let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let shown = Shown { trial, outcome, mistakes: Mistakes::new(mistakes), ..Shown::new(form) };
        Ok(draw::page(member, &shown).status(status).into_response())
    }
}
