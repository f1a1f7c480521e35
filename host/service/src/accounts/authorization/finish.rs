//! Ends an authorization: checks that it began in this browser, gets the tokens, and tests the connection.

use std::sync::Arc;

use resly_core::{
    boxed,
    connector::{account::AccountKey, call::ConnectionStore, connection::ConnectionStatus},
    error::StoreError,
};
use resly_egress::OAuthError;
use resly_manifest::OAuth;
use resly_store::OauthFlow;

use super::{hash, redirect_uri, unchanged};
use crate::{
    App,
    actions::{self, ManualCaller},
};

/// The longest code, in bytes.
const LONGEST: usize = 4 << 10;

/// The parameters of the service's answer (RFC 6749, section 4.1.2, and RFC 9207).
pub struct ServiceAnswer {
    pub code: Option<String>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    /// The whole query as it came, because some services sign it.
    pub query: String,
}

/// How an authorization ended.
pub enum AuthorizationOutcome {
    /// The account is connected. Whether the connection's test passed, if there was one.
    Connected(Option<bool>),
    /// The reason why there is no account, by the name that the console and the handbook use.
    Failed(&'static str),
}

/// An authorization that ended.
pub struct Finished {
    pub account: AccountKey,
    pub outcome: AuthorizationOutcome,
}

/// Why no authorization could be ended.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    #[error("there is no such authorization, it has expired, or it belongs to another browser")]
    Stale,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends the authorization that a state and a browser's cookie belong to.
#[boxed]
pub async fn finish(app: &Arc<App>, state: &str, cookie: &str, answer: ServiceAnswer) -> Result<Finished, FinishError> {
    let taken = app.store.take_oauth_flow(hash(state), hash(cookie), app.clock.now()).await?;
    let flow = taken.ok_or(FinishError::Stale)?;
    let account = flow.account.clone();
    // On a task of its own, so that the tokens are kept even when the browser disconnects.
    let task = tokio::spawn({
        let app = Arc::clone(app);
        async move { exchange(&app, &flow, &answer).await }
    });
    let outcome = task.await.unwrap_or(AuthorizationOutcome::Failed("internal"));
    Ok(Finished { account, outcome })
}

async fn exchange(app: &App, flow: &OauthFlow, answer: &ServiceAnswer) -> AuthorizationOutcome {
    let (connection, spec) = match unchanged(app, flow).await {
        Ok(Some(unchanged)) => unchanged,
        Ok(None) => return AuthorizationOutcome::Failed("changed"),
        Err(error) => {
            tracing::error!(%error, connection = %flow.account.connection, "an authorization can't be ended");
            return AuthorizationOutcome::Failed("internal");
        }
    };
    let code = match spec.oauth.as_deref().map(|oauth| accept(oauth, answer)) {
        Some(Ok(code)) => code,
        Some(Err(reason)) => {
            // The service's text isn't trusted: it is cut here, and the log escapes it.
            let said =
                |text: &Option<String>| text.as_deref().unwrap_or_default().chars().take(200).collect::<String>();
            tracing::warn!(reason, error = ?said(&answer.error), description = ?said(&answer.error_description),
                organization = %connection.organization, connection = %connection.id,
                "a service gave no code for an authorization");
            return AuthorizationOutcome::Failed(reason);
        }
        None => return AuthorizationOutcome::Failed("changed"),
    };
    let failed = |error: OAuthError| {
        tracing::warn!(%error, organization = %connection.organization, connection = %connection.id,
            "a service gave no tokens for an authorization");
        AuthorizationOutcome::Failed(reason(&error))
    };
    match app.accounts.refresher.verify_callback(&spec, &answer.query).await {
        Ok(true) => {}
        Ok(false) => return AuthorizationOutcome::Failed("signature"),
        Err(error) => return failed(error),
    }
    let redirect = redirect_uri(app.public_url().unwrap_or_default());
    let tokens = match app.accounts.refresher.exchange(&spec, code, &flow.verifier, &redirect).await {
        Ok(tokens) => tokens,
        Err(error) => return failed(error),
    };
    match app.store.put_account(flow.account.clone(), flow.revision, tokens, app.clock.now()).await {
        Ok(true) => {}
        Ok(false) => return AuthorizationOutcome::Failed("changed"),
        Err(error) => {
            tracing::error!(%error, connection = %connection.id, "tokens could not be kept");
            return AuthorizationOutcome::Failed("internal");
        }
    }
    AuthorizationOutcome::Connected(test(app, flow).await)
}

/// The reason why the service gave no tokens, by the name that the console and the handbook use.
fn reason(error: &OAuthError) -> &'static str {
    match error {
        OAuthError::Unavailable { .. } | OAuthError::Recent { .. } => "service_unavailable",
        OAuthError::Answer(_) => "answer_unusable",
        OAuthError::Client(_) | OAuthError::NoClient => "client_refused",
        OAuthError::Ended(_) | OAuthError::NotAuthorized | OAuthError::Expired => "code_refused",
        OAuthError::Redirect(_) => "redirect_refused",
        OAuthError::Refused(_) => "tokens_refused",
        OAuthError::Address(_) => "token_url_refused",
        OAuthError::NoEndpoint { .. } => "token_url_wrong",
        OAuthError::Vault(_) | OAuthError::Store(_) => "internal",
    }
}

/// Returns the code, if this answer comes from the service that was asked.
fn accept<'a>(oauth: &OAuth, answer: &'a ServiceAnswer) -> Result<&'a str, &'static str> {
    if let (Some(issuer), Some(iss)) = (&oauth.issuer, &answer.iss)
        && issuer != iss
    {
        return Err("issuer");
    }
    if let Some(error) = &answer.error {
        return Err(match error.as_str() {
            "access_denied" | "user_denied" | "user_cancelled_login" | "user_cancelled_authorize" => "access_denied",
            "invalid_client" | "unauthorized_client" | "incorrect_client_credentials" => "client_refused",
            "redirect_uri_mismatch" | "bad_redirect_uri" | "invalid_redirect_uri" => "redirect_refused",
            "invalid_scope" => "scopes_refused",
            "temporarily_unavailable" | "server_error" => "service_unavailable",
            _ => "service_error",
        });
    }
    answer.code.as_deref().filter(|code| !code.is_empty() && code.len() <= LONGEST).ok_or("no_code")
}

/// Tests the connection that was just authorized. A passed test gives the connection back to chats if they had it.
/// `None` when it can't be tested, or another visitor's account has passed.
async fn test(app: &App, flow: &OauthFlow) -> Option<bool> {
    let (organization, id) = (flow.account.organization, flow.account.connection);
    let connection = app.store.connection(organization, id).await.ok()??;
    let waits = connection.tested_at.is_none() || connection.status == ConnectionStatus::NeedsAuth;
    if flow.account.visitor.is_some() && !waits {
        return None;
    }
    let by = ManualCaller { organization, key: flow.key, visitor: flow.account.visitor.clone() };
    match actions::test(app, by, id).await {
        Ok(Some(called)) => Some(called.report.result.is_ok()),
        Ok(None) => None,
        Err(_) => Some(false),
    }
}
