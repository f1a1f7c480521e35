//! A visitor's own account at a service. The company's app names the visitor. The visitor then consents in a browser,
//! or the app sends a key.

use std::collections::BTreeMap;

use resly_core::{
    boxed,
    connector::{
        account::{Account, AccountKey, AccountStore, AccountTerms, Renewed},
        call::ConnectionStore,
        connection::{Connection, Owner},
    },
    conversation::is_client_name,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
};
use resly_manifest::Auth;

use super::{AccountError, Revocation};
use crate::{
    App,
    connections::{self, validate},
};

/// A visitor's account. `None` when the visitor has connected none.
#[boxed]
pub async fn account(
    app: &App,
    organization: OrganizationId,
    connection: ConnectionId,
    visitor: String,
) -> Result<(AccountKey, Option<Account>), AccountError> {
    let (_, key) = find(app, organization, connection, visitor).await?;
    stored(app, key).await
}

/// Keeps a visitor's key, token, or user name and password, for services without OAuth.
#[boxed]
pub async fn put_credentials(
    app: &App,
    organization: OrganizationId,
    connection: ConnectionId,
    visitor: String,
    credentials: BTreeMap<String, String>,
) -> Result<(AccountKey, Option<Account>), AccountError> {
    let (connection, key) = find(app, organization, connection, visitor).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    let manifest = &prepared.installable.manifest;
    let auth = connection.auth_in(manifest);
    if matches!(auth, Auth::Oauth2(_)) {
        return Err(AccountError::OnlyOauth);
    }
    let mistakes = validate::check_credentials(manifest, auth, &credentials);
    if !mistakes.is_empty() {
        return Err(AccountError::Invalid(mistakes));
    }
    let sealed = app.sealer.seal_account(&key, credentials).await?;
    let new = Renewed { sealed, terms: AccountTerms::default() };
    if !app.store.put_account(key.clone(), connection.revision, new, app.clock.now()).await? {
        return Err(AccountError::ChangedMeanwhile);
    }
    stored(app, key).await
}

/// Disconnects a visitor's account, and asks the service to revoke its tokens.
#[boxed]
pub async fn disconnect(
    app: &App,
    organization: OrganizationId,
    connection: ConnectionId,
    visitor: String,
) -> Result<Revocation, AccountError> {
    let (connection, key) = find(app, organization, connection, visitor).await?;
    let account = app.store.delete_account(key.clone()).await?.ok_or(AccountError::NoAccount)?;
    Ok(revoke_of(app, &connection, &key, &account).await)
}

/// Asks the service to revoke a visitor's tokens, whoever brings the accounts of the connection by now.
pub(crate) async fn revoke(app: &App, key: &AccountKey, account: &Account) -> Result<Revocation, StoreError> {
    match app.store.connection(key.organization, key.connection).await? {
        Some(connection) => Ok(revoke_of(app, &connection, key, account).await),
        None => Ok(Revocation::Done),
    }
}

async fn revoke_of(app: &App, connection: &Connection, key: &AccountKey, account: &Account) -> Revocation {
    // Without the connector's manifest, nobody knows where its tokens are revoked.
    let prepared = app.connectors.prepare(connection).await.ok();
    let spec =
        prepared.and_then(|prepared| app.accounts.spec(connection, &prepared.installable, key.visitor.as_deref()));
    match spec {
        Some(spec) => app.accounts.revoke_one(&spec, account).await,
        None => Revocation::Done,
    }
}

/// Finds a connection whose visitors have accounts of their own, and the key of one visitor's account.
pub(super) async fn find(
    app: &App,
    organization: OrganizationId,
    connection: ConnectionId,
    visitor: String,
) -> Result<(Connection, AccountKey), AccountError> {
    let connection = connections::find(app, organization, connection).await?;
    if connection.owner != Owner::Visitor {
        return Err(AccountError::OneAccount);
    }
    if visitor.is_empty() || !is_client_name(&visitor) {
        return Err(AccountError::BadVisitor);
    }
    let key = AccountKey { organization: connection.organization, connection: connection.id, visitor: Some(visitor) };
    Ok((connection, key))
}

async fn stored(app: &App, key: AccountKey) -> Result<(AccountKey, Option<Account>), AccountError> {
    let account = app.store.account(&key).await?.filter(|account| account.sealed.is_some());
    Ok((key, account))
}
