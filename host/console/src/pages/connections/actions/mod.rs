//! `/console/connections/{id}/actions`: what a connection can do, each to be tried by hand.

pub mod attempt;
mod outcome;

use axum::extract::{Path, State};
use maud::html;
use resly_http::Api;

use super::{Tab, frame, open};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    pages::connectors::show::effect,
    parts::{Table, prose},
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let connection = &setup.described.connection;
    let mut table = Table::new("Actions", &["Action", "What it does", "", "Mapping"]);
    for action in &setup.manifest().actions {
        let path = format!("{}/{}", Tab::Actions.path(connection.id), action.id);
        table.row(vec![
            html! { a href=(path) { (action.title) } },
            prose(&action.description),
            effect(action),
            html! { @if connection.mappings.contains_key(&action.id) { "your own" } },
        ]);
    }
    Ok(frame(member, &setup, Tab::Actions, table.draw()))
}
