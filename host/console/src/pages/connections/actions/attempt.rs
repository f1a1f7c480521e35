//! `/console/connections/{id}/actions/{action}`: calls an action by hand, or shows what it would send.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    connector::{
        connection::{Environment, Owner},
        fault::FaultKind,
    },
    member::Permission,
};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Action, SideEffect};
use resly_service::{
    FieldError,
    actions::{self, ActionError, DryRunOutcome},
    connections::ConnectionSetup,
};
use serde_json::{Value, json};

use super::outcome;
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    pages::{
        connections::{
            Tab, caller, frame, open,
            setup::{visitor_field, where_it_asks},
        },
        connectors::show::effect,
    },
    parts::{Filled, SchemaForm, check, form, prose},
};

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path((id, action)): Path<(String, String)>,
) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let action = find(&setup, &action)?;
    Ok(draw(member, &setup, action, &Filled::Value(&json!({})), &[], &Markup::default()))
}

fn find<'s>(setup: &'s ConnectionSetup, action: &str) -> Result<&'s Action, PageError> {
    let missing = || PageError::missing("This connector has no such action. Another version of it may have one.");
    setup.manifest().action(action).ok_or_else(missing)
}

fn draw(
    member: Member,
    setup: &ConnectionSetup,
    action: &Action,
    filled: &Filled<'_>,
    mistakes: &[FieldError],
    result: &Markup,
) -> Page {
    let connection = &setup.described.connection;
    let path = format!("{}/{}", Tab::Actions.path(connection.id), action.id);
    let schema = SchemaForm::new("input", &action.input);
    let elsewhere = mistakes.iter().filter(|mistake| !schema.covers(mistake));
    let visitor = match filled {
        Filled::Typed(fields) => fields.text("visitor"),
        Filled::Value(_) => "",
    };
    let body = html! {
        p class="above" { a href=(Tab::Actions.path(connection.id)) { "All actions" } }
        div class="columns" {
            section class="panel" {
                div class="panel-head" { h2 { (action.title) } (effect(action)) }
                p class="quiet" { (prose(&action.description)) }
                p class="hint" { (where_it_asks(connection.environment, &setup.manifest().name)) }
                @for mistake in elsewhere { p class="mistake" role="alert" { (mistake.message) } }
                @if member.may(Permission::Manage) {
                    (form(&member.form_token, &path, &html! {
                        @if schema.is_empty() { p class="quiet" { "It takes no input." } }
                        (schema.draw(filled, mistakes))
                        @if connection.owner == Owner::Visitor { (visitor_field(visitor)) }
                        (buttons(setup, action))
                    }))
                }
            }
            section class="panel" aria-live="polite" {
                h2 { "Result" }
                @if result.0.is_empty() { p class="quiet" { "What it gives, what it costs and what it logs is shown here." } }
                (result)
            }
        }
    };
    frame(member, setup, Tab::Actions, body)
}

/// What changes something is shown first, and done only when its box is ticked. The first button is the one that the
/// Enter key presses.
fn buttons(setup: &ConnectionSetup, action: &Action) -> Markup {
    let real = setup.described.connection.environment == Environment::Production;
    html! {
        @match action.side_effect {
            SideEffect::Read => {
                p class="form-end" {
                    button class="button primary" name="do" value="run" { "Run" }
                    button class="button" name="do" value="dry-run" { "Show the request only" }
                }
            }
            SideEffect::Write => {
                @if real { (check(SURE, &format!("Really change this at {}", setup.manifest().name), false)) }
                p class="form-end" {
                    button class="button primary" name="do" value="dry-run" { "Show the request only" }
                    button class="button danger" name="do" value="run" { "Run" }
                }
            }
        }
    }
}

/// The box that says that a change is meant.
const SURE: &str = "sure";

pub async fn run(
    Admin(member): Admin,
    State(api): State<Api>,
    Path((id, action)): Path<(String, String)>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    let action = find(&setup, &action)?;
    let input = match input(&setup, action, &fields) {
        Ok(input) => input,
        Err(mistakes) => {
            let page = draw(member, &setup, action, &Filled::Typed(&fields), &mistakes, &Markup::default());
            return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response());
        }
    };
    let result = result(&api, &member, &setup, action, &fields, input).await?;
    Ok(draw(member, &setup, action, &Filled::Typed(&fields), &[], &result).into_response())
}

/// The input of the form, or its mistakes.
fn input(setup: &ConnectionSetup, action: &Action, fields: &Fields) -> Result<Value, Vec<FieldError>> {
    let input = SchemaForm::new("input", &action.input).read(fields)?;
    let real = setup.described.connection.environment == Environment::Production;
    let changes = action.side_effect == SideEffect::Write && fields.text("do") == "run";
    if real && changes && !fields.checked(SURE) {
        return Err(vec![FieldError::new(SURE, "Tick the box if you mean it: this changes something at the service.")]);
    }
    Ok(input)
}

async fn result(
    api: &Api,
    member: &Member,
    setup: &ConnectionSetup,
    action: &Action,
    fields: &Fields,
    input: Value,
) -> Result<Markup, PageError> {
    let connection = setup.described.connection.id;
    let by = caller(member, fields.filled("visitor"));
    if fields.text("do") == "run" {
        let called = actions::call(&api.app, by, connection, action.id.clone(), input).await.map_err(Problem::from)?;
        return Ok(outcome::call(&called));
    }
    match actions::dry_run(&api.app, by, connection, action.id.clone(), input).await {
        Ok(dry_run) => Ok(match dry_run.outcome {
            DryRunOutcome::Request(request) => outcome::request(&request, dry_run.fuel, &dry_run.log),
            DryRunOutcome::Output(output) => outcome::output_without_request(&output, dry_run.fuel, &dry_run.log),
        }),
        Err(ActionError::Failed(fault, report)) if fault.kind != FaultKind::Limit => {
            Ok(outcome::failure(&fault, &report.cost, &report.log))
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}
