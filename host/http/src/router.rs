//! The API's table of contents.

use std::panic::AssertUnwindSafe;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use futures::FutureExt;

use super::{
    Api, admin, chat, console, docs, guard, health, messages, oauth, openapi,
    problem::{Problem, kinds},
    rejection, search,
};

/// Everything the host answers.
pub fn router(api: Api) -> Router {
    let admin = Router::new()
        .route("/keys", post(admin::keys::create).get(admin::keys::list))
        .route("/keys/{id}", get(admin::keys::get).patch(admin::keys::change).delete(admin::keys::delete))
        .route("/keys/{id}/rotate", post(admin::keys::rotate))
        .route("/connectors", get(admin::connectors::list).post(admin::connectors::create))
        .route("/connectors/check", post(admin::definitions::check))
        .route("/connectors/import", post(admin::definitions::import))
        .route("/connectors/dry-run", post(admin::definitions::dry_run))
        .route("/connectors/{id}", get(admin::connectors::get))
        .route("/connectors/{id}/versions/{version}", delete(admin::versions::delete))
        .route("/connectors/{id}/versions/{version}/approve", post(admin::versions::approve))
        .route("/connectors/{id}/versions/{version}/reject", post(admin::versions::reject))
        .route(
            "/publishers",
            get(admin::publishers::list).post(admin::publishers::create).patch(admin::publishers::change),
        )
        .route("/publishers/{id}", delete(admin::publishers::delete))
        .route("/connections", post(admin::connections::create).get(admin::connections::list))
        .route(
            "/connections/{id}",
            get(admin::connections::get).patch(admin::connections::change).delete(admin::connections::delete),
        )
        .route("/connections/{id}/test", post(admin::actions::test))
        .route("/connections/{id}/oauth/start", post(admin::oauth::start))
        .route("/connections/{id}/visitors/{visitor}", get(admin::visitors::get).delete(admin::visitors::delete))
        .route("/connections/{id}/visitors/{visitor}/credentials", put(admin::visitors::put))
        .route("/connections/{id}/visitors/{visitor}/oauth/start", post(admin::visitors::start))
        .route("/connections/{id}/enable", post(admin::connections::enable))
        .route("/connections/{id}/disable", post(admin::connections::disable))
        .route("/connections/{id}/health", get(admin::health::get))
        .route("/connections/{id}/actions/{action}", post(admin::actions::call))
        .route("/connections/{id}/actions/{action}/dry-run", post(admin::trials::dry_run))
        .route("/connections/{id}/actions/{action}/sample", get(admin::trials::sample))
        .route("/connections/{id}/actions/{action}/mapping/preview", post(admin::trials::preview))
        .route("/sources", post(admin::sources::create).get(admin::sources::list))
        .route("/sources/{id}", delete(admin::sources::delete))
        .route("/workflows", post(admin::workflows::create).get(admin::workflows::list))
        .route("/workflows/{id}", put(admin::workflows::replace).delete(admin::workflows::delete))
        .route("/logs", get(admin::logs::list))
        .route("/approvals", get(admin::approvals::list))
        .route("/alerts", get(admin::alerts::list))
        .route("/alerts/{id}/resolve", post(admin::alerts::resolve))
        .route("/webhook", get(admin::webhook::get).put(admin::webhook::put).delete(admin::webhook::delete))
        .route("/webhook/rotate", post(admin::webhook::rotate))
        .route("/webhook/test", post(admin::webhook::test))
        .route("/webhook/deliveries", get(admin::webhook::deliveries))
        .route("/usage", get(admin::usage::get))
        .route("/plan", get(admin::plan::get).patch(admin::plan::change))
        .route("/vault", get(admin::vault::get))
        .route("/vault/rotate", post(admin::vault::rotate))
        .route("/conversations", get(admin::conversations::list))
        .route("/conversations/{id}", get(admin::conversations::get))
        .route("/tickets", get(admin::tickets::list));

    let routes = Router::new()
        .route("/chat", post(chat::post::handle))
        .route("/chat/{id}/stream", get(chat::follow::resume).delete(chat::follow::cancel))
        .route("/chat/approvals/{id}", get(chat::approvals::find).post(chat::approvals::decide))
        .route("/messages/{id}", get(messages::get))
        .route("/search", post(search::handle))
        .nest("/admin", admin)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(api.clone(), guard::guard));

    Router::new()
        .nest("/api", routes)
        .route("/", get(docs::home))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::get))
        .route("/schemas/connector.json", get(admin::definitions::schema))
        .route("/docs", get(docs::index))
        .route("/docs/{page}", get(docs::page))
        .route("/docs/problems/{slug}", get(docs::problem))
        .route("/console", get(console::page))
        .route("/oauth/begin/{nonce}", get(oauth::begin))
        .route(oauth::REDIRECT, get(oauth::callback))
        .fallback(docs::not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(api.clone(), measure))
        .with_state(api)
}

/// The path isn't repeated: keys are pasted into the wrong places, too.
async fn not_found() -> Problem {
    Problem::new(&kinds::NOT_FOUND, "nothing answers at this path; /openapi.json lists what does")
}

async fn method_not_allowed() -> Problem {
    Problem::new(&kinds::METHOD_NOT_ALLOWED, "this path doesn't take that method; the Allow header lists those it does")
}

/// Counts the request, and tells an unanswered panic as a problem.
async fn measure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response =
        rejection::into_problem(answered.unwrap_or_else(|_| Problem::internal(&"a handler panicked").into_response()));
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    api.metrics.request(route, &method, response.status().as_u16(), started.elapsed());
    response
}
