//! `/oauth/begin/{nonce}` and `/oauth/callback`: send a browser to a service, and take it back. Neither needs a key: an
//! admin made the link, and only the browser that opened it can finish.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, RawQuery, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use resly_core::id::ConnectionId;
use resly_service::{
    App,
    accounts::authorization::{
        self, AuthorizationOutcome, BeginError, FinishError, Finished, Redirection, ServiceAnswer, hash,
    },
};
use serde::Deserialize;
use url::Url;

use super::html;

/// How long a browser may take from the link to the service's answer, in seconds.
const COOKIE_S: u32 = 600;
/// The longest state, in bytes.
const LONGEST: usize = 4 << 10;

/// Binds the authorization to this browser and sends it to the service.
pub async fn begin(State(app): State<Arc<App>>, Path(nonce): Path<String>) -> Response {
    match authorization::begin(&app, &nonce).await {
        Ok(Redirection { url, state, cookie }) => {
            let cookie = set_cookie(public_url(&app), &cookie_name(&state), &cookie, COOKIE_S);
            redirect(url.as_str(), cookie)
        }
        Err(BeginError::Stale) => error_page(STALE),
        Err(error) => {
            tracing::error!(%error, "an authorization can't begin");
            error_page(TROUBLE)
        }
    }
}

const STALE: &str = "This link was used already, or has expired, or the connection was changed. Ask for a new one.";
const TROUBLE: &str = "The authorization can't begin right now. Try again in a moment.";

fn public_url(app: &App) -> &str {
    app.public_url().unwrap_or_default()
}

/// The parameters of the service's answer (RFC 6749, section 4.1.2, and RFC 9207).
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Ends an authorization that began in this browser, and sends the browser to the console.
pub async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Ok(Query(answer)) = answer else { return error_page(STALE) };
    let state = answer.state.clone().filter(|state| !state.is_empty() && state.len() <= LONGEST);
    let Some(state) = state else { return error_page(STALE) };
    let name = cookie_name(&state);
    let Some(cookie) = cookie(&headers, &name) else {
        return error_page("This answer belongs to another browser, or came too late. Open the link again, here.");
    };
    let Answer { code, iss, error, error_description, .. } = answer;
    let answer = ServiceAnswer { code, iss, error, error_description, query: query.unwrap_or_default() };
    let Finished { account, outcome } = match authorization::finish(&app, &state, cookie, answer).await {
        Ok(finished) => finished,
        Err(FinishError::Stale) => return error_page(STALE),
        Err(FinishError::Store(error)) => {
            tracing::error!(%error, "an authorization can't be found");
            return error_page("The database can't be reached right now. Try again in a moment.");
        }
    };
    let forget = set_cookie(public_url(&app), &name, "", 0);
    match &account.visitor {
        None => redirect(&console(public_url(&app), account.connection, &outcome), forget),
        Some(_) => with_cookie(visitor_page(&outcome), forget),
    }
}

/// The console's address, which shows how the authorization ended.
fn console(public: &str, connection: ConnectionId, outcome: &AuthorizationOutcome) -> String {
    let Ok(mut url) = Url::parse(public).and_then(|public| public.join("/console")) else {
        return "/console".to_owned();
    };
    let mut query = url.query_pairs_mut();
    query.append_pair("connection", &connection.to_string());
    match outcome {
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

fn visitor_page(outcome: &AuthorizationOutcome) -> Response {
    match outcome {
        AuthorizationOutcome::Connected(_) => {
            html::page(StatusCode::OK, "<p>Your account is connected. You can close this page.</p>")
        }
        AuthorizationOutcome::Failed("access_denied") => {
            html::page(StatusCode::OK, "<p>Your account was not connected. You can close this page.</p>")
        }
        AuthorizationOutcome::Failed(_) => html::page(
            StatusCode::BAD_GATEWAY,
            "<p>Your account could not be connected. Go back to where you came from, and try again.</p>",
        ),
    }
}

fn error_page(why: &'static str) -> Response {
    html::page(StatusCode::BAD_REQUEST, &format!("<p>{why}</p>"))
}

/// The cookie's name. Each authorization has its own, so that two in one browser don't collide.
fn cookie_name(state: &str) -> String {
    format!("resly_oauth_{}", data_encoding::HEXLOWER.encode(&hash(state)[..6]))
}

/// `Lax`: the browser sends the cookie when the service sends it back, but not with requests that another site makes.
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
        Err(_) => return error_page(TROUBLE),
    };
    with_cookie(response, cookie)
}

fn with_cookie(mut response: Response, cookie: String) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
