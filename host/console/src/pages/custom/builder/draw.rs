//! The builder's page.

use maud::{Markup, html};

use super::{
    action::action,
    form::{ActionForm, Basics, BuilderForm},
    rows,
};
use crate::{
    frame::Page,
    member::Member,
    pages::custom::{BUILDER, by_default, definition::Outcome, handbook, mistakes::Mistakes, trial::TrialForm, way},
    parts::{Field, area, form, select},
};

const AUTHS: [(&str, &str); 5] = [
    ("none", "None"),
    ("api_key", "API key"),
    ("bearer", "Bearer token"),
    ("basic", "User and password"),
    ("oauth2", "OAuth 2.0"),
];
const PLACES: [(&str, &str); 2] = [("header", "Header"), ("query", "Query parameter")];

/// What the page shows.
pub struct Shown {
    pub form: BuilderForm,
    pub trial: TrialForm,
    pub outcome: Option<Outcome>,
    pub mistakes: Mistakes,
    /// Why what is to be tried can't be read.
    pub unreadable: Option<String>,
    /// Whether a blank action follows.
    pub another_action: bool,
}

impl Shown {
    pub fn new(form: BuilderForm) -> Self {
        let (trial, mistakes) = (TrialForm::default(), Mistakes::default());
        Self { form, trial, outcome: None, mistakes, unreadable: None, another_action: false }
    }
}

pub fn page(member: Member, shown: &Shown) -> Page {
    let Shown { form: typed, trial, outcome, mistakes, unreadable, another_action } = shown;
    let mut actions = typed.actions.clone();
    if actions.is_empty() || *another_action {
        actions.push(ActionForm::default());
    }
    let fields = html! {
        (basics(&typed.basics, mistakes))
        (auth(&typed.basics, mistakes))
        section class="panel" id="settings" {
            h2 { "Settings" }
            p class="hint" { "What an admin sets for each connection, such as a region. A request names one as " code { "{{ settings.region }}" } "." }
            (rows::parameters("s", &typed.settings, "/settings", mistakes))
            (rows::more(BUILDER, "settings", "More settings"))
        }
        @for (at, one) in actions.iter().enumerate() { (action(at, one, mistakes)) }
        p { button class="button" name="do" value="action" formaction={ (BUILDER) "#a" (actions.len()) } { "Add another action" } }
        (test(&typed.basics, mistakes))
        section class="panel" id="answers" {
            h2 { "Answers in the sandbox" }
            p class="hint" { "With these, the connector can be tried without an account. In a path, " code { "*" } " stands for any one segment." }
            (rows::answers(&typed.answers, mistakes))
            (rows::more(BUILDER, "answers", "More answers"))
        }
        p class="row" {
            button class="button primary" name="do" value="add" { "Add the connector" }
            button class="button" name="do" value="text" { "Go on as text" }
        }
    };
    let body = html! {
        (mistakes.summary())
        (form(&member.form_token, BUILDER, &html! {
            (by_default("check"))
            div class="split" {
                div { (fields) }
                div class="beside" { (trial.draw(BUILDER, outcome.as_ref(), unreadable.as_deref())) }
            }
        }))
    };
    let lead = html! {
        "Say which request answers a question, and the AI can make it. No code: the host runs it in the sandbox, within its \
         hosts. What isn't here is in " (handbook("declarative-connectors", "the definition")) ": go on as text for that."
    };
    way(member, BUILDER, lead, body)
}

fn basics(typed: &Basics, mistakes: &Mistakes) -> Markup {
    let (of_name, of_id, of_version) = (mistakes.at("/name"), mistakes.at("/id"), mistakes.at("/version"));
    let (of_description, of_hosts) = (mistakes.at("/description"), mistakes.at("/hosts"));
    html! {
        section class="panel" {
            h2 { "The connector" }
            div class="line" {
                (Field { name: "name", label: "Name", value: &typed.name, error: of_name.as_deref(), placeholder: Some("Acme CRM"), length: Some(100), ..Field::default() }.draw())
                (Field { name: "id", label: "Id", value: &typed.id, error: of_id.as_deref(), placeholder: Some("made from the name"), ..Field::default() }.draw())
                (Field { name: "version", label: "Version", value: &typed.version, error: of_version.as_deref(), ..Field::default() }.draw())
            }
            (Field { name: "description", label: "Description", value: &typed.description, error: of_description.as_deref(), ..Field::default() }.draw())
            (area(&Field {
                name: "hosts", label: "Hosts", value: &typed.hosts, error: of_hosts.as_deref(), placeholder: Some("crm.example.com"),
                hint: Some("What it may call, one a line, with a path to allow no more than that. Empty: the hosts of its addresses."),
                ..Field::default()
            }, 2, true))
        }
    }
}

fn auth(typed: &Basics, mistakes: &Mistakes) -> Markup {
    let (of_in, of_name, of_prefix) = (mistakes.at("/auth/in"), mistakes.at("/auth/name"), mistakes.at("/auth/prefix"));
    let (of_authorize, of_token) = (mistakes.at("/auth/authorize_url"), mistakes.at("/auth/token_url"));
    let (of_scopes, of_auth) = (mistakes.at("/auth/scopes"), mistakes.at("/auth"));
    let field = |name: &'static str, label: &'static str, value, error, placeholder| {
        Field { name, label, value, error, placeholder: Some(placeholder), ..Field::default() }.draw()
    };
    html! {
        section class="panel switch" {
            h2 { "Authentication" }
            p class="hint" { "Only how: each connection has its own credential, which the host adds to a request after it has left the connector." }
            (select(&Field { name: "auth", label: "Type", value: &typed.auth, required: true, error: of_auth.as_deref(), ..Field::default() }, &rows::options(&AUTHS)))
            div class="line" data-when="api_key" {
                (select(&Field { name: "key_in", label: "Sent in", value: &typed.key_in, required: true, error: of_in.as_deref(), ..Field::default() }, &rows::options(&PLACES)))
                (field("key_name", "Name", &typed.key_name, of_name.as_deref(), "X-Api-Key"))
                (field("key_prefix", "Prefix", &typed.key_prefix, of_prefix.as_deref(), "Token"))
            }
            div class="line" data-when="oauth2" {
                (field("authorize_url", "Address where a person agrees", &typed.authorize_url, of_authorize.as_deref(), "https://crm.example.com/oauth/authorize"))
                (field("token_url", "Address of tokens", &typed.token_url, of_token.as_deref(), "https://crm.example.com/oauth/token"))
                (field("scopes", "Scopes", &typed.scopes, of_scopes.as_deref(), "orders.read customers.read"))
            }
        }
    }
}

fn test(typed: &Basics, mistakes: &Mistakes) -> Markup {
    let (of_action, of_input) = (mistakes.at("/test/action"), mistakes.at("/test"));
    html! {
        section class="panel" {
            h2 { "Test" }
            p class="hint" { "The action that tests a connection; it must only read." }
            div class="line" {
                (Field { name: "test_action", label: "Action", value: &typed.test_action, error: of_action.as_deref(), placeholder: Some("get_account"), ..Field::default() }.draw())
                (Field { name: "test_input", label: "Input (JSON)", value: &typed.test_input, error: of_input.as_deref(), placeholder: Some(r#"{"id": "1"}"#), ..Field::default() }.draw())
            }
        }
    }
}
