//! `/console/sign-in`: by e-mail and password, or by a one-time link. A link's page asks once more, so that a mail
//! scanner that opens it uses nothing up.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{Extensions, HeaderMap, StatusCode, header};
use maud::html;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use resly_http::{Api, client};
use resly_service::members::{
    links, sessions,
    sign_in::{self, Client, SignedIn},
};
use serde::Deserialize;

use crate::{
    access::Viewer,
    document,
    error::PageError,
    fields::{PublicForm, Submitted},
    member::Member,
    parts::{Field, alert, submit},
    reply,
};

#[derive(Deserialize)]
pub struct Wanted {
    next: Option<String>,
    token: Option<String>,
}

/// The form. Who is signed in already goes on to the page that was asked for.
pub async fn page(member: Option<Extension<Member>>, Query(wanted): Query<Wanted>) -> Response {
    let next = reply::next_path(wanted.next.as_deref());
    if member.is_some() { reply::redirect(next) } else { draw(StatusCode::OK, next, "", None) }
}

fn draw(status: StatusCode, next: &str, email: &str, mistake: Option<&str>) -> Response {
    let email = Field {
        kind: "email",
        name: "email",
        label: "E-mail",
        value: email,
        required: true,
        autocomplete: Some("username"),
        ..Field::default()
    };
    let password = Field {
        kind: "password",
        name: "password",
        label: "Password",
        required: true,
        autocomplete: Some("current-password"),
        ..Field::default()
    };
    document::alone(
        status,
        "Sign in",
        &html! {
            @if let Some(mistake) = mistake { (alert(mistake)) }
            form method="post" action="/console/sign-in" {
                input type="hidden" name="next" value=(next);
                (email.draw())
                (password.draw())
                (submit("Sign in"))
            }
            p { a href={ "/console/sign-in/company?next=" (utf8_percent_encode(next, NON_ALPHANUMERIC)) } class="button" { "Sign in with your company" } }
            p class="quiet" { "No password, or it is lost? Whoever runs this host makes a one-time link: " code { "resly members link" } "." }
        },
    )
}

/// Who asks, for the list of sessions and the bound on attempts.
pub fn client(api: &Api, extensions: &Extensions, headers: &HeaderMap) -> Client {
    let address = client::address(extensions, headers, &api.trusted_proxies);
    let user_agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    Client { address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), user_agent }
}

pub async fn with_password(
    State(api): State<Api>,
    extensions: Extensions,
    headers: HeaderMap,
    PublicForm(fields): PublicForm,
) -> Response {
    let client = client(&api, &extensions, &headers);
    let (email, next) = (fields.text("email"), reply::next_path(fields.filled("next")));
    match sign_in::by_password(&api.app, email, fields.raw("password"), &client).await {
        Ok(signed_in) => begin(&api, &signed_in, next),
        Err(error) => {
            let error = PageError::from(error);
            draw(error.status(), next, email, Some(error.text()))
        }
    }
}

pub fn begin(api: &Api, signed_in: &SignedIn, next: &str) -> Response {
    reply::begin_session(reply::is_secure(api), &signed_in.token, next)
}

/// The page of a one-time link.
pub async fn link_page(Query(wanted): Query<Wanted>) -> Response {
    let Some(token) = wanted.token.filter(|token| links::is_token(token)) else { return reply::to_sign_in("") };
    document::alone(
        StatusCode::OK,
        "Sign in",
        &html! {
            p { "This link signs you in once." }
            form method="post" action="/console/sign-in/link" {
                input type="hidden" name="token" value=(token);
                (submit("Sign in"))
            }
        },
    )
}

pub async fn with_link(
    State(api): State<Api>,
    extensions: Extensions,
    headers: HeaderMap,
    PublicForm(fields): PublicForm,
) -> Response {
    let client = client(&api, &extensions, &headers);
    match sign_in::by_link(&api.app, fields.text("token"), &client).await {
        Ok(signed_in) => begin(&api, &signed_in, "/console"),
        Err(error) => PageError::from(error).into_response(),
    }
}

pub async fn sign_out(Viewer(member): Viewer, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    sessions::end(&api.app, &member.session_token).await?;
    Ok(reply::end_session(reply::is_secure(&api)))
}

/// Shows another organization of the person.
pub async fn enter(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let missing = || PageError::missing("You are a member of no such organization.");
    let organization = fields.text("organization").parse().map_err(|_| missing())?;
    let entered = sessions::enter(&api.app, &member.session_token, organization).await?;
    entered.map(|_| reply::redirect("/console")).ok_or_else(missing)
}
