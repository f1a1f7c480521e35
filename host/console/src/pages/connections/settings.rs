//! `/console/connections/{id}/settings`: name, settings, what chats may do, and the credentials.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    connector::connection::{Connection, ConnectionStatus, Environment, Owner, Policy},
    member::Permission,
};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Auth, AuthType};
use resly_service::{
    FieldError,
    connections::{self, ConnectionError, ConnectionPatch, ConnectionSetup, SetupStep},
};
use serde_json::Value;

use super::{
    Tab,
    credentials::{self, Saved, said},
    frame, open, setup as steps,
};
use crate::{
    access::{Admin, Viewer},
    error::{PageError, sentence},
    fields::{Fields, Submitted},
    frame::Page,
    member::Member,
    parts::{Choice, Field, Filled, SchemaForm, choices, confirm, date, facts, form, select, submit},
    reply,
};

/// The mistakes of this page's forms.
#[derive(Default)]
struct Mistakes {
    settings: Vec<FieldError>,
    credentials: Vec<FieldError>,
}

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let stored = setup.described.connection.settings.clone();
    Ok(draw(member, &setup, &Filled::Value(&stored), &Mistakes::default()))
}

fn draw(member: Member, setup: &ConnectionSetup, filled: &Filled<'_>, mistakes: &Mistakes) -> Page {
    let body = if member.may(Permission::Manage) {
        html! {
            section class="panel" { h2 { "Settings" } (settings(&member, setup, filled, &mistakes.settings)) }
            section class="panel" { (credentials_panel(&member, setup, &mistakes.credentials)) }
        }
    } else {
        let connection = &setup.described.connection;
        html! {
            section class="panel" {
                h2 { "Settings" }
                (crate::parts::snippet("The settings", &serde_json::to_string_pretty(&connection.settings).unwrap_or_default()))
            }
            section class="panel" { h2 { "Credentials" } (what_is_there(setup)) }
        }
    };
    frame(member, setup, Tab::Settings, body)
}

fn settings(member: &Member, setup: &ConnectionSetup, filled: &Filled<'_>, mistakes: &[FieldError]) -> Markup {
    let connection = &setup.described.connection;
    let schema = SchemaForm::new("settings", &setup.manifest().settings);
    let (name, policy) = match filled {
        Filled::Typed(fields) => (fields.text("name"), policy_of(fields)),
        Filled::Value(_) => (connection.name.as_str(), connection.policy),
    };
    let at = |path: &str| mistakes.iter().find(|mistake| mistake.path == path).map(|mistake| mistake.message.as_str());
    let elsewhere = mistakes.iter().filter(|mistake| !schema.covers(mistake) && mistake.path != "name");
    form(
        &member.form_token,
        &Tab::Settings.path(connection.id),
        &html! {
            @for mistake in elsewhere { p class="mistake" role="alert" { (sentence(&format!("{}: {}", mistake.path, mistake.message))) } }
            input type="hidden" name="revision" value=(connection.revision);
            (Field { name: "name", label: "Name", value: name, required: true, length: Some(100), error: at("name"), ..Field::default() }.draw())
            (schema.draw(filled, mistakes))
            (policies(connection, policy))
            (submit("Save"))
        },
    )
}

fn policies(connection: &Connection, policy: Policy) -> Markup {
    let writes = match (policy.deny_writes, policy.allow_writes) {
        (true, _) => "never",
        (false, true) => "always",
        (false, false) => "confirmed",
    };
    let options = [
        Choice {
            value: "confirmed",
            label: "After a person in the chat confirms",
            hint: Some("They see the action and every value first."),
        },
        Choice { value: "always", label: "At once", hint: Some("Nobody is asked. For what can be undone.") },
        Choice { value: "never", label: "Never", hint: Some("Where the customer must not decide.") },
    ];
    let public = [Choice {
        value: "on",
        label: "Chats under a publishable key may use it",
        hint: Some(match connection.environment {
            Environment::Sandbox => {
                "Such a key can be read off a page, so anyone can ask. It has no effect in the sandbox: visitors are never shown sample data."
            }
            Environment::Production => "Such a key can be read off a page, so anyone can ask.",
        }),
    }];
    let ticked: &[&str] = if policy.allow_publishable { &["on"] } else { &[] };
    html! {
        (choices("Actions that change something run", "writes", false, &[writes], &options))
        (choices("On your site", "allow_publishable", true, ticked, &public))
    }
}

fn policy_of(fields: &Fields) -> Policy {
    Policy {
        allow_writes: fields.text("writes") == "always",
        deny_writes: fields.text("writes") == "never",
        allow_publishable: fields.checked("allow_publishable"),
    }
}

fn credentials_panel(member: &Member, setup: &ConnectionSetup, mistakes: &[FieldError]) -> Markup {
    let connection = &setup.described.connection;
    let action = format!("{}/credentials", Tab::Overview.path(connection.id));
    let forget = format!("{action}/forget");
    let text =
        html! { p { "They are deleted here. In production, chats lose the connection until there are new ones." } };
    html! {
        h2 { "Credentials" }
        (what_is_there(setup))
        (way(member, setup))
        (steps::ways(member, setup, &action, mistakes))
        @if connection.credentials.is_some() {
            p class="form-end" { (confirm(&member.form_token, "forget", "Forget them", "Forget the credentials?", &text, &forget, "Forget them")) }
        }
    }
}

/// The facts about the credentials that aren't secret.
fn what_is_there(setup: &ConnectionSetup) -> Markup {
    let described = &setup.described;
    let connection = &described.connection;
    let kept = match (&connection.credentials, setup.auth(), setup.has_client) {
        (Some(_), ..) => "sealed; never shown",
        (None, Auth::None, _) => "none are needed",
        (None, Auth::Oauth2(_), true) => "the operator's app",
        (None, ..) => "none yet",
    };
    let mut all = vec![("Kept", html! { (kept) })];
    if connection.owner == Owner::Visitor {
        all.push(("Account", html! { "each visitor's own" }));
    }
    if let Some(account) = &described.account {
        all.push(("Authorized", crate::parts::when(account.authorized_at)));
        all.push(("Needs a person again", date(resly_service::accounts::ends_at(account), "not as far as is known")));
        if let Some(scope) = &account.terms.scope {
            all.push(("Scopes", html! { (scope) }));
        }
    }
    if described.credentials_expire_at.is_some() {
        all.push(("End", date(described.credentials_expire_at, "")));
    }
    if connection.status == ConnectionStatus::NeedsAuth {
        all.push(("State", super::words::status(connection.status)));
    }
    facts(&all)
}

/// Another of the connector's ways of authentication.
fn way(member: &Member, setup: &ConnectionSetup) -> Markup {
    let manifest = setup.manifest();
    if manifest.auth_alternatives.is_empty() {
        return Markup::default();
    }
    let kinds: Vec<AuthType> = manifest.auths().map(Auth::kind).collect();
    let options: Vec<Choice<'_>> =
        kinds.iter().map(|kind| Choice { value: kind.name(), label: credentials::way(*kind), hint: None }).collect();
    let field = Field {
        name: "auth",
        label: "How it authenticates",
        value: setup.auth().kind().name(),
        hint: Some("With another way, what was stored for this one is dropped."),
        required: true,
        ..Field::default()
    };
    let action = format!("{}/credentials/way", Tab::Overview.path(setup.described.connection.id));
    form(
        &member.form_token,
        &action,
        &html! {
            (select(&field, &options))
            p class="form-end" { button class="button" { "Change" } }
        },
    )
}

pub async fn save(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    let connection = &setup.described.connection;
    let refused = |member: Member, settings: Vec<FieldError>| {
        let mistakes = Mistakes { settings, ..Mistakes::default() };
        let page = draw(member, &setup, &Filled::Typed(&fields), &mistakes);
        page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response()
    };
    let read = match SchemaForm::new("settings", &setup.manifest().settings).read(&fields) {
        Ok(read) => read,
        Err(mistakes) => return Ok(refused(member, mistakes)),
    };
    let patch = ConnectionPatch {
        name: Some(fields.text("name").to_owned()),
        settings: Some(merged(&setup.manifest().settings, &connection.settings, read)),
        policy: Some(policy_of(&fields)),
        revision: fields.text("revision").parse().ok(),
        ..ConnectionPatch::default()
    };
    match connections::change(&api.app, member.session.organization, connection.id, patch).await {
        Ok(changed) => {
            Ok(reply::done(&Tab::Settings.path(connection.id), &said("The settings are saved.", &changed.revocation)))
        }
        Err(ConnectionError::Invalid(mistakes)) => Ok(refused(member, mistakes)),
        Err(error) => Err(Problem::from(error).into()),
    }
}

/// The settings of a form, and the stored ones that have no field in it, if the schema allows any.
fn merged(schema: &Value, stored: &Value, read: Value) -> Value {
    let allowed = |word: &str| schema.get(word).is_some_and(|more| more != &Value::Bool(false));
    let named = schema.get("properties").and_then(Value::as_object).filter(|named| !named.is_empty());
    match (read, stored.as_object(), named) {
        (Value::Object(read), Some(stored), Some(named))
            if allowed("additionalProperties") || allowed("patternProperties") =>
        {
            let others = stored.clone().into_iter().filter(|(name, _)| !named.contains_key(name));
            others.chain(read).collect()
        }
        (read, ..) => read,
    }
}

pub async fn save_credentials(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    match credentials::save(&api, &member, &setup, &fields).await? {
        Saved::Mistakes(credentials) => {
            let stored = setup.described.connection.settings.clone();
            let mistakes = Mistakes { credentials, ..Mistakes::default() };
            let page = draw(member, &setup, &Filled::Value(&stored), &mistakes);
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
        Saved::Done(notice) => {
            let consent = setup.auth().requires_user_consent();
            let step = if consent { SetupStep::Authenticate } else { SetupStep::Test };
            Ok(reply::done(&steps::path(&setup, step), &notice))
        }
    }
}

/// Forgets the credentials.
pub async fn forget(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let patch = ConnectionPatch { credentials: Some(None), ..ConnectionPatch::default() };
    change(&api, &member, &id, patch, "The credentials are forgotten.").await
}

/// Chooses another way of authentication.
pub async fn change_way(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let setup = open(&api, &member, &id).await?;
    let kind = setup.manifest().auths().map(Auth::kind).find(|kind| kind.name() == fields.text("auth"));
    let patch = ConnectionPatch { auth: kind, ..ConnectionPatch::default() };
    change(&api, &member, &id, patch, "It authenticates in this way now.").await
}

async fn change(
    api: &Api,
    member: &Member,
    id: &str,
    patch: ConnectionPatch,
    notice: &str,
) -> Result<Response, PageError> {
    let id = super::parse(id)?;
    let changed = connections::change(&api.app, member.session.organization, id, patch).await.map_err(Problem::from)?;
    Ok(reply::done(&Tab::Settings.path(id), &said(notice, &changed.revocation)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_without_a_field_are_kept_where_the_schema_allows_any() {
        let fields = json!({"shop": {"type": "string"}, "region": {"type": "string"}});
        let stored = json!({"shop": "old", "region": "eu", "more": 1});
        let open = json!({"properties": fields, "additionalProperties": true});
        let saved = merged(&open, &stored, json!({"shop": "new"}));
        assert_eq!(saved, json!({"more": 1, "shop": "new"}), "an emptied field is gone");
        let closed = json!({"properties": fields});
        assert_eq!(
            merged(&closed, &stored, json!({"shop": "new"})),
            json!({"shop": "new"}),
            "another version had more"
        );
        let any = json!({"type": "object", "additionalProperties": true});
        assert_eq!(merged(&any, &stored, json!({"b": 2})), json!({"b": 2}), "the field has all of them");
    }
}
