//! `/console`: what needs attention now.

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::html;
use resly_http::Api;
use resly_service::{
    members::links,
    overview::{self, Overview},
};
use serde::Deserialize;

use crate::{access::Viewer, error::PageError, frame::Page, parts::meter};

#[derive(Deserialize)]
pub struct Parameters {
    /// A sign-in link's.
    token: Option<String>,
}

pub async fn page(
    viewer: Result<Viewer, Response>,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Response {
    if let Some(token) = parameters.token {
        if !links::is_token(&token) {
            return crate::reply::to_sign_in("");
        }
        return crate::reply::redirect(&format!(
            "/console/sign-in/link?token={}",
            url::form_urlencoded::byte_serialize(token.as_bytes()).collect::<String>()
        ));
    }
    match viewer {
        Ok(viewer) => draw(viewer, &api).await.into_response(),
        Err(elsewhere) => elsewhere,
    }
}

async fn draw(Viewer(member): Viewer, api: &Api) -> Result<Page, PageError> {
    let Overview { usage, connections } = overview::get(&api.app, member.session.organization).await?;
    let body = html! {
        section class="panel" {
            h2 { "This month" }
            @for (counted, reading) in &usage.meters {
                @if let Some(limit) = reading.limit {
                    p { (counted.name()) " " (reading.used) " of " (limit) }
                    (meter(counted.name(), reading.used, limit))
                }
            }
        }
        section class="panel" {
            h2 { "Connections" }
            ul { @for connection in connections { li { (connection.name) " · " (connection.status.name()) } } }
        }
    };
    Ok(Page::new(member, "Home", body))
}
