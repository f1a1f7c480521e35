//! `/console/connections/{id}/setup/{step}`: the second half of the installation, once the connection exists:
//! authenticate, test, enable.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::connector::connection::{Connection, Environment, Owner};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Auth, Manifest};
use resly_service::{
    FieldError,
    actions::{self, ManualCallReport},
    connections::{self, ConnectionError, ConnectionSetup, SetupStep},
};

use super::{
    Tab, caller,
    credentials::{self, Saved},
    open,
    progress::{At, progress},
    words,
};
use crate::{
    access::Admin,
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Field, copyable, form, icon, submit},
    reply,
};

/// The address of a step.
pub fn path(setup: &ConnectionSetup, step: SetupStep) -> String {
    format!("{}/setup/{}", Tab::Overview.path(setup.described.connection.id), name(step))
}

fn name(step: SetupStep) -> &'static str {
    match step {
        SetupStep::Authenticate => "authenticate",
        SetupStep::Test => "test",
        SetupStep::Enable => "enable",
    }
}

/// Where an admin goes on after a connection was made: in the sandbox nothing is asked for, so the test comes first.
pub fn first_path(connection: &Connection, manifest: &Manifest) -> String {
    let sandbox = connection.environment == Environment::Sandbox;
    let nothing = *connection.auth_in(manifest) == Auth::None;
    let step = if sandbox || nothing { SetupStep::Test } else { SetupStep::Authenticate };
    format!("{}/setup/{}", Tab::Overview.path(connection.id), name(step))
}

/// Where an admin goes on: the next step, or the connection's page.
pub fn next_path(setup: &ConnectionSetup) -> String {
    setup.next().map_or_else(|| Tab::Overview.path(setup.described.connection.id), |step| path(setup, step))
}

fn frame(member: Member, setup: &ConnectionSetup, step: SetupStep, title: &str, body: &Markup) -> Page {
    let at = match step {
        SetupStep::Authenticate => At::Authenticate,
        SetupStep::Test => At::Test,
        SetupStep::Enable => At::Enable,
    };
    let settings = Some(Tab::Settings.path(setup.described.connection.id));
    let [authenticate, test, enable] =
        [SetupStep::Authenticate, SetupStep::Test, SetupStep::Enable].map(|step| Some(path(setup, step)));
    let progress = progress(at, [None, None, settings, authenticate, test, enable]);
    let connection = &setup.described.connection;
    Page::new(member, title, html! { (progress) (body) })
        .above(Tab::Overview.path(connection.id), connection.name.clone())
}

pub async fn authenticate(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    Ok(draw_authenticate(member, &setup, &[]))
}

fn draw_authenticate(member: Member, setup: &ConnectionSetup, mistakes: &[FieldError]) -> Page {
    let connection = &setup.described.connection;
    let sandbox = connection.environment == Environment::Sandbox;
    let onward = path(setup, SetupStep::Test);
    let here = path(setup, SetupStep::Authenticate);
    let body = html! {
        @if sandbox && *setup.auth() != Auth::None {
            p class="notice" { (icon("done")) span { "The sandbox needs no credentials: sample data answers. " a href=(onward) { "Go on to the test" } ", or enter them now for later." } }
        }
        section class="panel" { (ways(&member, setup, &here, mistakes)) }
        p class="form-end" { a href=(onward) class="button" { "Go on to the test" } }
    };
    frame(member, setup, SetupStep::Authenticate, "Authenticate", &body)
}

/// What there is to enter or to agree to.
pub fn ways(member: &Member, setup: &ConnectionSetup, action: &str, mistakes: &[FieldError]) -> Markup {
    let connection = &setup.described.connection;
    let token = &member.form_token;
    match setup.auth() {
        Auth::None => html! { p { "This connector needs no credentials." } },
        Auth::Oauth2(oauth) => html! {
            h2 { "OAuth" }
            @if oauth.authorize_url.is_some() && setup.auth().requires_user_consent() {
                @if setup.has_client && connection.owner == Owner::Organization {
                    (authorize(token, setup))
                } @else if connection.owner == Owner::Visitor {
                    p { "Each visitor authorizes an account of their own, from your app." }
                } @else {
                    p { "First the app that you registered at " (setup.manifest().name) ": its id and secret." }
                    @if let Some(address) = &setup.redirect_uri {
                        p { "Register this redirect address there, exactly: " (copyable("the redirect address", address)) }
                    }
                }
            } @else {
                p { "The app's id and secret are all it needs: nobody has to agree." }
            }
            details open[!setup.has_client || !mistakes.is_empty()] {
                summary { @if setup.has_client { "Use another app" } @else { "The app's client" } }
                (credentials::entry(token, action, setup, mistakes))
            }
        },
        auth if credentials::are_entered(setup) => html! {
            h2 { (credentials::way(auth.kind())) }
            @if connection.credentials.is_some() { p class="quiet" { "There are some already. New ones take their place." } }
            (credentials::entry(token, action, setup, mistakes))
        },
        _ => html! { p { "Each visitor brings credentials of their own, which your app hands in." } },
    }
}

/// The button that leads to the service.
pub fn authorize(token: &crate::csrf::FormToken, setup: &ConnectionSetup) -> Markup {
    let described = &setup.described;
    let again = described.account.is_some();
    let action = format!("{}/authorize", Tab::Overview.path(described.connection.id));
    html! {
        @if let Some(account) = &described.account {
            p { "It is authorized since " (crate::parts::when(account.authorized_at)) "." }
        } @else {
            p { "You are sent to " (setup.manifest().name) ", agree there, and come back here." }
        }
        (form(token, &action, &html! {
            p class="form-end" { button class="button primary" { @if again { "Authorize again" } @else { "Authorize at " (setup.manifest().name) } } }
        }))
    }
}

pub async fn save_credentials(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    match credentials::save(&api, &member, &setup, &fields).await? {
        Saved::Mistakes(mistakes) => {
            let page = draw_authenticate(member, &setup, &mistakes);
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        Saved::Done(notice) => {
            let step = if setup.auth().requires_user_consent() { SetupStep::Authenticate } else { SetupStep::Test };
            Ok(reply::done(&path(&setup, step), &notice))
        }
    }
}

pub async fn test(Admin(member): Admin, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    Ok(draw_test(member, &setup, &Markup::default()))
}

fn draw_test(member: Member, setup: &ConnectionSetup, outcome: &Markup) -> Page {
    let connection = &setup.described.connection;
    let here = path(setup, SetupStep::Test);
    let test = setup.manifest().test.as_ref().and_then(|test| setup.manifest().action(&test.action));
    let body = html! {
        (outcome)
        section class="panel" {
            @if let Some(action) = test {
                h2 { (action.title) }
                p { (where_it_asks(connection.environment, &setup.manifest().name)) " It changes nothing." }
                (form(&member.form_token, &here, &html! {
                    @if connection.owner == Owner::Visitor { (visitor_field("")) }
                    (submit("Run the test"))
                }))
            } @else {
                p { "This connector names no action to test with. Call one of its actions instead: a call that succeeds counts as the test." }
                p class="form-end" { a href=(Tab::Actions.path(connection.id)) class="button primary" { "To the actions" } }
            }
        }
        @if connection.tested_at.is_some() || connection.environment == Environment::Sandbox {
            p class="form-end" { a href=(path(setup, SetupStep::Enable)) class="button" { "Go on" } }
        }
    };
    frame(member, setup, SetupStep::Test, "Test", &body)
}

/// Where a call of this environment goes.
pub fn where_it_asks(environment: Environment, service: &str) -> String {
    match environment {
        Environment::Sandbox => "In the sandbox, sample data answers.".to_owned(),
        Environment::Production => format!("It asks {service} itself."),
    }
}

/// The field that names the visitor whose account is used.
pub fn visitor_field(value: &str) -> Markup {
    let hint = Some("Whose account is used, by the id that your app gives its chats.");
    Field { name: "visitor", label: "Visitor", value, hint, required: true, ..Field::default() }.draw()
}

/// Runs the test. One that passes leads on; one that fails says why, on its page.
pub async fn run_test(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    let by = caller(&member, fields.filled("visitor"));
    let tested = actions::test(&api.app, by, setup.described.connection.id).await.map_err(Problem::from)?;
    let Some(ManualCallReport { report, .. }) = tested else {
        return Ok(reply::redirect(&path(&setup, SetupStep::Test)));
    };
    match &report.result {
        Ok(_) => {
            let setup = open(&api, &member, &id).await?;
            let notice = format!("The test passed in {:.0} ms.", report.cost.duration_ms());
            Ok(reply::done(&next_path(&setup), &notice))
        }
        Err(fault) => {
            let (what, next) = words::fault(fault);
            let outcome = html! {
                div class="notice bad" role="alert" { (icon("warn")) div { p { strong { "The test failed. " } (what) } p { (next) } } }
            };
            let page = draw_test(member, &setup, &outcome);
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}

pub async fn enable(Admin(member): Admin, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let connection = &setup.described.connection;
    let action = format!("{}/enable", Tab::Overview.path(connection.id));
    let sandbox = connection.environment == Environment::Sandbox;
    let actions = &setup.manifest().actions;
    let body = html! {
        section class="panel" {
            h2 { "Let chats use it" }
            p {
                "From now on, chats under your secret keys may call "
                @if actions.len() == 1 { "its action." } @else { "its " (actions.len()) " actions." }
                " What changes something waits until a person in the chat confirms it."
            }
            @if sandbox { p { "In the sandbox they get sample data, and are told so. Move it to production when you are done trying." } }
            (form(&member.form_token, &action, &submit(if sandbox { "Enable in the sandbox" } else { "Enable" })))
        }
    };
    Ok(frame(member, &setup, SetupStep::Enable, "Enable", &body))
}

/// Enables the connection, or leads to the step that is missing.
pub async fn run_enable(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    let (organization, id) = (member.session.organization, setup.described.connection.id);
    match connections::enable(&api.app, organization, id).await {
        Ok(_) => Ok(reply::done(&Tab::Overview.path(id), "Chats use this connection now.")),
        Err(ConnectionError::NoCredential(what, _)) => {
            let notice = format!("In production it needs {what} first.");
            Ok(reply::done(&path(&setup, SetupStep::Authenticate), &notice))
        }
        Err(ConnectionError::CredentialRefused) => {
            let notice = "The service refused its credentials. Renew them first.";
            Ok(reply::done(&path(&setup, SetupStep::Authenticate), notice))
        }
        Err(ConnectionError::Untested) => {
            Ok(reply::done(&path(&setup, SetupStep::Test), "In production it is tested before it is enabled."))
        }
        Err(error) => Err(Problem::from(error).into()),
    }
}

pub async fn disable(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let id = super::parse(&id)?;
    connections::disable(&api.app, member.session.organization, id).await.map_err(Problem::from)?;
    Ok(reply::done(&Tab::Overview.path(id), "Chats use this connection no more."))
}
