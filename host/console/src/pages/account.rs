//! `/console/account`: a person's own name, e-mail and password, and the organizations that they are in.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use resly_core::member::Permission;
use resly_http::Api;
use resly_service::{
    mails,
    members::{
        self,
        profile::{self, ProfilePatch},
    },
};

use crate::{
    access::Viewer,
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Field, Table, alert, button, check, form, submit},
    reply,
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    draw(member, &api, None).await
}

/// The page, after a form that could not be done.
async fn refused(member: Member, api: &Api, error: PageError) -> Result<Response, PageError> {
    if error.status().is_server_error() {
        return Err(error);
    }
    Ok(draw(member, api, Some(error.text())).await?.status(error.status()).into_response())
}

async fn draw(member: Member, api: &Api, mistake: Option<&str>) -> Result<Page, PageError> {
    let person = &member.session.person;
    let organizations = members::organizations(&api.app, &member.session).await?;
    let handovers = mails::wants_handovers(&api.app, &member.session).await?;
    let email = person.email.as_deref().unwrap_or_default();
    let own = !member.session.bound;
    let body = html! {
        @if let Some(mistake) = mistake { (alert(mistake)) }
        @if !own {
            section class="panel" {
                h2 { "You" }
                p { (person.name) ", signed in with the account of " (member.session.organization_name) "'s company." }
                p class="hint" { "It opens this organization alone. Name, e-mail and password are changed after another sign-in." }
            }
        }
        @if own { section class="panel" {
            h2 { "You" }
            (form(&member.form_token, "/console/account/profile", &html! {
                (Field { name: "name", label: "Name", value: &person.name, required: true, autocomplete: Some("name"), length: Some(100), ..Field::default() }.draw())
                (Field { kind: "email", name: "email", label: "E-mail", value: email, autocomplete: Some("email"), hint: Some("With a password you sign in by it."), ..Field::default() }.draw())
                (submit("Save"))
            }))
        } }
        @if own { section class="panel" {
            h2 { "Password" }
            (form(&member.form_token, "/console/account/password", &html! {
                (Field { kind: "password", name: "old", label: "Current password", autocomplete: Some("current-password"), hint: Some("Leave it empty if you have none yet."), ..Field::default() }.draw())
                (Field { kind: "password", name: "new", label: "New password", required: true, autocomplete: Some("new-password"), hint: Some("12 characters or more. Your other sessions end."), ..Field::default() }.draw())
                (submit("Set the password"))
            }))
        } }
        @if api.app.mailer.is_some() && member.may(Permission::Converse) {
            section class="panel" {
                h2 { "Mails" }
                (form(&member.form_token, "/console/account/mails", &html! {
                    (check("handovers", "When a conversation waits for a person", handovers))
                    (submit("Save"))
                }))
            }
        }
        section class="panel" { h2 { "Organizations" } (list(&member, &organizations)) }
    };
    let sessions = button("/console/account/sessions", "Your sessions");
    Ok(Page::new(member, "Profile", body).actions(sessions))
}

fn list(member: &Member, organizations: &[members::Membership]) -> Markup {
    let mut table = Table::new("Your organizations", &["Organization", "Role", ""]);
    for membership in organizations {
        let enter = if membership.organization == member.session.organization {
            html! { span class="quiet" { "shown now" } }
        } else {
            form(
                &member.form_token,
                "/console/organization/enter",
                &html! {
                    input type="hidden" name="organization" value=(membership.organization);
                    button class="button" { "Show" }
                },
            )
        };
        table.row(vec![html! { (membership.name) }, html! { (membership.role.name()) }, enter]);
    }
    table.draw()
}

pub async fn change_profile(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let patch =
        ProfilePatch { name: Some(fields.text("name").to_owned()), email: fields.filled("email").map(str::to_owned) };
    match profile::change(&api.app, &member.session, patch).await {
        Ok(_) => Ok(reply::done("/console/account", "Your profile is saved.")),
        Err(error) => refused(member, &api, error.into()).await,
    }
}

pub async fn set_password(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let old = Some(fields.raw("old")).filter(|old| !old.is_empty());
    match profile::set_password(&api.app, &member.session, old, fields.raw("new")).await {
        Ok(()) => Ok(reply::done("/console/account", "Your password is set. Your other sessions have ended.")),
        Err(error) => refused(member, &api, error.into()).await,
    }
}
