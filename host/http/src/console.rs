//! `/console`: a page in place of the console, which doesn't exist yet. A one-time sign-in link shows the
//! organization's usage and connections.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{Query, State},
    response::Response,
};
use http::{Extensions, HeaderMap, StatusCode, header};
use maud::{Markup, html};
use resly_service::{
    members::sign_in::{self, Client, SignInError},
    overview::{self, Overview},
};
use serde::Deserialize;

use super::{Api, client, html, problem::Problem};

#[derive(Deserialize)]
pub struct ConsoleParameters {
    token: Option<String>,
    /// The result of an authorization, as `oauth.rs` sends it.
    connection: Option<String>,
    oauth: Option<String>,
    test: Option<String>,
    reason: Option<String>,
}

pub async fn page(
    State(api): State<Api>,
    Query(parameters): Query<ConsoleParameters>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(ending) = ending(&parameters) {
        return Ok(answer(StatusCode::OK, &ending));
    }
    let Some(token) = parameters.token else {
        let how = html! { p { "Open the sign-in link that the host printed when it started." } };
        return Ok(answer(StatusCode::OK, &how));
    };
    let app = &api.app;
    let address = client::address(&extensions, &headers, &api.trusted_proxies);
    let user_agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    let client = Client { address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), user_agent };
    let organization = match sign_in::by_link(app, &token, &client).await {
        Ok(signed_in) => signed_in.session.organization,
        Err(SignInError::Store(error)) => return Err(error.into()),
        Err(refused) => return Ok(answer(StatusCode::FORBIDDEN, &html! { p { (refused) } })),
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
