//! Installs a connector as a connection. Connections are built only here.

use std::collections::BTreeMap;

use resly_core::{
    boxed,
    connector::connection::{Connection, ConnectionStatus, Environment, Owner, Policy},
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use resly_manifest::{AuthType, Manifest};
use serde_json::Value;

use super::{ConnectionError, mappings, validate};
use crate::{App, FieldError, check_name};

/// The connection that an admin wants.
pub struct NewConnection {
    /// The connector's id.
    pub connector: String,
    /// The newest version when absent.
    pub version: Option<String>,
    /// A name for people. The connector's name when absent.
    pub name: Option<String>,
    pub environment: Environment,
    /// The settings. The defaults of the connector's schema are added.
    pub settings: Value,
    /// One of the connector's ways of authentication. Its `auth` when absent.
    pub auth: Option<AuthType>,
    pub owner: Owner,
    /// The credentials in the clear. They are sealed before they are stored.
    pub credentials: Option<BTreeMap<String, String>>,
    pub credentials_expire_at: Option<Timestamp>,
    pub policy: Policy,
    /// jq filters by action.
    pub mappings: BTreeMap<String, String>,
}

/// Installs a connector. When there are mistakes, all are told at once and nothing is stored.
#[boxed]
pub async fn install(
    app: &App,
    organization: OrganizationId,
    new: NewConnection,
) -> Result<Connection, ConnectionError> {
    let manifest = app.catalogue.choose(organization, &new.connector, new.version.as_deref()).await?.manifest;
    let settings = validate::with_defaults(&manifest, new.settings);
    let mut mistakes = validate::check_settings(&manifest, &settings);
    mistakes.extend(new.name.as_deref().and_then(check_name));
    mistakes.extend(mappings::check(&manifest, &new.mappings));
    mistakes.extend(mappings::examine(app, organization, &new.mappings).await?);
    mistakes.extend(check_auth(&manifest, new.auth, new.owner, new.credentials.as_ref()));
    if !mistakes.is_empty() {
        return Err(ConnectionError::Invalid(mistakes));
    }
    let now = app.clock.now();
    let id = ConnectionId(app.random.uuid(now));
    let credentials = match new.credentials {
        Some(credentials) => Some(app.seal(organization, id, credentials).await?),
        None => None,
    };
    let draft = draft(id, organization, &manifest, settings, new.environment, now);
    let connection = Connection {
        name: new.name.unwrap_or(draft.name),
        auth: new.auth,
        owner: new.owner,
        credentials,
        policy: new.policy,
        mappings: new.mappings,
        ..draft
    };
    app.store.create_connection(connection.clone(), new.credentials_expire_at).await?;
    Ok(connection)
}

fn check_auth(
    manifest: &Manifest,
    chosen: Option<AuthType>,
    owner: Owner,
    credentials: Option<&BTreeMap<String, String>>,
) -> Vec<FieldError> {
    match validate::choose_auth(manifest, chosen) {
        Err(mistake) => vec![mistake],
        Ok(auth) => {
            let owner = validate::check_owner(owner, auth, credentials.is_some());
            let unfit = credentials.map(|given| validate::check_credentials(manifest, auth, given)).unwrap_or_default();
            owner.into_iter().chain(unfit).collect()
        }
    }
}

/// A connection without credentials, policy and mappings.
pub fn draft(
    id: ConnectionId,
    organization: OrganizationId,
    manifest: &Manifest,
    settings: Value,
    environment: Environment,
    now: Timestamp,
) -> Connection {
    Connection {
        id,
        organization,
        connector: manifest.id.clone(),
        version: manifest.version.clone(),
        name: manifest.name.clone(),
        environment,
        status: ConnectionStatus::Installed,
        settings,
        auth: None,
        owner: Owner::Organization,
        credentials: None,
        policy: Policy::default(),
        mappings: BTreeMap::new(),
        tested_at: None,
        created_at: now,
        revision: 1,
    }
}
