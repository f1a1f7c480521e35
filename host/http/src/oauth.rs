//! `/oauth/begin/{nonce}` and `/oauth/callback`: send a browser to a service, and take it back. Neither needs a key: an
//! admin made the link, and only the browser that opened it can finish.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, RawQuery, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderValue, StatusCode, header};
use maud::html;
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

/// How long a browser may take from the link to the service's answer.
const COOKIE_AGE: Duration = Duration::minutes(10);
/// The longest state, in bytes.
const LONGEST: usize = 4 << 10;

/// Binds the authorization to this browser and sends it to the service.
pub async fn begin(State(app): State<Arc<App>>, Path(nonce): Path<String>) -> Response {
    match authorization::begin(&app, &nonce).await {
        Ok(Redirection { url, state, cookie: value }) => {
            let cookie = cookie(public_url(&app), cookie_name(&state), &value, COOKIE_AGE);
            (CookieJar::new().add(cookie), redirect(url.as_str())).into_response()
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
    cookies: CookieJar,
    RawQuery(query): RawQuery,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Ok(Query(answer)) = answer else { return error_page(STALE) };
    let state = answer.state.clone().filter(|state| !state.is_empty() && state.len() <= LONGEST);
    let Some(state) = state else { return error_page(STALE) };
    let name = cookie_name(&state);
    let Some(value) = cookies.get(&name).map(Cookie::value) else {
        return error_page("This answer belongs to another browser, or came too late. Open the link again, here.");
    };
    let Answer { code, iss, error, error_description, .. } = answer;
    let answer = ServiceAnswer { code, iss, error, error_description, query: query.unwrap_or_default() };
    let Finished { account, outcome } = match authorization::finish(&app, &state, value, answer).await {
        Ok(finished) => finished,
        Err(FinishError::Stale) => return error_page(STALE),
        Err(FinishError::Store(error)) => {
            tracing::error!(%error, "an authorization can't be found");
            return error_page("The database can't be reached right now. Try again in a moment.");
        }
    };
    let page = match &account.visitor {
        None => redirect(&console(public_url(&app), account.connection, &outcome)),
        Some(_) => visitor_page(&outcome),
    };
    let forget = cookie(public_url(&app), name, "", Duration::ZERO);
    (CookieJar::new().add(forget), page).into_response()
}

/// The connection's page in the console, which says how the authorization ended.
fn console(public: &str, connection: ConnectionId, outcome: &AuthorizationOutcome) -> String {
    let path = format!("/console/connections/{connection}");
    let Ok(mut url) = Url::parse(public).and_then(|public| public.join(&path)) else { return path };
    let mut query = url.query_pairs_mut();
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
    let (status, text) = match outcome {
        AuthorizationOutcome::Connected(_) => (StatusCode::OK, "Your account is connected. You can close this page."),
        AuthorizationOutcome::Failed("access_denied") => {
            (StatusCode::OK, "Your account was not connected. You can close this page.")
        }
        AuthorizationOutcome::Failed(_) => (
            StatusCode::BAD_GATEWAY,
            "Your account could not be connected. Go back to where you came from, and try again.",
        ),
    };
    html::page(status, &html! { p { (text) } })
}

fn error_page(why: &'static str) -> Response {
    html::page(StatusCode::BAD_REQUEST, &html! { p { (why) } })
}

/// The cookie's name. Each authorization has its own, so that two in one browser don't collide.
fn cookie_name(state: &str) -> String {
    format!("resly_oauth_{}", data_encoding::HEXLOWER.encode(&hash(state)[..6]))
}

/// `Lax`: the browser sends the cookie when the service sends it back, but not with requests that another site makes.
fn cookie(public: &str, name: String, value: &str, age: Duration) -> Cookie<'static> {
    Cookie::build((name, value.to_owned()))
        .path("/oauth")
        .max_age(age)
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(public.starts_with("https://"))
        .build()
}

fn redirect(to: &str) -> Response {
    let Ok(to) = HeaderValue::from_str(to) else { return error_page(TROUBLE) };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::LOCATION, to);
    response
}
