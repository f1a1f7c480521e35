//! `/console/connectors/{id}/install`: the first half of the installation: permissions, environment and name, settings.
//! What is chosen goes from page to page in the address, so the browser's back works. The connection exists after the
//! settings; `pages::connections::setup` goes on.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::connector::connection::{Environment, Owner, Policy};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Auth, AuthType, Grant, Manifest};
use resly_service::{
    FieldError,
    connections::{self, ConnectionError, NewConnection},
    connectors::FoundConnector,
};
use serde::Deserialize;

use super::{obstacle, permissions::permissions, show};
use crate::{
    access::Admin,
    error::{PageError, sentence},
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    pages::connections::{
        credentials::way,
        progress::{At, progress},
        setup,
    },
    parts::{Choice, Field, Filled, SchemaForm, choices, form, icon, select},
    reply,
};

/// What was chosen on the pages before.
#[derive(Clone, Default, Deserialize)]
pub struct Chosen {
    version: Option<String>,
    name: Option<String>,
    environment: Option<String>,
    auth: Option<String>,
    owner: Option<String>,
}

impl Chosen {
    fn of(fields: &Fields) -> Self {
        let given = |name: &str| fields.filled(name).map(str::to_owned);
        Self {
            version: given("version"),
            name: given("name"),
            environment: given("environment"),
            auth: given("auth"),
            owner: given("owner"),
        }
    }

    /// Each choice with its name.
    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("version", &self.version),
            ("name", &self.name),
            ("environment", &self.environment),
            ("auth", &self.auth),
            ("owner", &self.owner),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// A step's address with these choices.
    fn path(&self, id: &str, step: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs()).finish();
        format!("/console/connectors/{id}/install{step}?{query}")
    }

    fn environment(&self, manifest: &Manifest) -> Environment {
        match self.environment.as_deref() {
            Some("sandbox") => Environment::Sandbox,
            Some("production") => Environment::Production,
            _ if manifest.fixtures.is_empty() => Environment::Production,
            _ => Environment::Sandbox,
        }
    }

    /// The way of authentication, if another one than the manifest's own was chosen.
    fn auth(&self, manifest: &Manifest) -> Option<AuthType> {
        manifest.auth_alternatives.iter().map(Auth::kind).find(|kind| self.auth.as_deref() == Some(kind.name()))
    }

    fn owner(&self) -> Owner {
        if self.owner.as_deref() == Some(Owner::Visitor.name()) { Owner::Visitor } else { Owner::Organization }
    }
}

/// The connector, unless it can't be installed.
async fn find(api: &Api, member: &Member, id: &str, chosen: &Chosen) -> Result<FoundConnector, PageError> {
    let found = show::find(api, member, id, chosen.version.as_deref()).await?;
    match obstacle(&found.chosen, &found.trust) {
        None => Ok(found),
        Some(obstacle) => Err(PageError::new(StatusCode::CONFLICT, obstacle)),
    }
}

fn frame(member: Member, found: &FoundConnector, chosen: &Chosen, at: At, title: &str, body: &Markup) -> Page {
    let manifest = &found.chosen.installable.manifest;
    let earlier = |step: At, path: &str| ((step as usize) < at as usize).then(|| chosen.path(&manifest.id, path));
    let links = [earlier(At::Permissions, ""), earlier(At::Environment, "/environment"), None, None, None, None];
    Page::new(member, title, html! { (progress(at, links)) (body) })
        .above(format!("/console/connectors/{}", manifest.id), manifest.name.clone())
}

pub async fn permissions_page(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Result<Page, PageError> {
    let found = find(&api, &member, &id, &chosen).await?;
    let manifest = &found.chosen.installable.manifest;
    let auth = manifest.auth_of(chosen.auth(manifest)).unwrap_or(&manifest.auth);
    let body = html! {
        section class="panel" {
            p { "Read what " (manifest.name) " asks for. It gets this and nothing else; you can revoke it at any time." }
            (permissions(manifest, auth))
            p class="form-end" {
                a href=(chosen.path(&id, "/environment")) class="button primary" { "Grant this and go on" }
                a href={ "/console/connectors/" (id) } class="button" { "Cancel" }
            }
        }
    };
    let title = format!("Install {}", manifest.name);
    Ok(frame(member, &found, &chosen, At::Permissions, &title, &body))
}

pub async fn environment_page(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Result<Page, PageError> {
    let found = find(&api, &member, &id, &chosen).await?;
    let manifest = &found.chosen.installable.manifest;
    let name = chosen.name.as_deref().unwrap_or(&manifest.name);
    let body = html! {
        section class="panel" {
            form action={ "/console/connectors/" (id) "/install/settings" } {
                @if let Some(version) = &chosen.version { input type="hidden" name="version" value=(version); }
                (Field {
                    name: "name", label: "Name", value: name, required: true, length: Some(100),
                    hint: Some("For you and your colleagues. Several connections of one connector need different names."),
                    ..Field::default()
                }.draw())
                (environments(manifest, &chosen))
                (ways(manifest, &chosen))
                (owners(manifest, &chosen))
                p class="form-end" { button class="button primary" { "Go on" } }
            }
        }
    };
    Ok(frame(member, &found, &chosen, At::Environment, "Environment and name", &body))
}

fn environments(manifest: &Manifest, chosen: &Chosen) -> Markup {
    let sandbox = if manifest.fixtures.is_empty() {
        "This connector has no sample data, so nothing answers in its sandbox."
    } else {
        "Sample data answers. No account is needed, nothing leaves this host, and nothing counts toward a limit. You can move it to production later."
    };
    let options = [
        Choice { value: "sandbox", label: "Sandbox", hint: Some(sandbox) },
        Choice {
            value: "production",
            label: "Production",
            hint: Some("The service itself is asked, with your credentials."),
        },
    ];
    choices("Environment", "environment", false, &[chosen.environment(manifest).name()], &options)
}

fn ways(manifest: &Manifest, chosen: &Chosen) -> Markup {
    if manifest.auth_alternatives.is_empty() {
        return Markup::default();
    }
    let kinds: Vec<AuthType> = manifest.auths().map(Auth::kind).collect();
    let options: Vec<Choice<'_>> =
        kinds.iter().map(|kind| Choice { value: kind.name(), label: way(*kind), hint: None }).collect();
    let current = chosen.auth(manifest).unwrap_or(manifest.auth.kind());
    let field = Field {
        name: "auth",
        label: "How it authenticates",
        value: current.name(),
        required: true,
        ..Field::default()
    };
    select(&field, &options)
}

/// Whose account it is, where visitors can have their own.
fn owners(manifest: &Manifest, chosen: &Chosen) -> Markup {
    let personal = |auth: &Auth| match auth {
        Auth::None => false,
        Auth::Oauth2(oauth) => oauth.grant == Grant::AuthorizationCode,
        _ => true,
    };
    if !manifest.auths().any(personal) {
        return Markup::default();
    }
    let options = [
        Choice { value: "organization", label: "Your organization's", hint: Some("One account for all chats.") },
        Choice {
            value: "visitor",
            label: "Each visitor's own",
            hint: Some("Your app connects every visitor's account. Chats without one can't use the connection."),
        },
    ];
    choices("Account", "owner", false, &[chosen.owner().name()], &options)
}

pub async fn settings_page(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(chosen): Query<Chosen>,
) -> Result<Page, PageError> {
    let found = find(&api, &member, &id, &chosen).await?;
    let none = serde_json::Value::Null;
    Ok(draw_settings(member, &found, &chosen, &Filled::Value(&none), &[]))
}

fn draw_settings(
    member: Member,
    found: &FoundConnector,
    chosen: &Chosen,
    filled: &Filled<'_>,
    mistakes: &[FieldError],
) -> Page {
    let manifest = &found.chosen.installable.manifest;
    let schema = SchemaForm::new("settings", &manifest.settings);
    let action = format!("/console/connectors/{}/install/settings", manifest.id);
    let elsewhere = mistakes.iter().filter(|mistake| !schema.covers(mistake));
    let body = html! {
        @for mistake in elsewhere {
            div class="notice bad" role="alert" {
                (icon("warn")) span { (sentence(&format!("{}: {}", mistake.path, mistake.message))) " " a href=(chosen.path(&manifest.id, "/environment")) { "Change it" } }
            }
        }
        section class="panel" {
            @if schema.is_empty() { p { (manifest.name) " has no settings." } }
            (form(&member.form_token, &action, &html! {
                @for (name, value) in chosen.pairs() { input type="hidden" name=(name) value=(value); }
                (schema.draw(filled, mistakes))
                p class="form-end" { button class="button primary" { "Install" } }
            }))
        }
    };
    frame(member, found, chosen, At::Settings, "Settings", &body)
}

/// Makes the connection.
pub async fn install(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let chosen = Chosen::of(&fields);
    let found = find(&api, &member, &id, &chosen).await?;
    let manifest = &found.chosen.installable.manifest;
    let refused = |member: Member, mistakes: &[FieldError]| {
        let page = draw_settings(member, &found, &chosen, &Filled::Typed(&fields), mistakes);
        page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response()
    };
    let settings = match SchemaForm::new("settings", &manifest.settings).read(&fields) {
        Ok(settings) => settings,
        Err(mistakes) => return Ok(refused(member, &mistakes)),
    };
    let new = NewConnection {
        connector: id,
        version: chosen.version.clone(),
        name: chosen.name.clone(),
        environment: chosen.environment(manifest),
        settings,
        auth: chosen.auth(manifest),
        owner: chosen.owner(),
        credentials: None,
        credentials_expire_at: None,
        policy: Policy::default(),
        mappings: std::collections::BTreeMap::new(),
    };
    let organization = member.session.organization;
    match connections::install(&api.app, organization, new).await {
        Ok(connection) => {
            let path = setup::first_path(&connection, manifest);
            Ok(reply::done(&path, &format!("{} is installed.", connection.name)))
        }
        Err(ConnectionError::Invalid(mistakes)) => Ok(refused(member, &mistakes)),
        Err(error) => Err(Problem::from(error).into()),
    }
}
