//! A declarative definition on its way in: read, checked whole, and examined in the sandbox, for the API and for authors.

use resly_core::{
    connector::{
        manifest::{Manifest, Mistake, Reading, from_toml, from_value},
        sandbox::Fault,
    },
    id::OrganizationId,
};
use serde_json::Value;

use crate::app::App;

/// Why a definition can't be taken in.
#[derive(Debug)]
pub enum Unusable {
    /// Every mistake, at its path.
    Mistakes(Vec<Mistake>),
    /// It could not be examined right now.
    Unexamined(Fault),
}

/// A definition as JSON, or its TOML as a JSON text.
pub fn read(document: Value) -> Reading {
    match document {
        Value::String(toml) => from_toml(&toml),
        document => from_value(document),
    }
}

/// Why a text is no OpenAPI document as JSON, and what to do when it is one as YAML.
pub fn not_json(text: &str, error: &serde_json::Error) -> String {
    if text.trim_start().starts_with('{') {
        return format!("the document is not valid JSON: {error}");
    }
    "the document isn't JSON; convert YAML first, for instance with `npx js-yaml openapi.yaml > openapi.json` or \
     `yq -o=json openapi.yaml > openapi.json`"
        .to_owned()
}

/// The definition, if it is without a mistake: in its shape, in what it says, in its filters and in its templates.
pub async fn usable(app: &App, organization: OrganizationId, reading: Reading) -> Result<Manifest, Unusable> {
    let Reading { manifest, mut mistakes } = reading;
    let Some(manifest) = manifest else { return Err(Unusable::Mistakes(mistakes)) };
    // What is wrong already is not told twice, and a stand-in not at all.
    let wrong = |path: &str, mistakes: &[Mistake]| {
        mistakes.iter().any(|known| path == known.path || path.starts_with(&format!("{}/", known.path)))
    };
    for (at, _) in manifest.actions.iter().enumerate().filter(|(_, action)| action.request.is_none()) {
        let path = format!("/actions/{at}/request");
        if !wrong(&path, &mistakes) {
            let message = "missing: a declarative connector states the request of each action".to_owned();
            mistakes.push(Mistake { path, message });
        }
    }
    let examined = app.connectors.examine(organization, app.catalogue.runner(), &manifest).await;
    for mistake in examined.map_err(Unusable::Unexamined)? {
        if !wrong(&mistake.path, &mistakes) {
            mistakes.push(mistake);
        }
    }
    if mistakes.is_empty() { Ok(manifest) } else { Err(Unusable::Mistakes(mistakes)) }
}
