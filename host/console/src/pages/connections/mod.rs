//! `/console/connections/{id}`: one installed connector. A file for each of its tabs, and for the rest of its setup.

pub mod actions;
pub mod authorization;
pub mod credentials;
pub mod danger;
pub mod mapping;
pub mod overview;
pub mod progress;
pub mod settings;
pub mod setup;
pub mod versions;
pub mod words;

use maud::{Markup, html};
use resly_core::id::ConnectionId;
use resly_core::member::Permission;
use resly_http::{Api, problem::Problem};
use resly_service::{
    actions::ManualCaller,
    connections::{self, ConnectionSetup},
};

use crate::{error::PageError, frame::Page, member::Member, parts::tabs};

/// A page of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Actions,
    Mapping,
    Settings,
    Versions,
    Danger,
}

impl Tab {
    const ALL: [Self; 6] = [Self::Overview, Self::Actions, Self::Mapping, Self::Settings, Self::Versions, Self::Danger];

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Actions => "Actions",
            Self::Mapping => "Mapping",
            Self::Settings => "Settings & credentials",
            Self::Versions => "Versions",
            Self::Danger => "Danger",
        }
    }

    pub fn path(self, id: ConnectionId) -> String {
        let page = match self {
            Self::Overview => "",
            Self::Actions => "/actions",
            Self::Mapping => "/mapping",
            Self::Settings => "/settings",
            Self::Versions => "/versions",
            Self::Danger => "/danger",
        };
        format!("/console/connections/{id}{page}")
    }
}

/// The id in a page's path.
pub fn parse(id: &str) -> Result<ConnectionId, PageError> {
    id.parse().map_err(|_| missing())
}

fn missing() -> PageError {
    PageError::missing("There is no such connection. It may have been revoked.")
}

/// The connection of a page's path, with its connector.
pub async fn open(api: &Api, member: &Member, id: &str) -> Result<ConnectionSetup, PageError> {
    let found = connections::setup(&api.app, member.session.organization, parse(id)?).await;
    Ok(found.map_err(Problem::from)?)
}

/// A tab's page.
pub fn frame(member: Member, setup: &ConnectionSetup, tab: Tab, body: Markup) -> Page {
    let connection = &setup.described.connection;
    let titles: Vec<(String, &str)> = Tab::ALL
        .into_iter()
        .filter(|tab| *tab != Tab::Danger || member.may(Permission::Manage))
        .map(|tab| (tab.path(connection.id), tab.title()))
        .collect();
    let lead = html! {
        (setup.manifest().name) " " (connection.version) " "
        (words::environment(connection.environment)) " " (words::status(connection.status))
    };
    Page::new(member, connection.name.clone(), body).lead(lead).above("/console/connectors", "Connectors").tabs(tabs(
        "This connection",
        &tab.path(connection.id),
        &titles,
    ))
}

/// A member who calls an action by hand. `visitor` is whose account is used, where each has their own.
pub fn caller(member: &Member, visitor: Option<&str>) -> ManualCaller {
    ManualCaller { organization: member.session.organization, key: None, visitor: visitor.map(str::to_owned) }
}
