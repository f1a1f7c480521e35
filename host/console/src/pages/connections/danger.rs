//! `/console/connections/{id}/danger`: revokes a connection.

use axum::{
    extract::{Path, State},
    response::Response,
};
use maud::html;
use resly_core::connector::connection::Connection;
use resly_http::{Api, problem::Problem};
use resly_service::{accounts::Revocation, connections};

use super::{Tab, credentials::said, frame, parse};
use crate::{access::Admin, error::PageError, fields::Submitted, frame::Page, parts::confirm, reply};

pub async fn page(Admin(member): Admin, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let found = connections::find(&api.app, member.session.organization, parse(&id)?).await;
    let Connection { id, name, .. } = found.map_err(Problem::from)?;
    let text = html! {
        p { "“" (name) "” and its credentials are deleted, its tokens are revoked at the service, and what it remembered is forgotten. Chats that use it go on without it." }
        p { "Its log stays as long as your plan keeps logs. This can't be undone." }
    };
    let body = html! {
        section class="panel" {
            h2 { "Revoke this connection" }
            p { "Take back what you granted. To take it away from chats for a while, disable it instead." }
            p class="form-end" {
                (confirm(&member.form_token, "revoke", "Revoke", "Revoke this connection?", &text, &Tab::Danger.path(id), "Revoke"))
            }
        }
    };
    // Its connector may be gone, and it has to be possible to revoke it then, too.
    match connections::setup(&api.app, member.session.organization, id).await {
        Ok(setup) => Ok(frame(member, &setup, Tab::Danger, body)),
        Err(_) => Ok(Page::new(member, name, body).above("/console/connectors", "Connectors")),
    }
}

pub async fn revoke(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let revoked: Result<Revocation, _> = connections::revoke(&api.app, member.session.organization, parse(&id)?).await;
    let notice = said("The connection is revoked.", &revoked.map_err(Problem::from)?);
    Ok(reply::done("/console/connectors", &notice))
}
