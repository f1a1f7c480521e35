//! A definition as a page has it: checked, run dry, or added.

use std::sync::Arc;

use resly_core::{
    connector::{fixture::Fixtures, outbound::OutboundResponse, trial::UnsentRequest},
    id::OrganizationId,
    plan::Feature,
};
use resly_http::{
    Api, body,
    problem::{Problem, members::InvalidMember},
};
use resly_manifest::{ParsedManifest, Violation};
use resly_service::{
    actions::{ActionError, DryRun, DryRunOutcome, ManualCaller},
    connectors::{self, ConnectorError},
    definition::{self, DefinitionError, DryRunError, DryRunSpec, Source},
    plans,
};
use serde_json::Value;

use crate::error::PageError;

/// A definition as it was written.
pub enum Written {
    Document(Value),
    /// JSON, or TOML.
    Text(String),
}

impl Written {
    /// On a thread that may block.
    fn read(self) -> ParsedManifest {
        match self {
            Self::Document(document) => Source::Json(document).read(),
            Self::Text(text) if text.trim_start().starts_with(['{', '[']) => {
                match body::parse_weighed::<Value>(text.as_bytes()) {
                    Ok(document) => Source::Json(document).read(),
                    Err(problem) => {
                        let violations = vec![Violation::new("", problem.detail())];
                        ParsedManifest { manifest: None, violations }
                    }
                }
            }
            Self::Text(text) => Source::Toml(text).read(),
        }
    }
}

/// What became of a definition.
pub enum Outcome {
    Sound,
    Added {
        id: String,
        version: String,
    },
    Tried(Box<Trial>),
    /// Each with its place in the definition.
    Mistakes(Vec<(String, String)>),
    /// Why it couldn't be run dry: a sentence, and what is wrong with the settings or the input.
    NotTried(String, Vec<(String, String)>),
}

/// A dry run, with what the sandbox would answer.
pub struct Trial {
    pub run: DryRun,
    /// The answer of the fixture that fits the request, or why none does. `None` when no request would be sent.
    pub answer: Option<Result<OutboundResponse, String>>,
}

async fn read(api: &Api, organization: OrganizationId, written: Written) -> Result<ParsedManifest, Problem> {
    api.readers.examine(organization, move || written.read()).await
}

fn mistakes(violations: Vec<Violation>) -> Outcome {
    Outcome::Mistakes(violations.into_iter().map(|Violation { path, message }| (path, message)).collect())
}

pub async fn check(api: &Api, organization: OrganizationId, written: Written) -> Result<Outcome, PageError> {
    let reading = read(api, organization, written).await?;
    match definition::validate(&api.app, organization, reading).await {
        Ok(_) => Ok(Outcome::Sound),
        Err(DefinitionError::Violations(found)) => Ok(mistakes(found)),
        Err(error) => Err(Problem::from(error).into()),
    }
}

pub async fn add(api: &Api, organization: OrganizationId, written: Written) -> Result<Outcome, PageError> {
    let required = plans::require(&api.app.store, organization, Feature::CustomConnectors).await;
    required.map_err(Problem::from)?;
    let reading = read(api, organization, written).await?;
    let error = match connectors::define(&api.app, organization, reading).await {
        Ok(found) => {
            let manifest = &found.chosen.installable.manifest;
            return Ok(Outcome::Added { id: manifest.id.clone(), version: manifest.version.clone() });
        }
        Err(error) => error,
    };
    let told = error.to_string();
    match error {
        ConnectorError::Definition(DefinitionError::Violations(found)) => Ok(mistakes(found)),
        ConnectorError::IdTaken(_) => Ok(Outcome::Mistakes(vec![("/id".to_owned(), told)])),
        ConnectorError::AnotherContent { .. } => Ok(Outcome::Mistakes(vec![("/version".to_owned(), told)])),
        error => Err(Problem::from(error).into()),
    }
}

/// Shows what an action would send, and what the sandbox would answer. Nothing is stored, dialled or counted.
pub async fn dry_run(
    api: &Api,
    organization: OrganizationId,
    written: Written,
    mut spec: DryRunSpec,
) -> Result<Outcome, PageError> {
    let reading = read(api, organization, written).await?;
    let manifest = reading.manifest.clone().map(Arc::new);
    if spec.action.is_empty()
        && let Some(first) = manifest.as_ref().and_then(|manifest| manifest.actions.first())
    {
        spec.action.clone_from(&first.id);
    }
    let by = ManualCaller { organization, key: None, visitor: None };
    let run = match definition::dry_run(&api.app, by, reading, spec).await {
        Ok(run) => run,
        Err(DryRunError::Definition(DefinitionError::Violations(found))) => return Ok(mistakes(found)),
        Err(DryRunError::Action(error @ (ActionError::Store(_) | ActionError::Json(_)))) => {
            return Err(Problem::from(error).into());
        }
        Err(error) => {
            let problem = Problem::from(error);
            let errors = problem.errors().iter();
            let errors = errors.map(|InvalidMember { path, message }| (path.clone(), message.clone())).collect();
            return Ok(Outcome::NotTried(problem.detail().to_owned(), errors));
        }
    };
    let answer = match (&run.outcome, manifest) {
        (DryRunOutcome::Request(UnsentRequest { asked, .. }), Some(manifest)) => {
            let body = asked.body.as_deref().unwrap_or_default();
            let answer = Fixtures::new(manifest).answer(&asked.method, &asked.url, body);
            Some(answer.map_err(|failure| failure.message))
        }
        _ => None,
    };
    Ok(Outcome::Tried(Box::new(Trial { run, answer })))
}
