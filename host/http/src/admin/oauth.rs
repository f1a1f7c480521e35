//! `/api/admin/connections/{id}/oauth/start`: the link by which a person authorizes a connection.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{
        account::AccountKey,
        connection::{Connection, Owner},
    },
    principal::Principal,
    time::Timestamp,
};
use resly_egress::OAuthError;
use resly_manifest::Grant;
use resly_service::{App, accounts};
use resly_store::OauthFlow;
use serde::Serialize;
use utoipa::ToSchema;

use super::connections;
use crate::{
    guard::Admin,
    oauth::{REDIRECT, hash, token},
    problem::{Problem, kinds},
};

/// How long a person has to agree.
const VALID: Duration = Duration::from_secs(600);

#[derive(Serialize, ToSchema)]
pub struct AuthorizationLink {
    /// For the browser of who owns the account.
    authorize_url: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Begins an authorization; also of a connection that has one, to authorize it again in place.
#[utoipa::path(post, path = "/api/admin/connections/{id}/oauth/start", tag = "admin", operation_id = "startAuthorization",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "The link to open", body = AuthorizationLink)))]
pub async fn start(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<AuthorizationLink>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    if connection.owner == Owner::Visitor {
        return Err(Problem::invalid_at(
            "owner",
            "each visitor connects an account of their own: use …/visitors/{visitor}/oauth/start",
        ));
    }
    begin(&app, &principal, &connection, None).await
}

/// Makes the link for the organization's account, or for a visitor's.
pub(super) async fn begin(
    app: &App,
    principal: &Principal,
    connection: &Connection,
    visitor: Option<String>,
) -> Result<Json<AuthorizationLink>, Problem> {
    let prepared = app.connectors.prepare(connection).await?;
    let installable = &prepared.installable;
    let Some(oauth) = accounts::oauth(connection, installable) else {
        return Err(Problem::invalid_at(
            "auth",
            "this connection doesn't authenticate by `oauth2`; set its `credentials`",
        ));
    };
    if oauth.grant == Grant::ClientCredentials {
        return Err(Problem::invalid_at(
            "auth",
            "this connector needs nobody to agree: with its `credentials` set, run …/test",
        ));
    }
    let key = AccountKey { organization: connection.organization, connection: connection.id, visitor };
    let spec = app.accounts.spec(connection, installable, key.visitor.as_deref());
    let spec = spec.ok_or_else(|| Problem::not_found("there is no such connection"))?;
    let verifier = app.accounts.keeper.verifier(&key).await.map_err(|error| problem(&error))?;
    let public = app.public_url()?;
    // What is wrong with the client or an address is told now, and not to whoever opens the link.
    let redirect = format!("{public}{REDIRECT}");
    app.accounts.keeper.authorize_url(&spec, "", &verifier, &redirect).await.map_err(|error| problem(&error))?;
    let nonce = token(app);
    let expires_at = app.clock.now().plus(VALID);
    let flow = OauthFlow { account: key, revision: connection.revision, key: principal.key, verifier, expires_at };
    if !app.store.create_oauth_flow(hash(&nonce), flow).await? {
        return Err(Problem::not_found("there is no such connection"));
    }
    let authorize_url = format!("{public}/oauth/begin/{}", nonce.as_str());
    Ok(Json(AuthorizationLink { authorize_url, expires_at }))
}

/// What an admin is told of an authorization that can't begin.
pub(super) fn problem(error: &OAuthError) -> Problem {
    match error {
        OAuthError::Vault(_) | OAuthError::Store(_) => Problem::internal(error),
        OAuthError::Address(_) => Problem::invalid_at("settings", error.to_string()),
        _ => Problem::new(&kinds::CONNECTOR_NEEDS_AUTH, error.to_string()),
    }
}
