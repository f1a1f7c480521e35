//! `/console/invitation`: who was invited joins, with a name and a password of their own.

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, StatusCode};
use maud::{Markup, html};
use resly_http::Api;
use resly_service::members::{
    invitations::{self, OpenInvitation},
    sessions,
};
use serde::Deserialize;

use super::{members::with_article, sign_in};
use crate::{
    csrf, document,
    error::PageError,
    fields::PublicForm,
    member::Member,
    parts::{Field, alert, button, form, submit},
    reply,
};

/// The page. A sign-in leads back to it.
const PATH: &str = "/console/invitation";

#[derive(Deserialize)]
pub struct Token {
    #[serde(default)]
    token: String,
}

fn ended() -> PageError {
    PageError::missing("This invitation was used or taken back, or its seven days are over. Ask for another one.")
}

pub async fn page(
    member: Option<Extension<Member>>,
    State(api): State<Api>,
    Query(Token { token }): Query<Token>,
) -> Result<Response, PageError> {
    let invitation = invitations::find(&api.app, &token).await?.ok_or_else(ended)?;
    Ok(match member {
        Some(Extension(member)) => draw_for_member(&member, &invitation, &token),
        None if invitation.known => draw_sign_in(&invitation, &token),
        None => draw(StatusCode::OK, &invitation, &token, "", None),
    })
}

/// For somebody who has a password here already.
fn draw_sign_in(invitation: &OpenInvitation, token: &str) -> Response {
    let sign_in = reply::sign_in_path(&format!("{PATH}?token={token}"));
    let title = format!("Join {}", invitation.organization_name);
    let body = html! {
        (invites(invitation))
        p { "This e-mail is known here: sign in with its password, and you come back to this page." }
        p { a href=(sign_in) class="button primary" { "Sign in" } }
    };
    document::alone(StatusCode::OK, &title, &body)
}

/// For somebody who is signed in: one click, when the invitation is theirs.
fn draw_for_member(member: &Member, invitation: &OpenInvitation, token: &str) -> Response {
    let title = format!("Join {}", invitation.organization_name);
    let own = member.session.person.email.as_ref() == Some(&invitation.email);
    let body = html! {
        (invites(invitation))
        @if own {
            (form(&member.form_token, PATH, &html! {
                input type="hidden" name="token" value=(token);
                (submit("Join"))
            }))
        } @else {
            (alert(&format!("You are signed in as {}, and the invitation is for somebody else. Sign out, then open it again.", member.session.person.name)))
            (button("/console", "To the console"))
        }
    };
    document::alone(StatusCode::OK, &title, &body)
}

fn invites(invitation: &OpenInvitation) -> Markup {
    html! { p { (invitation.invited_by) " invites " (invitation.email) " as " (with_article(invitation.role)) "." } }
}

fn draw(status: StatusCode, invitation: &OpenInvitation, token: &str, name: &str, mistake: Option<&str>) -> Response {
    let name = Field {
        name: "name",
        label: "Your name",
        value: name,
        required: true,
        autocomplete: Some("name"),
        length: Some(100),
        ..Field::default()
    };
    let password = Field {
        kind: "password",
        name: "password",
        label: "Password",
        required: true,
        autocomplete: Some("new-password"),
        hint: Some("12 characters or more."),
        ..Field::default()
    };
    document::alone(
        status,
        &format!("Join {}", invitation.organization_name),
        &html! {
            (invites(invitation))
            @if let Some(mistake) = mistake { (alert(mistake)) }
            form method="post" action=(PATH) {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="username" autocomplete="username" value=(invitation.email);
                (name.draw())
                (password.draw())
                (submit("Join"))
            }
        },
    )
}

pub async fn accept(
    member: Option<Extension<Member>>,
    State(api): State<Api>,
    extensions: Extensions,
    headers: HeaderMap,
    PublicForm(fields): PublicForm,
) -> Result<Response, PageError> {
    if let Some(Extension(member)) = member {
        return join(&api, &member, fields.text("token"), fields.raw(csrf::FIELD)).await;
    }
    let client = sign_in::client(&api, &extensions, &headers);
    let (token, name) = (fields.text("token"), fields.text("name"));
    match invitations::accept(&api.app, token, name, fields.raw("password"), &client).await {
        Ok(signed_in) => Ok(sign_in::begin(&api, &signed_in, "/console")),
        Err(error) => {
            let error = PageError::from(error);
            let invitation = invitations::find(&api.app, token).await?.ok_or_else(ended)?;
            Ok(draw(error.status(), &invitation, token, name, Some(error.text())).into_response())
        }
    }
}

/// Makes somebody who is signed in a member, and shows the organization.
async fn join(api: &Api, member: &Member, token: &str, form_token: &str) -> Result<Response, PageError> {
    if !member.form_token.matches(form_token) {
        return Err(PageError::stale_form());
    }
    let organization = invitations::join(&api.app, token, &member.session).await?;
    sessions::enter(&api.app, &member.session_token, organization).await?;
    Ok(reply::done("/console", "You are a member now."))
}
