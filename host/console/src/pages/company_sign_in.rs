//! `/console/sign-in/company` and `/console/sign-in/oidc/…`: signing in with a company, to its provider and back.

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use cookie::{Cookie, SameSite, time::Duration};
use http::{Extensions, HeaderMap, StatusCode};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use resly_core::id::IdentityProviderId;
use resly_http::Api;
use resly_service::members::{
    company::{
        OfferedProvider,
        sign_in::{self, Arrival, CompanySignInError},
    },
    sessions,
};
use serde::Deserialize;
use url::Url;

use super::sign_in::{begin as begin_session, client};
use crate::{
    document,
    error::PageError,
    member::Member,
    parts::{Field, submit},
    reply,
};

/// What binds an answer to this browser, under https: `__Host-` (RFC 6265bis) lets only this host set it.
const COOKIE: &str = "__Host-resly_company";
const COOKIE_PLAIN: &str = "resly_company";
/// How long a browser may take to the provider and back.
const AGE: Duration = Duration::minutes(10);

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    email: String,
    next: Option<String>,
}

/// Finds the company sign-ins of an e-mail's domain. Which of them is one's own, a person sees by the organization's name and
/// the provider's host: nobody has proved that a domain is theirs.
pub async fn find(State(api): State<Api>, Query(wanted): Query<Wanted>) -> Result<Response, PageError> {
    let next = reply::next_path(wanted.next.as_deref());
    let email = wanted.email.trim();
    let offered = sign_in::offered(&api.app, email).await?;
    let field = Field {
        kind: "email",
        name: "email",
        label: "Your e-mail at the company",
        value: email,
        required: true,
        autocomplete: Some("username"),
        ..Field::default()
    };
    let body = html! {
        @if offered.is_empty() && !email.is_empty() {
            p class="notice" role="status" { span { "No organization here takes this e-mail by a company sign-in. Ask whoever invited you for the address." } }
        }
        @for provider in &offered { (offer(provider, next)) }
        form method="get" action="/console/sign-in/company" {
            input type="hidden" name="next" value=(next);
            (field.draw())
            (submit("Find the sign-in"))
        }
        p class="quiet" { a href="/console/sign-in" { "Sign in with a password" } }
    };
    Ok(document::alone(StatusCode::OK, "Sign in with your company", &body))
}

fn offer(provider: &OfferedProvider, next: &str) -> Markup {
    let issuer = Url::parse(&provider.issuer).ok();
    let host = issuer.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let path = format!("/console/sign-in/oidc/{}?next={}", provider.id, utf8_percent_encode(next, NON_ALPHANUMERIC));
    html! {
        section class="panel" {
            p { strong { (provider.organization_name) } " signs in at " code { (host) } "." }
            p class="form-end" { a href=(path) class="button primary" { "Continue to " (host) } }
        }
    }
}

/// Sends the browser to the provider.
pub async fn begin(
    State(api): State<Api>,
    Path(id): Path<IdentityProviderId>,
    Query(wanted): Query<Wanted>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let client = client(&api, &extensions, &headers);
    let departure = sign_in::begin(&api.app, id, &client).await?;
    let next = utf8_percent_encode(reply::next_path(wanted.next.as_deref()), NON_ALPHANUMERIC);
    let value = format!("{id}.{}.{next}", departure.secret);
    let cookies = CookieJar::new().add(cookie(&api, value, AGE));
    Ok((cookies, reply::redirect(departure.url.as_str())).into_response())
}

/// The parameters of a provider's answer (RFC 6749, section 4.1.2, and RFC 9207).
#[derive(Deserialize)]
pub struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
}

/// Takes the browser back and signs the person in.
pub async fn finish(
    State(api): State<Api>,
    Path(id): Path<IdentityProviderId>,
    Query(answer): Query<Answer>,
    member: Option<Extension<Member>>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Response {
    let forget = CookieJar::new().add(cookie(&api, String::new(), Duration::ZERO));
    let member = member.map(|Extension(member)| member);
    let signed_in = take_back(&api, id, answer, member.as_ref(), &extensions, &headers).await;
    (forget, signed_in.unwrap_or_else(IntoResponse::into_response)).into_response()
}

async fn take_back(
    api: &Api,
    id: IdentityProviderId,
    answer: Answer,
    member: Option<&Member>,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Result<Response, PageError> {
    let kept = kept(api, headers).filter(|kept| kept.id == id.to_string()).ok_or(CompanySignInError::Stale)?;
    let arrival = Arrival { code: answer.code, state: answer.state, issuer: answer.iss };
    let session = member.map(|member| &member.session);
    let client = client(api, extensions, headers);
    let signed_in = sign_in::finish(&api.app, id, &kept.secret, arrival, session, &client).await?;
    if let Some(member) = member {
        // Its cookie is replaced.
        sessions::end(&api.app, &member.session_token).await?;
    }
    Ok(begin_session(api, &signed_in, reply::next_path(Some(&kept.next))))
}

/// What the browser kept on its way.
struct Kept {
    id: String,
    secret: String,
    next: String,
}

/// Under https the cookie without `__Host-` counts for nothing: a sibling of this host's name could have set it.
fn kept(api: &Api, headers: &HeaderMap) -> Option<Kept> {
    let cookies = CookieJar::from_headers(headers);
    let cookie = cookies.get(cookie_name(api))?;
    let (id, rest) = cookie.value().split_once('.')?;
    let (secret, next) = rest.split_once('.')?;
    let next = percent_decode_str(next).decode_utf8().ok()?.into_owned();
    Some(Kept { id: id.to_owned(), secret: secret.to_owned(), next })
}

fn cookie_name(api: &Api) -> &'static str {
    if reply::is_secure(api) { COOKIE } else { COOKIE_PLAIN }
}

/// `Lax`: the browser sends it when the provider sends the browser back, but not with requests that another site makes.
fn cookie(api: &Api, value: String, age: Duration) -> Cookie<'static> {
    let secure = reply::is_secure(api);
    Cookie::build((cookie_name(api), value))
        .path("/")
        .http_only(true)
        .secure(secure)
        .same_site(SameSite::Lax)
        .max_age(age)
        .build()
}
