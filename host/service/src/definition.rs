//! Declarative definitions: reads one, finds all of its mistakes, and runs an action of it dry.

use std::sync::Arc;

use resly_core::{
    boxed,
    connector::{
        call::ConnectorSchemas,
        connection::{Environment, Installable, Origin},
        fault::Fault,
    },
    id::{ConnectionId, OrganizationId},
};
use resly_manifest::{Auth, Manifest, ParsedManifest, Violation, Violations, from_toml, from_value};
use serde_json::Value;

use crate::{
    App, FieldError,
    actions::{self, ActionError, DryRun, ManualCaller},
    connections::{self, validate},
};

/// Why a definition can't be taken in.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// Every mistake, at its path.
    #[error("{} mistakes in the definition", .0.len())]
    Violations(Vec<Violation>),
    /// The sandbox could not check it right now.
    #[error("{}", .0.for_admin())]
    Unexamined(Fault),
}

/// Why a definition can't be run dry.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error("{} mistakes in the settings", .0.len())]
    Settings(Vec<FieldError>),
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// A definition as it was written.
#[derive(Debug)]
pub enum Source {
    Json(Value),
    Toml(String),
}

impl Source {
    /// A definition within a JSON body. A string is its TOML.
    pub fn within(document: Value) -> Self {
        match document {
            Value::String(toml) => Self::Toml(toml),
            document => Self::Json(document),
        }
    }

    /// Reads the definition. Call it on a thread that may block, because it compiles the definition's schemas.
    pub fn read(self) -> ParsedManifest {
        match self {
            Self::Json(document) => from_value(document),
            Self::Toml(text) => from_toml(&text),
        }
    }
}

/// The OAuth addresses of a manifest with plain http. This host would refuse them at the first authorization.
pub fn plain_http(app: &App, manifest: &Manifest) -> Vec<Violation> {
    let mut mistakes = Vec::new();
    for (nth, auth) in manifest.auths().enumerate() {
        let Auth::Oauth2(oauth) = auth else { continue };
        let path = match nth.checked_sub(1) {
            None => "/auth".to_owned(),
            Some(nth) => format!("/auth_alternatives/{nth}"),
        };
        let urls = [
            ("authorize_url", oauth.authorize_url.as_deref()),
            ("token_url", Some(oauth.token_url.as_str())),
            ("revoke_url", oauth.revoke_url.as_deref()),
        ];
        for (name, url) in urls {
            if let Some(why) = url.and_then(|url| app.egress.refuses_plain_http(url)) {
                mistakes.push(Violation::new(format!("{path}/{name}"), why));
            }
        }
    }
    mistakes
}

/// Checks a definition: its shape, its meaning, its filters and its templates. Returns its manifest, or every mistake.
#[boxed]
pub async fn validate(
    app: &App,
    organization: OrganizationId,
    reading: ParsedManifest,
) -> Result<Manifest, DefinitionError> {
    let ParsedManifest { manifest, violations: mistakes } = reading;
    let Some(manifest) = manifest else { return Err(DefinitionError::Violations(mistakes)) };
    let mut mistakes: Violations = mistakes.into_iter().collect();
    for mistake in plain_http(app, &manifest) {
        if !mistakes.cover(&mistake.path) {
            mistakes.extend([mistake]);
        }
    }
    // Members that have a mistake already aren't reported twice.
    for (at, _) in manifest.actions.iter().enumerate().filter(|(_, action)| action.request.is_none()) {
        let path = format!("/actions/{at}/request");
        if !mistakes.cover(&path) {
            mistakes.add(path, "missing: a declarative connector states the request of each action");
        }
    }
    let examined = app.connectors.check_syntax(organization, app.catalogue.runner(), &manifest).await;
    for mistake in examined.map_err(DefinitionError::Unexamined)? {
        if !mistakes.cover(&mistake.path) {
            mistakes.extend([mistake]);
        }
    }
    if mistakes.is_empty() { Ok(manifest) } else { Err(DefinitionError::Violations(mistakes.into_list())) }
}

/// What to run of a definition, and with which settings and input.
pub struct DryRunSpec {
    /// The settings that a connection would have.
    pub settings: Value,
    pub action: String,
    pub input: Value,
}

/// Shows the first request that an action of a definition would send. Nothing is stored, dialled or counted.
#[boxed]
pub async fn dry_run(
    app: &App,
    by: ManualCaller,
    reading: ParsedManifest,
    spec: DryRunSpec,
) -> Result<DryRun, DryRunError> {
    let organization = by.organization;
    let manifest = validate(app, organization, reading).await?;
    let settings = validate::with_defaults(&manifest, spec.settings);
    let mistakes = validate::check_settings(&manifest, &settings);
    if !mistakes.is_empty() {
        return Err(DryRunError::Settings(mistakes));
    }
    let now = app.clock.now();
    let id = ConnectionId(app.random.uuid(now));
    let connection = connections::draft(id, organization, &manifest, settings, Environment::Production, now);
    let installable =
        Installable { manifest: Arc::new(manifest), component: app.catalogue.runner(), origin: Origin::Declarative };
    let prepared = ConnectorSchemas::new(installable);
    Ok(actions::dry_run_draft(app, by, &connection, &prepared, spec.action, spec.input).await?)
}
