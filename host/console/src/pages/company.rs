//! Account → Organization → Company sign-in: the organization's provider of OpenID Connect.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::member::Role;
use resly_http::{Api, problem::Problem};
use resly_service::members::company::{self, CompanySpec, IdentityProvider};

use super::members::meaning;
use crate::{
    access::Owner,
    error::PageError,
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    parts::{Choice, Field, check, confirm, copyable, facts, form, select, submit, when},
    reply,
};

pub const PATH: &str = "/console/account/organization/company-sign-in";
/// The fields that a mistake can stand beside.
const FIELDS: [&str; 5] = ["issuer", "client_id", "client_secret", "domains", "new_role"];

/// What the fields show.
#[derive(Default)]
struct Typed {
    issuer: String,
    client_id: String,
    domains: String,
    new_role: String,
    required: bool,
}

impl Typed {
    fn of(provider: Option<&IdentityProvider>) -> Self {
        let Some(provider) = provider else { return Self::default() };
        Self {
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            domains: provider.domains.join(", "),
            new_role: provider.new_role.map(Role::name).unwrap_or_default().to_owned(),
            required: provider.required,
        }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            issuer: text("issuer"),
            client_id: text("client_id"),
            domains: text("domains"),
            new_role: text("new_role"),
            required: fields.checked("required"),
        }
    }

    fn spec(&self, secret: Option<&str>) -> CompanySpec {
        CompanySpec {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: secret.map(str::to_owned),
            domains: self.domains.split([',', ' ', '\n']).map(str::to_owned).collect(),
            new_role: Role::parse(&self.new_role),
            required: self.required,
        }
    }
}

pub async fn page(Owner(member): Owner, State(api): State<Api>) -> Result<Page, PageError> {
    let provider = company::get(&api.app, member.session.organization).await?;
    Ok(draw(member, &api, provider.as_ref(), &Typed::of(provider.as_ref()), &Mistakes::default()))
}

fn draw(member: Member, api: &Api, provider: Option<&IdentityProvider>, typed: &Typed, mistakes: &Mistakes) -> Page {
    let public = api.app.public_url().unwrap_or_default();
    let body = html! {
        (mistakes.notice(&FIELDS))
        @if let Some(provider) = provider { (addresses(&member, public, provider)) }
        section class="panel" {
            h2 { @if provider.is_some() { "The provider" } @else { "Set it up" } }
            (settings(&member, provider.is_some(), typed, mistakes))
        }
    };
    Page::new(member, "Company sign-in", body)
        .above("/console/account/organization", "Organization")
        .lead(html! { "Members sign in with their company's account, by OpenID Connect. " a href="/docs/members#how-do-people-sign-in-with-their-company" { "How it works" } })
}

fn addresses(member: &Member, public: &str, provider: &IdentityProvider) -> Markup {
    let text = html! {
        p { "Whoever signed in with the company is signed out, and has no other way in unless they have a password. The accounts are known again if you set the same issuer up later." }
    };
    html! {
        section class="panel" {
            (facts(&[
                ("Redirect address, for the provider", copyable("the redirect address", &company::redirect_url(public, provider.id))),
                ("Your people sign in here", copyable("the sign-in address", &company::sign_in_url(public, provider.id))),
                ("Passwords", html! { @if provider.required { "don't open this organization" } @else { "open this organization, too" } }),
                ("Since", when(provider.created_at)),
            ]))
            p class="form-end" {
                (confirm(&member.form_token, "delete-provider", "Remove", "Remove the company sign-in?", &text, &format!("{PATH}/remove"), "Remove it"))
            }
        }
    }
}

fn settings(member: &Member, is_set: bool, typed: &Typed, mistakes: &Mistakes) -> Markup {
    let field = |name: &'static str, label: &'static str, value: &'_ str, hint: &'static str| {
        Field { name, label, value, hint: Some(hint), error: mistakes.at(name), required: true, ..Field::default() }
            .draw()
    };
    let secret = Field {
        kind: "password",
        name: "client_secret",
        label: "Client secret",
        required: !is_set,
        error: mistakes.at("client_secret"),
        hint: Some(if is_set {
            "Leave it empty to keep the one that is stored."
        } else {
            "Stored encrypted, and never shown."
        }),
        autocomplete: Some("off"),
        ..Field::default()
    };
    let invited = Choice { value: "", label: "nobody: only who is invited comes in", hint: None };
    let roles = [Role::Viewer, Role::Agent, Role::Admin].map(|role| Choice {
        value: role.name(),
        label: role.name(),
        hint: Some(meaning(role)),
    });
    let choices: Vec<Choice<'_>> = std::iter::once(invited).chain(roles).collect();
    let new_role = Field {
        name: "new_role",
        label: "Somebody new becomes",
        value: &typed.new_role,
        required: true,
        error: mistakes.at("new_role"),
        ..Field::default()
    };
    form(
        &member.form_token,
        PATH,
        &html! {
            (field("issuer", "Issuer", &typed.issuer, "As the provider names itself, such as https://login.example.com"))
            (field("client_id", "Client id", &typed.client_id, "Of the app that you made for Resly at the provider."))
            (secret.draw())
            (field("domains", "E-mail domains", &typed.domains, "Separated by commas. Other e-mails of the provider stay out."))
            (select(&new_role, &choices))
            (check("required", "Passwords don't open this organization", typed.required))
            p class="hint" { "Sign in with the company once yourself before you tick it. Whoever runs this host always finds a way back: " code { "resly members link" } "." }
            (submit(if is_set { "Save" } else { "Check and save" }))
        },
    )
}

pub async fn save(
    Owner(member): Owner,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let typed = Typed::read(&fields);
    let secret = Some(fields.raw("client_secret")).filter(|secret| !secret.is_empty());
    match company::set(&api.app, member.session.organization, typed.spec(secret)).await {
        Ok(_) => Ok(reply::done(PATH, "The company sign-in is saved.")),
        Err(error) => {
            let mistakes = Mistakes::of(Problem::from(error))?;
            let provider = company::get(&api.app, member.session.organization).await?;
            let page = draw(member, &api, provider.as_ref(), &typed, &mistakes);
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}

pub async fn remove(Owner(member): Owner, State(api): State<Api>, _: Submitted) -> Result<Response, PageError> {
    let removed = company::delete(&api.app, member.session.organization).await?;
    Ok(reply::done(PATH, if removed { "The company sign-in was removed." } else { "There is no company sign-in." }))
}
