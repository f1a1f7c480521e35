//! `/console/invitation`: who was invited joins, with a name and a password of their own.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, StatusCode};
use maud::html;
use resly_http::Api;
use resly_service::members::invitations::{self, OpenInvitation};
use serde::Deserialize;

use super::{members::with_article, sign_in};
use crate::{
    document,
    error::PageError,
    fields::PublicForm,
    parts::{Field, alert, submit},
};

#[derive(Deserialize)]
pub struct Token {
    #[serde(default)]
    token: String,
}

fn ended() -> PageError {
    PageError::missing("This invitation was used or taken back, or its seven days are over. Ask for another one.")
}

pub async fn page(State(api): State<Api>, Query(Token { token }): Query<Token>) -> Result<Response, PageError> {
    let invitation = invitations::find(&api.app, &token).await?.ok_or_else(ended)?;
    Ok(draw(StatusCode::OK, &invitation, &token, "", None))
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
            p { (invitation.invited_by) " invites " (invitation.email) " as " (with_article(invitation.role)) "." }
            @if let Some(mistake) = mistake { (alert(mistake)) }
            form method="post" action="/console/invitation" {
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
    State(api): State<Api>,
    extensions: Extensions,
    headers: HeaderMap,
    PublicForm(fields): PublicForm,
) -> Result<Response, PageError> {
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
