//! Changes a connection. A credential belongs to hosts, so a change of settings that leads to other hosts drops it,
//! unless the change has a new one.

use std::{collections::BTreeMap, sync::Arc};

use resly_core::{
    boxed,
    connector::connection::{Connection, ConnectionStatus, Environment, Policy},
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use resly_manifest::{Auth, AuthType, Manifest};
use resly_store::{ConnectionChange, CredentialsExpiry};
use serde_json::Value;

use super::{ConnectionError, find, mappings, not_changed, validate};
use crate::{App, FieldError, accounts::Revocation, check_name};

/// The properties to change. What is absent stays.
#[derive(Default)]
pub struct ConnectionPatch {
    pub name: Option<String>,
    pub version: Option<String>,
    pub environment: Option<Environment>,
    pub settings: Option<Value>,
    /// Another one of the connector's ways of authentication. The credentials for the previous one are dropped.
    pub auth: Option<AuthType>,
    /// New credentials in the clear. `Some(None)` deletes the present ones.
    pub credentials: Option<Option<BTreeMap<String, String>>>,
    /// When the credentials end. `Some(None)` is never. New credentials never end when this is absent.
    pub credentials_expire_at: Option<Option<Timestamp>>,
    pub policy: Option<Policy>,
    pub mappings: Option<BTreeMap<String, String>>,
    /// The revision that the change was made from, if the caller knows it.
    pub revision: Option<u64>,
}

/// A connection after a change.
pub struct Changed {
    pub connection: Connection,
    /// Whether the service has revoked the accounts that the change disconnected.
    pub revocation: Revocation,
}

/// Changes a connection in one transaction. Refuses a change that was made from another revision.
#[boxed]
pub async fn change(
    app: &App,
    organization: OrganizationId,
    id: ConnectionId,
    patch: ConnectionPatch,
) -> Result<Changed, ConnectionError> {
    let connection = find(app, organization, id).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    let before = Arc::clone(&prepared.installable.manifest);
    let manifest = match &patch.version {
        None => Arc::clone(&before),
        Some(version) => app.catalogue.choose(organization, &connection.connector, Some(version)).await?.manifest,
    };
    let settings = patch.settings.clone().unwrap_or_else(|| connection.settings.clone());
    let settings = validate::with_defaults(&manifest, settings);
    let auth = check(app, &connection, &manifest, &patch, &settings).await?;

    let old_target = (&*before, connection.auth_in(&before), &connection.settings);
    let elsewhere = validate::changes_credential_target(old_target, (&manifest, auth, &settings));
    let credentials = match patch.credentials {
        Some(Some(credentials)) => Some(Some(app.seal(organization, connection.id, credentials).await?)),
        Some(None) => Some(None),
        None => elsewhere.then_some(None),
    };
    let moved = patch.environment.is_some_and(|environment| environment != connection.environment);
    // An account was authorized for this client at these hosts.
    let oauth = |auth: &Auth| matches!(auth, Auth::Oauth2(_));
    let forget_accounts = elsewhere || (credentials.is_some() && (oauth(old_target.1) || oauth(auth)));
    let accounts = if forget_accounts { app.store.accounts(&connection).await? } else { Vec::new() };
    // Where a person has to consent, a client alone is no credential.
    let credential_renewed = matches!(credentials, Some(Some(_))) && !auth.requires_user_consent();
    let dropped = (matches!(credentials, Some(None)) && connection.credentials.is_some())
        || accounts.iter().any(|(key, _)| key.visitor.is_none());
    let ends = patch.credentials_expire_at.or_else(|| credentials.is_some().then_some(None));
    let production = patch.environment.unwrap_or(connection.environment) == Environment::Production;
    let change = ConnectionChange {
        credential_renewed,
        // Chats get the connection back when it has a credential and has passed a test.
        demote_to: match production {
            true if dropped && !credential_renewed => Some(ConnectionStatus::NeedsAuth),
            true if dropped || elsewhere || moved => Some(ConnectionStatus::Installed),
            _ => None,
        },
        // An admin who enabled it in the sandbox hasn't enabled it for the real service.
        needs_enabling: production && moved,
        expected_revision: Some(patch.revision.unwrap_or(connection.revision)),
        name: patch.name,
        settings: Some(settings),
        auth: patch.auth,
        credentials,
        reset_test: elsewhere || moved,
        forget_accounts,
        policy: patch.policy,
        mappings: patch.mappings,
        version: patch.version,
        environment: patch.environment,
        expiry: ends.map(|ends| CredentialsExpiry { ends, now: app.clock.now() }),
    };
    // Every change raises the revision, which voids pending approvals, so a patch that changes nothing returns early.
    if change.is_none(&connection) {
        return Ok(Changed { connection, revocation: Revocation::Done });
    }
    let Some(changed) = app.store.update_connection(organization, id, change).await? else {
        return Err(not_changed(app, organization, id).await);
    };
    let revocation = app.accounts.revoke(&connection, &prepared.installable, accounts).await;
    Ok(Changed { connection: changed, revocation })
}

/// Checks a patch whole. Returns the way of authentication, or every mistake.
async fn check<'m>(
    app: &App,
    connection: &Connection,
    manifest: &'m Manifest,
    patch: &ConnectionPatch,
    settings: &Value,
) -> Result<&'m Auth, ConnectionError> {
    // Settings that stay may come from another version, whose schema had more members.
    let check_settings =
        if patch.settings.is_some() { validate::check_settings } else { validate::check_stored_settings };
    let mut mistakes: Vec<FieldError> = check_settings(manifest, settings);
    mistakes.extend(patch.name.as_deref().and_then(check_name));
    mistakes.extend(mappings::check(manifest, patch.mappings.as_ref().unwrap_or(&connection.mappings)));
    if let Some(new) = &patch.mappings {
        mistakes.extend(mappings::examine(app, connection.organization, new).await?);
    }
    let new_credentials = patch.credentials.as_ref().and_then(Option::as_ref);
    match validate::choose_auth(manifest, patch.auth.or(connection.auth)) {
        Err(mistake) => mistakes.push(mistake),
        Ok(auth) => {
            mistakes.extend(validate::check_owner(connection.owner, auth, new_credentials.is_some()));
            mistakes
                .extend(new_credentials.into_iter().flat_map(|new| validate::check_credentials(manifest, auth, new)));
            if mistakes.is_empty() {
                return Ok(auth);
            }
        }
    }
    Err(ConnectionError::Invalid(mistakes))
}
