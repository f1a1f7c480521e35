//! Authorizing a connection by OAuth: the button that leads to the service, and how that ended.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue};
use maud::{Markup, html};
use resly_http::{Api, problem::Problem};
use resly_service::accounts::authorization::{self, AuthorizationLink};
use serde::Deserialize;

use super::{open, parse};
use crate::{access::Admin, error::PageError, fields::Submitted, frame::Page, parts::icon};

/// How an authorization ended, as `resly_http`'s `/oauth/callback` says it in the page's address.
#[derive(Deserialize)]
pub struct Ending {
    oauth: Option<String>,
    test: Option<String>,
    reason: Option<String>,
}

/// Sends the browser to the service. By a refresh and not by a redirect: the policy of pages lets a form lead to this
/// host only, and browsers hold a form's redirects to it, too.
pub async fn start(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let setup = open(&api, &member, &id.to_string()).await?;
    let started = authorization::start(&api.app, member.session.organization, None, id).await;
    let AuthorizationLink { url, .. } = started.map_err(Problem::from)?;
    let name = setup.manifest().name.clone();
    let body = html! {
        section class="panel" {
            p { "You are being sent to " (name) ". Agree there, and you come back here." }
            p class="form-end" { a href=(url) class="button primary" rel="noreferrer" { "Continue to " (name) } }
        }
    };
    let mut response = Page::new(member, format!("Authorize {name}"), body).into_response();
    if let Ok(refresh) = HeaderValue::from_str(&format!("0; url={url}")) {
        response.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
    }
    Ok(response)
}

impl Ending {
    /// What the page says of an authorization that has just ended.
    pub fn draw(&self) -> Markup {
        let Some(oauth) = self.oauth.as_deref() else { return Markup::default() };
        if oauth != "connected" {
            let why = why(self.reason.as_deref().unwrap_or_default());
            return html! { p class="notice bad" role="alert" { (icon("warn")) "It is not authorized. " (why) } };
        }
        match self.test.as_deref() {
            Some("failed") => html! {
                p class="notice warn" role="alert" { (icon("warn")) "It is authorized, but its test failed. Test it to see why." }
            },
            Some("passed") => {
                html! { p class="notice" role="status" { (icon("done")) "It is authorized and its test passed." } }
            }
            _ => html! { p class="notice" role="status" { (icon("done")) "It is authorized." } },
        }
    }
}

/// The reason by its name, in words.
fn why(reason: &str) -> &'static str {
    match reason {
        "access_denied" => "The service says that access was denied.",
        "service_error" => {
            "The service refused, with an error that the host's log has. Check the app's scopes and redirect address at \
             the service, then start again."
        }
        "no_code" => "The service sent no code. Check that the app is of a kind that authorizes, then start again.",
        "issuer" => "The answer came from another service than the connector's.",
        "signature" => "The answer is not signed with the app's secret. Check the secret, then start again.",
        "changed" => "The connection was changed in the meantime. Start again.",
        "client_refused" => "The service refused the app's client. Check its id and secret.",
        "code_refused" => "The service doesn't take the code that it gave, or it came too late. Start again.",
        "redirect_refused" => {
            "The service refused the redirect address. Register this host's there, exactly, then start again."
        }
        "scopes_refused" => {
            "The service refused a scope. Allow the app the connector's scopes at the service, then start again."
        }
        "tokens_refused" => {
            "The service gave no tokens, with an error that the host's log has. Mend what it names, then start again."
        }
        "token_url_refused" => {
            "This host may not call the connector's token_url: it isn't public, or it is plain http. Correct the \
             connector or its settings, or have an operator list the host in RESLY_EGRESS_ALLOW."
        }
        "token_url_wrong" => {
            "What answers at the connector's token_url is no token endpoint. Correct the address in the connector."
        }
        "answer_unusable" => {
            "The service's answer held no tokens that the connector can use. The host's log says why; the connector's \
             token_types and token_pointers say how the answer is read."
        }
        "service_unavailable" => "The service is out of reach or busy. Start again in a moment.",
        _ => "Start again; the host's log has the cause.",
    }
}
