//! `resly demo`: an organization that shows what the host can do, on the handbook and on Shopify's fixtures.

use std::collections::BTreeMap;

use resly_core::{
    connector::connection::{Environment, Owner, Policy},
    id::OrganizationId,
    knowledge::KnowledgeStore,
    principal::Scope,
};
use resly_http::{Api, handbook};
use resly_search::NewText;
use resly_service::{
    App,
    connections::{self, ConnectionError, NewConnection},
    keys::{self, KeyError, KeyIssuer, NewKey},
    members::{Role, links},
    organizations::{self, BadName, OrganizationError, OrganizationName},
};
use serde_json::json;

const ORGANIZATION: &str = "demo";
const SMALL_CAP: u64 = 2;

/// The demo's organization and its keys.
pub struct Demo {
    pub api_key: String,
    pub admin_key: String,
    /// With a cap of [`SMALL_CAP`] messages.
    pub small_key: String,
    pub console_url: String,
}

/// Why a demo can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Store(#[from] resly_core::error::StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Name(#[from] BadName),
    #[error(transparent)]
    Organization(#[from] OrganizationError),
    #[error("{what}: {detail}")]
    Part { what: &'static str, detail: String },
}

/// Sets the demo up, or finds it, and makes new keys for it. Calls `progress` before each step that takes long.
pub async fn prepare(api: &Api, url: &str, progress: &(dyn Fn(String) + Sync)) -> Result<Demo, DemoError> {
    let app = &*api.app;
    app.prepare_connectors(progress).await.map_err(|error| DemoError::Part {
        what: "a bundled connector can't be prepared",
        detail: error.to_string(),
    })?;
    let organization = organizations::find_or_create(app, OrganizationName::parse(ORGANIZATION)?).await?;
    ingest(app, organization, url, progress).await?;
    install_shopify(app, organization).await?;
    let key = async |name: &str, scopes: &[Scope], message_cap| {
        let new = NewKey { name: name.to_owned(), scopes: scopes.to_vec(), message_cap, ..NewKey::default() };
        let made = keys::create(&app.keyring, KeyIssuer::Host(organization), new).await;
        made.map(|secret| secret.expose().to_owned())
    };
    let both = [Scope::Chat, Scope::Search];
    let all = [Scope::Chat, Scope::Search, Scope::Admin, Scope::Operator, Scope::DataWrite];
    Ok(Demo {
        api_key: key("demo", &both, None).await?,
        admin_key: key("demo admin", &all, None).await?,
        small_key: key("demo, capped", &both, Some(SMALL_CAP)).await?,
        console_url: links::url(url, &links::create(app, organization, Role::Owner).await?),
    })
}

/// Adds the missing pages of the handbook, and replaces pages that have another version or address.
async fn ingest(
    app: &App,
    organization: OrganizationId,
    url: &str,
    progress: &(dyn Fn(String) + Sync),
) -> Result<(), DemoError> {
    let have = app.store.list_sources(organization).await?;
    for page in handbook::PAGES {
        let (title, name, text) = (page.title(), page.name, page.text);
        // The page's headings have anchors, so a citation leads to its section.
        let link = format!("{url}/docs/{name}#");
        if let Some(source) = have.iter().find(|source| source.title == title) {
            let known = app.store.find_source(organization, source.id).await?;
            if source.url.as_ref() == Some(&link) && known.is_some_and(|known| known.text == text) {
                continue;
            }
            app.library.remove(organization, source.id).await?;
        }
        let new = NewText {
            title: title.to_owned(),
            text: text.to_owned(),
            content_type: "text/markdown".to_owned(),
            url: Some(link),
            identity: None,
        };
        let added = app
            .library
            .add(organization, new)
            .await
            .map_err(|error| DemoError::Part { what: "the handbook can't be taken in", detail: error.to_string() })?;
        progress(format!("read the handbook: {title} ({} passages)", added.chunks));
    }
    Ok(())
}

/// Installs Shopify in the sandbox, where its fixtures answer.
async fn install_shopify(app: &App, organization: OrganizationId) -> Result<(), DemoError> {
    if !app.store.list_connections(organization).await?.is_empty() {
        return Ok(());
    }
    let failed = |error: ConnectionError| DemoError::Part {
        what: "the demo shop can't be installed",
        detail: error.to_string(),
    };
    let shop = NewConnection {
        connector: "shopify".to_owned(),
        version: None,
        name: Some("Demo shop".to_owned()),
        environment: Environment::Sandbox,
        settings: json!({"shop": "resly-demo", "verify_email": false}),
        auth: None,
        owner: Owner::Organization,
        credentials: None,
        credentials_expire_at: None,
        policy: Policy::default(),
        mappings: BTreeMap::new(),
    };
    let shop = connections::install(app, organization, shop).await.map_err(failed)?;
    connections::enable(app, organization, shop.id).await.map_err(failed)?;
    Ok(())
}

impl Demo {
    /// The line for programs.
    pub fn line(&self, url: &str) -> String {
        let Self { api_key, admin_key, console_url, .. } = self;
        let text = |text: &str| serde_json::Value::from(text);
        format!(
            r#"{{"url":{},"api_key":{},"admin_key":{},"console_url":{}}}"#,
            text(url),
            text(api_key),
            text(admin_key),
            text(console_url)
        )
    }

    /// The text for a person.
    pub fn welcome(&self, url: &str, model: &str) -> String {
        let Self { api_key, small_key, console_url, .. } = self;
        let ask = |key: &str, question: &str| {
            format!(
                "curl -sS {url}/api/chat -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\\n    \
                 -d '{{\"messages\":[{{\"role\":\"user\",\"content\":\"{question}\"}}]}}'"
            )
        };
        let docs = ask(api_key, "How do I rotate an API key?").replace("curl -sS", "curl -sSi");
        let order = ask(api_key, "Where is my order #1001?");
        let limited = ask(small_key, "What is Resly?").replace("curl -sS", "curl -sSi");
        let shown = if model == "builtin" {
            "\nAnswers come from `builtin`, which quotes what it finds and is not a language model. Set RESLY_MODEL_URL\n\
             and RESLY_MODEL to use one.\n"
        } else {
            ""
        };
        format!(
            "\nResly is up at {url}\n\n  key      {api_key}\n  console  {console_url}\n{shown}\n\
             1. A question, answered from the docs with citations:\n\n  {docs}\n\n\
             2. A question, answered through a connector (Shopify, from its fixtures):\n\n  {order}\n\n\
             3. A key that may send {SMALL_CAP} messages, and then hits its limit:\n\n  for i in 1 2 3; do {limited}; echo; done\n\n"
        )
    }
}
