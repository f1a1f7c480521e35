//! The frame of a signed-in page: menu, title, notice, content.

use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use maud::{Markup, html};

use crate::{
    document,
    member::Member,
    parts::{form, icon},
    reply,
    section::{self, MENU},
};

/// A page of the console. It answers as a response.
pub struct Page {
    member: Member,
    status: StatusCode,
    title: String,
    lead: Option<Markup>,
    above: Option<(String, String)>,
    actions: Markup,
    tabs: Markup,
    body: Markup,
}

impl Page {
    pub fn new(member: Member, title: impl Into<String>, body: Markup) -> Self {
        let (status, title) = (StatusCode::OK, title.into());
        let (actions, tabs) = (Markup::default(), Markup::default());
        Self { member, status, title, lead: None, above: None, actions, tabs, body }
    }

    /// A sentence below the title.
    pub fn lead(mut self, lead: Markup) -> Self {
        self.lead = Some(lead);
        self
    }

    /// The page that this one is below of: its path and its title.
    pub fn above(mut self, path: impl Into<String>, title: impl Into<String>) -> Self {
        self.above = Some((path.into(), title.into()));
        self
    }

    /// Buttons beside the title.
    pub fn actions(mut self, actions: Markup) -> Self {
        self.actions = actions;
        self
    }

    /// Tabs below the title.
    pub fn tabs(mut self, tabs: Markup) -> Self {
        self.tabs = tabs;
        self
    }

    /// For a form that has mistakes.
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let Self { member, status, title, lead, above, actions, tabs, body } = self;
        let content = html! {
            a href="#main" class="skip" { "Skip to the content" }
            (menu(&member))
            main id="main" tabindex="-1" {
                header class="page-head" {
                    div {
                        @if let Some((path, title)) = &above { p class="above" { a href=(path) { (icon("back")) (title) } } }
                        h1 { (title) }
                        @if let Some(lead) = &lead { p class="lead" { (lead) } }
                    }
                    div class="page-actions" { (actions) }
                }
                (tabs)
                @if let Some(notice) = &member.notice { p class="notice" role="status" { (icon("done")) (notice) } }
                (body)
            }
        };
        let response = document::respond(status, &title, &content);
        if member.notice.is_some() {
            return (CookieJar::new().add(reply::forget_notice()), response).into_response();
        }
        response
    }
}

fn menu(member: &Member) -> Markup {
    let current = section::current(&member.path);
    let session = &member.session;
    html! {
        header class="rail" {
            a href="/console" class="brand" { (icon("mark")) "Resly" }
            details class="menu" {
                summary { span { "Menu" } }
                nav aria-label="Console" {
                    p class="organization" { (session.organization_name) }
                    @for (group, sections) in MENU {
                        @let shown = sections.iter().filter(|section| member.may(section.permission));
                        @if !group.is_empty() { h2 { (group) } }
                        ul {
                            @for section in shown {
                                @let mark = (section.path == current).then_some("page");
                                li { a href=(section.path) aria-current=[mark] { (section.title) } }
                            }
                        }
                    }
                }
                div class="rail-foot" {
                    a href="/docs" { "Handbook" }
                    (form(&member.form_token, "/console/sign-out", &html! { button class="link" { "Sign out" } }))
                    p { (session.person.name) br; span class="quiet" { (session.role.name()) } }
                }
            }
        }
    }
}
