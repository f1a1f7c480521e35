//! The credentials of a connection: fields for what its way of authentication needs, and taking them in. They are never
//! shown again.

use std::collections::BTreeMap;

use maud::{Markup, html};
use resly_core::{connector::connection::Owner, time::Timestamp};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Auth, AuthType};
use resly_service::{
    FieldError,
    accounts::Revocation,
    connections::{self, ConnectionError, ConnectionPatch, ConnectionSetup},
};

use crate::{
    csrf::FormToken,
    error::{PageError, sentence},
    fields::Fields,
    member::Member,
    parts::{Field, form, submit},
};

/// What a way of authentication is called.
pub fn way(kind: AuthType) -> &'static str {
    match kind {
        AuthType::None => "No credentials",
        AuthType::ApiKey => "API key",
        AuthType::Bearer => "Token",
        AuthType::Basic => "User and password",
        AuthType::Oauth2 => "OAuth",
    }
}

/// Whether an admin enters credentials for this connection.
pub fn are_entered(setup: &ConnectionSetup) -> bool {
    match setup.auth() {
        Auth::None => false,
        Auth::Oauth2(_) => true,
        _ => setup.described.connection.owner == Owner::Organization,
    }
}

/// The form that takes new credentials, with its mistakes.
pub fn entry(token: &FormToken, action: &str, setup: &ConnectionSetup, mistakes: &[FieldError]) -> Markup {
    let of = |name: &str| {
        let path = format!("credentials.{name}");
        mistakes.iter().find(|mistake| mistake.path == path).map(|mistake| mistake.message.as_str())
    };
    let shown = |mistake: &&FieldError| {
        let name = mistake.path.strip_prefix("credentials.").unwrap_or(&mistake.path);
        name != "credentials_expire_at" && !setup.auth().fields().contains(&name)
    };
    let expires = mistakes.iter().find(|mistake| mistake.path == "credentials_expire_at");
    let body = html! {
        @for mistake in mistakes.iter().filter(shown) { p class="mistake" role="alert" { (sentence(&mistake.message)) } }
        @for name in setup.auth().fields() { (field(name, of(name))) }
        (Field {
            kind: "date",
            name: "expires",
            label: "They end on",
            hint: Some("If the service says so. You are told two weeks ahead."),
            error: expires.map(|mistake| mistake.message.as_str()),
            ..Field::default()
        }.draw())
        (submit(if setup.described.connection.credentials.is_some() { "Replace" } else { "Save" }))
    };
    form(token, action, &body)
}

fn field(name: &str, error: Option<&str>) -> Markup {
    let (kind, label, hint) = match name {
        "api_key" => {
            ("password", "API key", "It is sealed at once, sent only to the service's hosts, and never shown again.")
        }
        "token" => {
            ("password", "Token", "It is sealed at once, sent only to the service's hosts, and never shown again.")
        }
        "username" => ("text", "User", ""),
        "password" => {
            ("password", "Password", "It is sealed at once, sent only to the service's hosts, and never shown again.")
        }
        "client_id" => ("text", "Client id", "Of the OAuth app that you registered at the service."),
        "client_secret" => ("password", "Client secret", "It is sealed at once and never shown again."),
        other => ("password", other, ""),
    };
    let path = format!("credentials.{name}");
    let hint = Some(hint).filter(|hint| !hint.is_empty());
    Field { kind, name: &path, label, hint, error, required: true, autocomplete: Some("off"), ..Field::default() }
        .draw()
}

/// What a change of credentials came to.
pub enum Saved {
    /// With what the page says of it.
    Done(String),
    Mistakes(Vec<FieldError>),
}

/// Takes the credentials of a form in.
pub async fn save(api: &Api, member: &Member, setup: &ConnectionSetup, fields: &Fields) -> Result<Saved, PageError> {
    let mut given = BTreeMap::new();
    for name in setup.auth().fields() {
        // A key that was copied often ends with a line break.
        let value = fields.text(&format!("credentials.{name}"));
        given.insert((*name).to_owned(), value.to_owned());
    }
    let ends = match fields.filled("expires").map(end_of_day) {
        Some(Err(mistake)) => return Ok(Saved::Mistakes(vec![mistake])),
        Some(Ok(ends)) => Some(ends),
        None => None,
    };
    let patch = ConnectionPatch {
        credentials: Some(Some(given)),
        credentials_expire_at: Some(ends),
        ..ConnectionPatch::default()
    };
    let (organization, id) = (member.session.organization, setup.described.connection.id);
    match connections::change(&api.app, organization, id, patch).await {
        Ok(changed) => Ok(Saved::Done(said("The credentials are saved.", &changed.revocation))),
        Err(ConnectionError::Invalid(mistakes)) => Ok(Saved::Mistakes(mistakes)),
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// A sentence about a change, with what the service said about tokens that are in use no more.
pub fn said(done: &str, revocation: &Revocation) -> String {
    match revocation {
        Revocation::Done => done.to_owned(),
        Revocation::Unconfirmed(message) => format!("{done} {}", sentence(message)),
    }
}

/// The end of a day, as a date field has it.
fn end_of_day(day: &str) -> Result<Timestamp, FieldError> {
    let whole = day.len() == 10;
    let read = format!("{day}T23:59:59Z").parse().ok().filter(|_| whole);
    read.ok_or_else(|| FieldError::new("credentials_expire_at", "a date is expected, such as 2027-01-31"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_end_of_its_day() {
        assert_eq!(end_of_day("2027-01-31").unwrap().to_string(), "2027-01-31T23:59:59.000000Z");
        for wrong in ["", "soon", "2027-02-30", "2027-01-31T00:00:00Z"] {
            assert!(end_of_day(wrong).is_err(), "{wrong}");
        }
    }
}
