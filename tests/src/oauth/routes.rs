//! What the server answers: its own endpoints, and the service behind it.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{CLIENT_ID, CLIENT_SECRET, Code, Expired, Grant, Inner, OauthService};

type Fields = HashMap<String, String>;

fn refused(status: u16, error: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({"error": error, "error_description": "as the standard says"}))).into_response()
}

pub(super) async fn authorize(State(service): State<OauthService>, Query(asked): Query<Fields>) -> Response {
    let of = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let mut inner = service.inner();
    // Errors about the client or the redirect URI are never sent to that URI (RFC 6749, section 4.1.2.1).
    if of("client_id") != CLIENT_ID || !inner.redirect_uris.iter().any(|known| known == of("redirect_uri")) {
        return refused(400, "unknown client or redirect_uri");
    }
    let sound = of("response_type") == "code"
        && of("code_challenge_method") == "S256"
        && of("code_challenge").len() == 43
        && of("state").len() >= 32
        && of("scope") == "orders.read profile"
        && of("access_type") == "offline";
    if !sound {
        return refused(400, "invalid_request");
    }
    let (state, iss) = (of("state").to_owned(), inner.issuer.clone());
    if inner.denies {
        return Redirect::to(&format!("{}?error=access_denied&state={state}&iss={iss}", of("redirect_uri")))
            .into_response();
    }
    let code = inner.mint("code");
    let grant = Code {
        challenge: of("code_challenge").to_owned(),
        redirect_uri: of("redirect_uri").to_owned(),
        subject: inner.subject.clone(),
        used: None,
    };
    inner.codes.insert(code.clone(), grant);
    Redirect::to(&format!("{}?code={code}&state={state}&iss={iss}", of("redirect_uri"))).into_response()
}

fn is_client(fields: &Fields) -> bool {
    fields.get("client_id").is_some_and(|id| id == CLIENT_ID)
        && fields.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET)
}

fn form(body: &str) -> Fields {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

pub(super) async fn token(State(service): State<OauthService>, body: String) -> Response {
    let fields = form(&body);
    let of = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    // A renewal that takes a moment lets other callers arrive meanwhile.
    if of("grant_type") == "refresh_token" {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    let mut inner = service.inner();
    let inner = &mut *inner;
    inner.token_requests += 1;
    if let Some((status, body, retry_after)) = inner.refuses {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, body).into_response();
        response.headers_mut().extend(retry_after.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds))));
        return response;
    }
    if inner.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_client(&fields) {
        return refused(401, "invalid_client");
    }
    let at = match of("grant_type") {
        "authorization_code" => {
            let Some(code) = inner.codes.get_mut(of("code")) else { return refused(400, "invalid_grant") };
            if let Some(grant) = code.used {
                inner.grants[grant].alive = false;
                return refused(400, "invalid_grant");
            }
            let challenge = base64url(&Sha256::digest(of("code_verifier")));
            if challenge != code.challenge || code.redirect_uri != of("redirect_uri") {
                return refused(400, "invalid_grant");
            }
            code.used = Some(inner.grants.len());
            let subject = code.subject.clone();
            inner.secrets.push(of("code_verifier").to_owned());
            let access = inner.mint("access");
            let refresh = (!inner.unrefreshable).then(|| inner.mint("refresh"));
            inner.grants.push(Grant { subject, alive: true, access, expired: false, refresh, old: Vec::new() });
            inner.grants.len() - 1
        }
        "client_credentials" => {
            inner.refreshes += 1;
            let access = inner.mint("access");
            let subject = "the app".to_owned();
            inner.grants.push(Grant { subject, alive: true, access, expired: false, refresh: None, old: Vec::new() });
            inner.grants.len() - 1
        }
        "refresh_token" => {
            let token = of("refresh_token").to_owned();
            if let Some(thief) = inner.grants.iter_mut().find(|grant| grant.old.contains(&token)) {
                // A second use means that somebody has a copy (RFC 9700, section 4.14.2).
                thief.alive = false;
                return refused(400, "invalid_grant");
            }
            let found = inner.grants.iter().position(|grant| grant.alive && grant.refresh.as_ref() == Some(&token));
            let Some(at) = found else { return refused(400, "invalid_grant") };
            inner.refreshes += 1;
            let (access, refresh) = (inner.mint("access"), inner.mint("refresh"));
            let grant = &mut inner.grants[at];
            grant.old.push(token);
            (grant.access, grant.refresh, grant.expired) = (access, Some(refresh), false);
            at
        }
        _ => return refused(400, "unsupported_grant_type"),
    };
    let tokens = inner.tokens(at);
    match inner.answers_as {
        None => Json(tokens).into_response(),
        Some(how) => {
            let (kind, body) = how(tokens);
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
    }
}

pub(super) async fn revoke(State(service): State<OauthService>, body: String) -> Response {
    let fields = form(&body);
    let mut inner = service.inner();
    if inner.down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_client(&fields) {
        return refused(401, "invalid_client");
    }
    let token = fields.get("token");
    let known = inner.grants.iter_mut().find(|grant| grant.refresh.as_ref() == token || Some(&grant.access) == token);
    if let Some(grant) = known {
        grant.alive = false;
        inner.revocations += 1;
    }
    // An unknown token counts as revoked (RFC 7009, section 2.2).
    StatusCode::OK.into_response()
}

/// The grant of a token, or the answer that it is no longer valid.
fn bearer(inner: &Inner, headers: &HeaderMap) -> Result<String, Box<Response>> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    let grant = inner.grants.iter().find(|grant| grant.alive && !grant.expired && grant.access == token);
    let answer = || match inner.expired {
        // The answer repeats the token, as careless services do.
        Expired::Unauthorized => (StatusCode::UNAUTHORIZED, Json(json!({"bad": token}))).into_response(),
        Expired::Ok => Json(json!({"ok": false, "error": "token_expired", "token": token})).into_response(),
        Expired::Forbidden => (StatusCode::FORBIDDEN, format!("token {token} has expired")).into_response(),
    };
    grant.map(|grant| grant.subject.clone()).ok_or_else(|| Box::new(answer()))
}

pub(super) async fn me(State(service): State<OauthService>, headers: HeaderMap) -> Response {
    let inner = service.inner();
    if inner.broken {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    match bearer(&inner, &headers) {
        // The answer repeats the request.
        Ok(subject) => Json(json!({"account": subject, "echo": format!("{headers:?}")})).into_response(),
        Err(expired) => *expired,
    }
}

pub(super) async fn note(State(service): State<OauthService>, headers: HeaderMap) -> Response {
    let mut inner = service.inner();
    match bearer(&inner, &headers) {
        Ok(subject) => {
            inner.notes += 1;
            Json(json!({"account": subject})).into_response()
        }
        Err(expired) => *expired,
    }
}

fn base64url(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}
