//! Deploy → Widget and Deploy → Search: publishable keys for web pages, and what a page can do with one.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    member::Permission,
    principal::{KeyKind, Scope},
    time::Timestamp,
};
use resly_http::{Api, problem::Problem};
use resly_service::keys::{self, KeyError, KeyIssuer, NewKey};
use resly_store::KeySummary;

use super::{
    api,
    key_form::KeyForm,
    shown,
    snippets::{self, NO_KEY, Use},
    words::State as KeyState,
};
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    parts::{Table, date, empty, form, submit},
};

impl Use {
    fn path(self) -> &'static str {
        match self {
            Self::Chat => "/console/deploy/widget",
            Self::Search => "/console/deploy/search",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Chat => "Widget",
            Self::Search => "Search",
        }
    }

    /// What a new key may do. A widget searches as well.
    fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Chat => &[Scope::Chat, Scope::Search],
            Self::Search => &[Scope::Search],
        }
    }

    fn has(self, key: &KeySummary) -> bool {
        let needed = match self {
            Self::Chat => Scope::Chat,
            Self::Search => Scope::Search,
        };
        key.kind == KeyKind::Publishable && key.scopes.contains(&needed)
    }
}

pub async fn widget(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    draw(Use::Chat, member, &api, None).await
}

pub async fn search(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    draw(Use::Search, member, &api, None).await
}

pub async fn create_widget_key(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    create(Use::Chat, member, &api, KeyForm::read(&fields)).await
}

pub async fn create_search_key(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    create(Use::Search, member, &api, KeyForm::read(&fields)).await
}

async fn draw(of: Use, member: Member, api: &Api, typed: Option<(KeyForm, Mistakes)>) -> Result<Page, PageError> {
    let mut keys = api.app.store.list_keys(member.session.organization).await?;
    keys.retain(|key| of.has(key));
    let url = api.app.public_url().map_err(Problem::from)?;
    let body = html! {
        section class="panel" {
            h2 { @match of { Use::Chat => "The chat widget", Use::Search => "The search box" } }
            p {
                @match of {
                    Use::Chat => "A ready-made widget isn't part of this release. It will be set up and copied from here.",
                    Use::Search => "A ready-made search box isn't part of this release. It will be set up and copied from here.",
                }
                " What a page can do today: ask this host itself, with a publishable key and a few lines of script."
            }
            (snippets::for_pages(of, url, NO_KEY))
        }
        section class="section" {
            h2 { "Publishable keys" }
            (list(&keys, api.app.clock.now()))
        }
        @if member.may(Permission::Manage) { (new_key(of, &member, typed)) }
    };
    let lead = match of {
        Use::Chat => html! { "Answer visitors on your own site." },
        Use::Search => html! { "Let visitors search your knowledge on your own site." },
    };
    Ok(Page::new(member, of.title(), body).lead(lead))
}

fn list(keys: &[KeySummary], now: Timestamp) -> Markup {
    if keys.is_empty() {
        let text = "A publishable key may stand in a web page: it works in a browser, from the origins that you list, and can do nothing else.";
        return empty("No publishable key yet", text, &html! {});
    }
    let mut table = Table::new("Publishable keys", &["Name", "Allowed origins", "Last used", "State"]);
    for key in keys {
        let state = KeyState::of(key, keys, now).draw(now);
        let origins = html! { @for origin in &key.origins { code { (origin) } " " } };
        let name = html! { a href={ (api::PATH) "/" (key.id) } { (key.name) } };
        table.row(vec![name, origins, date(key.last_used_at, "never"), state]);
    }
    table.draw()
}

fn new_key(of: Use, member: &Member, typed: Option<(KeyForm, Mistakes)>) -> Markup {
    let (typed, mistakes) = typed.unwrap_or_else(|| (KeyForm::new(of.scopes()), Mistakes::default()));
    let placeholder = match of {
        Use::Chat => "shop's chat",
        Use::Search => "help centre's search",
    };
    html! {
        section class="panel" {
            h2 { "Make a publishable key" }
            p class="hint" {
                "Anybody can read it in your page. An origin keeps other web pages away, not programs: give it a cap. It also has rates for each address and visitor."
            }
            (form(&member.form_token, of.path(), &html! {
                (typed.name_field(placeholder, &mistakes))
                (typed.origin_field(&mistakes))
                (typed.cap_fields(&mistakes))
                (submit("Make the key"))
            }))
        }
    }
}

async fn create(of: Use, member: Member, api: &Api, typed: KeyForm) -> Result<Response, PageError> {
    let typed = KeyForm { scopes: of.scopes().to_vec(), ..typed };
    let values = match typed.values(api.app.clock.now()) {
        Ok(values) => values,
        Err(mistakes) => return refused(of, member, api, (typed, mistakes)).await,
    };
    let new = NewKey {
        name: values.name,
        scopes: values.scopes,
        kind: Some(KeyKind::Publishable),
        origins: values.origins,
        message_cap: values.message_cap,
        visitor_message_cap: values.visitor_message_cap,
        ..NewKey::default()
    };
    let secret = match keys::create(&api.app.keyring, KeyIssuer::Member(member.session.organization), new).await {
        Ok(secret) => secret,
        Err(KeyError::Invalid(mistakes)) => return refused(of, member, api, (typed, mistakes.into())).await,
        Err(error) => return Err(Problem::from(error).into()),
    };
    let url = api.app.public_url().map_err(Problem::from)?;
    let next = html! {
        p { "The script for your page, with the key in it:" }
        (snippets::for_pages(of, url, secret.expose()))
    };
    let title = format!("Your publishable key “{}”", typed.name);
    Ok(shown::page(member, &title, &secret, &next, (of.path(), of.title())).into_response())
}

async fn refused(of: Use, member: Member, api: &Api, typed: (KeyForm, Mistakes)) -> Result<Response, PageError> {
    Ok(draw(of, member, api, Some(typed)).await?.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
}
