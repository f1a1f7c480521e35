//! A declarative definition on its way in: read, checked whole, and examined in the sandbox, for the API and for authors.

use resly_core::{
    connector::{
        manifest::{Manifest, Mistake, Mistakes, Reading, from_toml, from_value},
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

/// A definition as it was written.
#[derive(Debug)]
pub enum Source {
    Json(Value),
    Toml(String),
}

impl Source {
    /// A definition within a JSON body: its TOML is a text there.
    pub fn within(document: Value) -> Self {
        match document {
            Value::String(toml) => Self::Toml(toml),
            document => Self::Json(document),
        }
    }

    /// For a thread that may block: schemas are compiled, and a definition may have many.
    pub fn read(self) -> Reading {
        match self {
            Self::Json(document) => from_value(document),
            Self::Toml(text) => from_toml(&text),
        }
    }
}

/// The definition, if it is without a mistake: in its shape, in what it says, in its filters and in its templates.
pub async fn usable(app: &App, organization: OrganizationId, reading: Reading) -> Result<Manifest, Unusable> {
    let Reading { manifest, mistakes } = reading;
    let Some(manifest) = manifest else { return Err(Unusable::Mistakes(mistakes)) };
    let mut mistakes: Mistakes = mistakes.into_iter().collect();
    // What is wrong already is not told twice, and a stand-in not at all.
    for (at, _) in manifest.actions.iter().enumerate().filter(|(_, action)| action.request.is_none()) {
        let path = format!("/actions/{at}/request");
        if !mistakes.cover(&path) {
            mistakes.add(path, "missing: a declarative connector states the request of each action");
        }
    }
    let examined = app.connectors.examine(organization, app.catalogue.runner(), &manifest).await;
    for mistake in examined.map_err(Unusable::Unexamined)? {
        if !mistakes.cover(&mistake.path) {
            mistakes.extend([mistake]);
        }
    }
    if mistakes.is_empty() { Ok(manifest) } else { Err(Unusable::Mistakes(mistakes.told())) }
}
