//! `/console`: a page in place of the console, which doesn't exist yet. A one-time sign-in link shows the
//! organization's usage and connections.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{id::OrganizationId, time::Timestamp};
use resly_service::{
    App,
    overview::{self, Overview},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Api, html, problem::Problem};

const VALID: Duration = Duration::from_secs(24 * 3600);

/// The unused sign-in links, by the hash of their token. They end with the process.
#[derive(Default)]
pub struct SignInLinks(Mutex<HashMap<[u8; 32], (OrganizationId, Timestamp)>>);

impl SignInLinks {
    /// Makes a token.
    pub fn invite(&self, app: &App, organization: OrganizationId) -> String {
        let mut bytes = [0; 24];
        app.random.fill(&mut bytes);
        let token = data_encoding::BASE64URL_NOPAD.encode(&bytes);
        let until = app.clock.now().plus(VALID);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(hash(&token), (organization, until));
        token
    }

    /// Uses a token up.
    fn redeem(&self, token: &str, now: Timestamp) -> Option<OrganizationId> {
        let mut invited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        invited.retain(|_, (_, until)| *until > now);
        invited.remove(&hash(token)).map(|(organization, _)| organization)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[derive(Deserialize)]
pub struct ConsoleParameters {
    token: Option<String>,
    /// The result of an authorization, as `oauth.rs` sends it.
    connection: Option<String>,
    oauth: Option<String>,
    test: Option<String>,
    reason: Option<String>,
}

pub async fn page(State(api): State<Api>, Query(parameters): Query<ConsoleParameters>) -> Result<Response, Problem> {
    if let Some(ending) = ending(&parameters) {
        return Ok(answer(StatusCode::OK, &ending));
    }
    let Some(token) = parameters.token else {
        let how = html! { p { "Open the sign-in link that the host printed when it started." } };
        return Ok(answer(StatusCode::OK, &how));
    };
    let app = &api.app;
    let Some(organization) = api.sign_ins.redeem(&token, app.clock.now()) else {
        let used = "This sign-in link was used already, or has expired. Start the host again for a new one.";
        return Ok(answer(StatusCode::FORBIDDEN, &html! { p { (used) } }));
    };
    let Overview { usage, connections } = overview::get(app, organization).await?;
    let body = html! {
        p { "Signed in." }
        h2 { "This month" }
        table {
            tr { th { "Meter" } th { "Used" } th { "Limit" } }
            @for (meter, reading) in &usage.meters {
                tr {
                    td { (meter.name()) }
                    td { (reading.used) }
                    td { @match reading.limit { Some(limit) => (limit), None => "none" } }
                }
            }
        }
        h2 { "Connections" }
        ul {
            @for connection in connections {
                li {
                    (connection.name) " (" (connection.connector) "): "
                    (connection.environment.name()) ", " (connection.status.name())
                }
            }
        }
    };
    Ok(answer(StatusCode::OK, &body))
}

fn answer(status: StatusCode, body: &Markup) -> Response {
    let page = html! {
        (body)
        h2 { "The console" }
        p {
            "The web console isn't part of this version. Everything it will do is in the "
            a href="/openapi.json" { "API" } " under " code { "/api/admin" } "; the "
            a href="/docs" { "handbook" } " shows how."
        }
    };
    html::page(status, &page)
}

/// The text about an authorization that has just ended.
fn ending(parameters: &ConsoleParameters) -> Option<Markup> {
    let connection = parameters.connection.as_deref().unwrap_or_default();
    let tested = match parameters.test.as_deref() {
        Some("passed") => html! { " and its test passed. Enable it, unless it was enabled before" },
        Some("failed") => html! { ", but its test failed. " code { "POST …/test" } " says why" },
        _ => Markup::default(),
    };
    let why = match parameters.reason.as_deref() {
        Some("access_denied") => "The service says that access was denied.",
        Some("service_error") => {
            "The service refused, with an error that the host's log has. Check the app's scopes and redirect address at \
             the service, then start again."
        }
        Some("no_code") => {
            "The service sent no code. Check that the app is of a kind that authorizes, then start again."
        }
        Some("issuer") => "The answer came from another service than the connector's.",
        Some("signature") => "The answer is not signed with the app's secret. Check the secret, then start again.",
        Some("changed") => "The connection was changed in the meantime. Start again.",
        Some("client_refused") => "The service refused the app's client. Check its id and secret.",
        Some("code_refused") => "The service doesn't take the code that it gave, or it came too late. Start again.",
        Some("redirect_refused") => {
            "The service refused the redirect address. Register this host's there, exactly, then start again."
        }
        Some("scopes_refused") => {
            "The service refused a scope. Allow the app the connector's scopes at the service, then start again."
        }
        Some("tokens_refused") => {
            "The service gave no tokens, with an error that the host's log has. Mend what it names, then start again."
        }
        Some("token_url_refused") => {
            "This host may not call the connector's token_url: it isn't public, or it is plain http. Correct the \
             connector or its settings, or have an operator list the host in RESLY_EGRESS_ALLOW."
        }
        Some("token_url_wrong") => {
            "What answers at the connector's token_url is no token endpoint. Correct the address in the connector."
        }
        Some("answer_unusable") => {
            "The service's answer held no tokens that the connector can use. The host's log says why; the connector's \
             token_types and token_pointers say how the answer is read."
        }
        Some("service_unavailable") => "The service is out of reach or busy. Start again in a moment.",
        _ => "Start again; the host's log has the cause.",
    };
    Some(match parameters.oauth.as_deref()? {
        "connected" => html! { p { "Connection " code { (connection) } " is authorized" (tested) "." } },
        _ => html! { p { "Connection " code { (connection) } " is not authorized. " (why) } },
    })
}
