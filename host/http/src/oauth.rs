//! `/oauth/begin/{nonce}` and `/oauth/callback`: a browser's way to a service and back. Neither has a key; what may happen
//! was decided when the link was made, and only the browser that opened it can finish.
//!
//! The link's nonce, the state and the cookie are random, 256 bits each, and only their hashes are kept. The state is taken
//! out of the database by the statement that finds it, so it works once, on whichever host it arrives.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, RawQuery, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use resly_core::connector::connection::{Connection, ConnectionStatus, ConnectionStore};
use resly_egress::{AccountSpec, OAuthError};
use resly_manifest::OAuth;
use resly_service::{
    App,
    actions::{self, ManualCaller},
};
use resly_store::OauthFlow;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::{plain, problem::Problem};

/// Under the host's public address, exactly: what the app's client is registered with.
pub const REDIRECT: &str = "/oauth/callback";
/// What a browser may take from the link to the service's answer, in seconds.
const COOKIE_S: u32 = 600;
/// The longest code or state that is looked at, in bytes.
const LONGEST: usize = 4 << 10;

/// A new random token in Base64url.
pub fn token(app: &App) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 32]);
    app.random.fill(&mut *bytes);
    Zeroizing::new(data_encoding::BASE64URL_NOPAD.encode(&*bytes))
}

/// What is kept of a token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Binds the authorization to this browser and sends it to the service.
pub async fn begin(State(app): State<Arc<App>>, Path(nonce): Path<String>) -> Response {
    match to_service(&app, &nonce).await {
        Ok(response) => response,
        Err(reason) => gone(reason),
    }
}

const STALE: &str = "This link was used already, or has expired, or the connection was changed. Ask for a new one.";
const TROUBLE: &str = "The authorization can't begin right now. Try again in a moment.";

async fn to_service(app: &App, nonce: &str) -> Result<Response, &'static str> {
    let (nonce, now) = (hash(nonce), app.clock.now());
    let trouble = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "an authorization can't begin");
        TROUBLE
    };
    let flow = app.store.oauth_flow(nonce, now).await.map_err(|error| trouble(&error))?.ok_or(STALE)?;
    let (_, spec) = place(app, &flow).await.map_err(|_| TROUBLE)?.ok_or(STALE)?;
    let public = app.public_url().map_err(|_| TROUBLE)?;
    let (state, cookie) = (token(app), token(app));
    let redirect_uri = format!("{public}{REDIRECT}");
    let url = app.accounts.keeper.authorize_url(&spec, &state, &flow.verifier, &redirect_uri).await;
    let url = url.map_err(|error| trouble(&error))?;
    let bound = app.store.bind_oauth_flow(nonce, hash(&state), hash(&cookie), now).await;
    if !bound.map_err(|error| trouble(&error))? {
        return Err(STALE);
    }
    let cookie = set_cookie(public, &cookie_name(&state), &cookie, COOKIE_S);
    Ok(redirect(url.as_str(), cookie))
}

/// The connection that an authorization is for, as long as it is what it was when that began.
async fn place(app: &App, flow: &OauthFlow) -> Result<Option<(Connection, AccountSpec)>, Problem> {
    let found = app.store.connection(flow.account.organization, flow.account.connection).await?;
    let Some(connection) = found.filter(|connection| connection.revision == flow.revision) else { return Ok(None) };
    let prepared = app.connectors.prepare(&connection).await?;
    let spec = app.accounts.spec(&connection, &prepared.installable, flow.account.visitor.as_deref());
    Ok(spec.map(|spec| (connection, spec)))
}

/// What the service sends the browser back with (RFC 6749, section 4.1.2, and RFC 9207).
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// How an authorization ended.
enum AuthorizationOutcome {
    /// Whether the connection's test passed, when there is one.
    Connected(Option<bool>),
    Failed(&'static str),
}

/// Ends an authorization: checks that it is the one that began in this browser, gets the tokens, tests the connection.
pub async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Ok(Query(answer)) = answer else { return gone(STALE) };
    let state = answer.state.as_deref().filter(|state| !state.is_empty() && state.len() <= LONGEST);
    let Some(state) = state else { return gone(STALE) };
    let name = cookie_name(state);
    let Some(cookie) = cookie(&headers, &name) else {
        return gone("This answer belongs to another browser, or came too late. Open the link again, here.");
    };
    let taken = app.store.take_oauth_flow(hash(state), hash(cookie), app.clock.now()).await;
    let flow = match taken {
        Ok(Some(flow)) => flow,
        Ok(None) => return gone(STALE),
        Err(error) => {
            tracing::error!(%error, "an authorization can't be found");
            return gone("The database can't be reached right now. Try again in a moment.");
        }
    };
    // On a task of its own: a browser that leaves must not leave tokens behind that nobody keeps.
    let task = tokio::spawn({
        let (app, flow) = (Arc::clone(&app), flow.clone());
        async move { finish(&app, &flow, &answer, &query.unwrap_or_default()).await }
    });
    let ending = task.await.unwrap_or(AuthorizationOutcome::Failed("internal"));
    let public = app.public_url().unwrap_or_default();
    let forget = set_cookie(public, &name, "", 0);
    match &flow.account.visitor {
        None => redirect(&console(public, &flow, &ending), forget),
        Some(_) => with_cookie(visitor_page(&ending), forget),
    }
}

async fn finish(app: &App, flow: &OauthFlow, answer: &Answer, query: &str) -> AuthorizationOutcome {
    let (connection, spec) = match place(app, flow).await {
        Ok(Some(placed)) => placed,
        Ok(None) => return AuthorizationOutcome::Failed("changed"),
        Err(_) => return AuthorizationOutcome::Failed("internal"),
    };
    let code = match spec.oauth.as_deref().map(|oauth| accept(oauth, answer)) {
        Some(Ok(code)) => code,
        Some(Err(reason)) => {
            // What the service says is a stranger's text: cut, and escaped by the log.
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
    match app.accounts.keeper.verify_callback(&spec, query).await {
        Ok(true) => {}
        Ok(false) => return AuthorizationOutcome::Failed("signature"),
        Err(error) => return failed(error),
    }
    let redirect = format!("{}{REDIRECT}", app.public_url().unwrap_or_default());
    let tokens = match app.accounts.keeper.exchange(&spec, code, &flow.verifier, &redirect).await {
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
    AuthorizationOutcome::Connected(tested(app, flow).await)
}

/// Why a service's tokens couldn't be had, as the console and the handbook name it.
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

/// The code, if this is an answer of the service that was asked.
fn accept<'a>(oauth: &OAuth, answer: &'a Answer) -> Result<&'a str, &'static str> {
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

/// Tests the connection that was just authorized, which gives it back to chats if they had it; `None` when it can't be
/// tested, or another visitor's account has passed.
async fn tested(app: &App, flow: &OauthFlow) -> Option<bool> {
    let (organization, id) = (flow.account.organization, flow.account.connection);
    let connection = app.store.connection(organization, id).await.ok()??;
    let waits = connection.tested_at.is_none() || connection.status == ConnectionStatus::NeedsAuth;
    if flow.account.visitor.is_some() && !waits {
        return None;
    }
    let by = ManualCaller { organization, key: flow.key, visitor: flow.account.visitor.clone() };
    match actions::test(app, by, connection.id).await {
        Ok(Some(called)) => Some(called.report.result.is_ok()),
        Ok(None) => None,
        Err(_) => Some(false),
    }
}

/// Where the console shows how it ended.
fn console(public: &str, flow: &OauthFlow, ending: &AuthorizationOutcome) -> String {
    let id = flow.account.connection.to_string();
    let Ok(mut url) = Url::parse(public).and_then(|public| public.join("/console")) else {
        return "/console".to_owned();
    };
    let mut query = url.query_pairs_mut();
    query.append_pair("connection", &id);
    match ending {
        AuthorizationOutcome::Connected(tested) => {
            let tested = tested.map_or("none", |passed| if passed { "passed" } else { "failed" });
            query.append_pair("oauth", "connected").append_pair("test", tested);
        }
        AuthorizationOutcome::Failed(reason) => {
            query.append_pair("oauth", "failed").append_pair("reason", reason);
        }
    }
    drop(query);
    url.into()
}

fn visitor_page(ending: &AuthorizationOutcome) -> Response {
    match ending {
        AuthorizationOutcome::Connected(_) => {
            plain::page(StatusCode::OK, "<p>Your account is connected. You can close this page.</p>")
        }
        AuthorizationOutcome::Failed("access_denied") => {
            plain::page(StatusCode::OK, "<p>Your account was not connected. You can close this page.</p>")
        }
        AuthorizationOutcome::Failed(_) => plain::page(
            StatusCode::BAD_GATEWAY,
            "<p>Your account could not be connected. Go back to where you came from, and try again.</p>",
        ),
    }
}

fn gone(why: &'static str) -> Response {
    plain::page(StatusCode::BAD_REQUEST, &format!("<p>{why}</p>"))
}

/// One for each authorization, so that two in one browser don't meet.
fn cookie_name(state: &str) -> String {
    format!("resly_oauth_{}", data_encoding::HEXLOWER.encode(&hash(state)[..6]))
}

/// `Lax`: it comes along when the service sends the browser back, and with no request that another site makes.
fn set_cookie(public: &str, name: &str, value: &str, seconds: u32) -> String {
    let secure = if public.starts_with("https://") { "; Secure" } else { "" };
    format!("{name}={value}; Path=/oauth; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(have, _)| *have == name).map(|(_, value)| value).next()
}

fn redirect(to: &str, cookie: String) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    match HeaderValue::from_str(to) {
        Ok(to) => headers.insert(header::LOCATION, to),
        Err(_) => return gone(TROUBLE),
    };
    with_cookie(response, cookie)
}

fn with_cookie(mut response: Response, cookie: String) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
