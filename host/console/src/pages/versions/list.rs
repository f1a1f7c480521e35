//! The versions of one connector, the newest first.

use axum::extract::{Path, State};
use maud::html;
use resly_core::{connector::connection::Origin, member::Permission};
use resly_http::{Api, problem::Problem};
use resly_service::connectors::{self, FoundConnector};

use super::{path, state};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    parts::{Table, button, date},
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let found = connectors::find(&api.app, member.session.organization, &id, None).await.map_err(Problem::from)?;
    let FoundConnector { chosen, versions, trust } = &found;
    let mut table = Table::new("Versions, the newest first", &["Version", "State", "Kind", "Signed by", "Added"]);
    for entry in versions {
        let version = &entry.installable.manifest.version;
        let signed = match entry.installable.origin {
            Origin::Uploaded => state::signature(entry, trust),
            Origin::Bundled | Origin::Declarative => String::new(),
        };
        table.row(vec![
            html! { a href=(path(&id, version)) { (version) } },
            state::state(entry),
            html! { (state::origin(entry.installable.origin)) },
            html! { (signed) },
            date(entry.created_at, ""),
        ]);
    }
    let manifest = &chosen.installable.manifest;
    let manages = member.may(Permission::Manage);
    let origin = chosen.installable.origin;
    let next = match origin {
        Origin::Declarative => button(
            &format!("/console/connectors/new/text?from={id}&version={}", manifest.version),
            "Write a new version",
        ),
        Origin::Uploaded => button("/console/connectors/new/upload", "Upload a new version"),
        Origin::Bundled => html! {},
    };
    let page = Page::new(member, format!("Versions of {}", manifest.name), table.draw())
        .above(format!("/console/connectors/{id}"), manifest.name.clone())
        .lead(html! { "A version never changes. What is installed stays on its version until you move it." });
    Ok(if manages { page.actions(next) } else { page })
}
