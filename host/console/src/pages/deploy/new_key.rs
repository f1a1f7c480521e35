//! Deploy → API → Generate New Key.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::html;
use resly_core::principal::{KeyKind, Scope};
use resly_http::{Api, problem::Problem};
use resly_service::keys::{self, KeyError, KeyIssuer, NewKey};

use super::{api::PATH, key_form::KeyForm, shown, snippets};
use crate::{
    access::Admin,
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    parts::{form, submit},
};

pub async fn page(Admin(member): Admin) -> Page {
    draw(member, &KeyForm::new(&[Scope::Chat, Scope::Search]), &Mistakes::default())
}

pub async fn create(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let typed = KeyForm::read(&fields);
    let values = match typed.values(api.app.clock.now()) {
        Ok(values) => values,
        Err(mistakes) => return Ok(refused(member, &typed, &mistakes)),
    };
    let new = NewKey {
        name: values.name,
        scopes: values.scopes,
        kind: Some(KeyKind::Secret),
        message_cap: values.message_cap,
        visitor_message_cap: values.visitor_message_cap,
        expires_at: values.expires_at,
        ..NewKey::default()
    };
    let secret = match keys::create(&api.app.keyring, KeyIssuer::Member(member.session.organization), new).await {
        Ok(secret) => secret,
        Err(KeyError::Invalid(mistakes)) => return Ok(refused(member, &typed, &mistakes.into())),
        Err(error) => return Err(Problem::from(error).into()),
    };
    let url = api.app.public_url().map_err(Problem::from)?;
    let next = html! {
        p { "Put it into the environment variable " code { "RESLY_API_KEY" } " of your program, and ask:" }
        (snippets::for_servers(url))
    };
    let title = format!("Your new key “{}”", typed.name);
    Ok(shown::page(member, &title, &secret, &next, (PATH, "API")).into_response())
}

fn refused(member: Member, typed: &KeyForm, mistakes: &Mistakes) -> Response {
    draw(member, typed, mistakes).status(StatusCode::UNPROCESSABLE_ENTITY).into_response()
}

fn draw(member: Member, typed: &KeyForm, mistakes: &Mistakes) -> Page {
    let fields = html! {
        (typed.name_field("web shop backend", mistakes))
        (typed.scope_fields(KeyKind::Secret, mistakes))
        (typed.expiry_field())
        (typed.cap_fields(mistakes))
        (submit("Generate the key"))
    };
    let body = html! { section class="panel" { (form(&member.form_token, "/console/deploy/api/new", &fields)) } };
    let lead = html! { "A secret key, for a program on your servers. It is shown once." };
    Page::new(member, "Generate a new key", body).lead(lead).above(PATH, "API")
}
