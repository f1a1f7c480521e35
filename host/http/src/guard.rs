//! Authentication and CORS for everything under `/api`.
//!
//! A preflight carries no key (Fetch, "CORS-preflight fetch"), so it is answered for every origin that some publishable
//! key allows. The request itself may then only come from an origin of its own key. Secret keys are for servers: a
//! browser that uses one gets no CORS headers and can't read the response.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, MatchedPath, OriginalUri, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use resly_core::{
    actor::{self, Actor},
    principal::{KeyKind, Principal, Scope},
};
use resly_service::{
    App,
    keyring::{AuthenticationError, Identity},
    plans,
};

use super::{
    Api, client, features,
    problem::{LimitHit, Problem, kinds},
    rate_limit,
    rates::{self, RateGate},
};

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "X-Conversation-Id, X-Message-Id, X-Citations, X-Approvals, X-Conversation-State, Idempotent-Replayed, RateLimit, RateLimit-Policy, Retry-After",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, accept, idempotency-key, traceparent, tracestate");

/// Runs before every handler of `/api`.
pub async fn guard(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let app = &api.app;
    let origin = request.headers().get(header::ORIGIN).cloned();
    if let Some(origin) = &origin
        && request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return preflight(app, origin).await;
    }
    let (mut response, allowed) = match authenticate(app, presented(&request), origin.as_ref()).await {
        Ok(identity) => {
            let allowed = identity.principal.kind == KeyKind::Publishable;
            // The memory of the body is given back when the response begins.
            let admission = api.admission(identity.principal.organization);
            request.extensions_mut().insert(admission.clone());
            request.extensions_mut().insert(Caller(Arc::clone(&identity.principal)));
            let organization = identity.principal.organization;
            let changes = may_change(&request);
            let response = if changes {
                let key = Actor::key(organization, identity.principal.key, identity.name.clone(), app.clock.now());
                actor::within(key, within_rates(&api, identity, request, next)).await
            } else {
                within_rates(&api, identity, request, next).await
            };
            if changes && response.status().is_success() {
                app.note_change(organization).await;
            }
            drop(admission);
            (response, allowed)
        }
        // A refusal without a key holds no secret, so a page on an allowed origin may read it.
        Err(problem) => {
            if let Some(left_out) = api.refusals.admit(app.clock.now()) {
                let client = client::address(request.extensions(), request.headers(), &api.trusted_proxies);
                let client = client.map(tracing::field::display);
                // The path itself isn't logged, because people paste keys into it.
                let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
                tracing::info!(client, route, left_out, reason = problem.detail(), "a request was turned away");
            }
            let foreign = problem.kind().slug == kinds::ORIGIN_NOT_ALLOWED.slug;
            let allowed = match &origin {
                Some(origin) if !foreign => some_key_allows(app, origin).await,
                _ => false,
            };
            (problem.into_response(), allowed)
        }
    };
    if let Some(LimitHit(limit)) = response.extensions_mut().remove() {
        rate_limit::insert_reached(response.headers_mut(), &limit, app.clock.now());
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.filter(|_| allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

/// Whether a request may change what hosts remember: an admin's or an operator's that isn't a read.
fn may_change(request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let changes = ["/api/admin", "/api/operator", "/rest"].iter().any(|part| route.starts_with(part));
    !request.method().is_safe() && changes
}

/// Runs the handler unless a rate of the key is reached, or the plan doesn't have what the route needs.
async fn within_rates(api: &Api, identity: Arc<Identity>, mut request: Request, next: Next) -> Response {
    // Before anything is done that can't be stored then.
    if api.app.store.is_read_only() && !request.method().is_safe() {
        return Problem::read_only().into_response();
    }
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let streams = rates::is_stream(request.method(), route);
    let held = identity.features.clone();
    let gate = Arc::new(RateGate::new(Arc::clone(&api.app), identity, streams));
    let address = client::address(request.extensions(), request.headers(), &api.trusted_proxies);
    if let Err(problem) = gate.enter(address).await {
        return problem.into_response();
    }
    if let Some(feature) = route.and_then(|route| features::needed(request.method(), route))
        && !held.has(feature)
    {
        let refused = plans::lacks(&api.app.store, feature).await.map_or_else(Problem::from, Problem::from);
        return gate.finish(refused.into_response());
    }
    request.extensions_mut().insert(Arc::clone(&gate));
    gate.finish(next.run(request).await)
}

async fn preflight(app: &App, origin: &HeaderValue) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let allowed = some_key_allows(app, origin).await;
    let headers = response.headers_mut();
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    if allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    response
}

async fn some_key_allows(app: &App, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if origin.len() > 300 {
        return false;
    }
    app.keyring.origins().allowed(origin).await
}

/// The key that a request presents.
fn presented(request: &Request) -> Result<&str, Problem> {
    // A nested router sees a shorter path.
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    if uri.path().starts_with("/rest/") { key_of_tables(request.headers()) } else { bearer(request.headers()) }
}

async fn authenticate(
    app: &App,
    key: Result<&str, Problem>,
    origin: Option<&HeaderValue>,
) -> Result<Arc<Identity>, Problem> {
    let identity = app.keyring.identify(key?).await.map_err(|unknown| match unknown {
        AuthenticationError::Store(error) => error.into(),
        unknown => unauthenticated(unknown.to_string()),
    })?;
    let principal = &identity.principal;
    if principal.kind == KeyKind::Publishable {
        let allowed = origin
            .and_then(|origin| origin.to_str().ok())
            .is_some_and(|origin| principal.origins.iter().any(|allowed| allowed == origin));
        if !allowed {
            return Err(Problem::new(
                &kinds::ORIGIN_NOT_ALLOWED,
                match origin {
                    Some(_) => "this publishable key doesn't allow the page's origin",
                    None => "a publishable key works only in a browser, which sends an Origin header",
                },
            ));
        }
    }
    Ok(identity)
}

/// The token of `Authorization: Bearer` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthenticated("no API key was sent: set `Authorization: Bearer <key>`"));
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| unauthenticated("the Authorization header is not of the form `Bearer <key>`"))
}

/// A key for the tables: `apikey`, as clients of Supabase send it, or the bearer token; both when they are alike.
fn key_of_tables(headers: &HeaderMap) -> Result<&str, Problem> {
    let Some(key) = headers.get("apikey") else { return bearer(headers) };
    let key = key.to_str().map(str::trim).map_err(|_| unauthenticated("the header `apikey` is not ASCII"))?;
    if headers.contains_key(header::AUTHORIZATION) && bearer(headers)? != key {
        return Err(unauthenticated(
            "`apikey` and `Authorization` hold different keys: send one of them, or the same key in both",
        ));
    }
    Ok(key)
}

fn unauthenticated(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(&kinds::UNAUTHENTICATED, detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"resly\""))
}

#[derive(Clone)]
struct Caller(Arc<Principal>);

fn with_scope(parts: &Parts, scope: Scope, name: &str) -> Result<Arc<Principal>, Problem> {
    let Some(Caller(principal)) = parts.extensions.get() else {
        return Err(Problem::internal(&"a route under /api is not behind the guard"));
    };
    if principal.may(scope) {
        Ok(Arc::clone(principal))
    } else {
        Err(Problem::new(
            &kinds::INSUFFICIENT_SCOPE,
            format!("this route asks for a key with the scope `{name}`, which the key that was sent doesn't have"),
        ))
    }
}

macro_rules! callers {
    ($($(#[$doc:meta])* $name:ident = $scope:ident, $text:literal;)+) => {$(
        $(#[$doc])*
        pub struct $name(pub Arc<Principal>);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                with_scope(parts, Scope::$scope, $text).map(Self)
            }
        }
    )+};
}

callers! {
    /// A caller who may chat.
    ChatKey = Chat, "chat";
    /// A caller who may search.
    Searcher = Search, "search";
    /// A caller who may administer one organization.
    Admin = Admin, "admin";
    /// A caller who runs this host: who may see and change all its organizations and plans.
    Operator = Operator, "operator";
    /// A caller who may read the organization's tables.
    DataReader = DataRead, "data:read";
    /// A caller who may write them.
    DataWriter = DataWrite, "data:write";
}
