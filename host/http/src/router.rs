//! The API's table of contents.

use std::{panic::AssertUnwindSafe, sync::OnceLock};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures::FutureExt;
use http::header;
use resly_core::{metrics::names, trace};
use resly_service::accounts::authorization;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api, admin, chat, docs, guard, health, internal, messages,
    metrics::{self, method_name},
    oauth, openapi, operator,
    problem::{Problem, ToldProblem, kinds},
    rejection, request_span, rest, search,
};

/// Everything the host answers: the API, and the pages of the console.
pub fn router(api: Api, console: Router<Api>) -> Router {
    let guarded = middleware::from_fn_with_state(api.clone(), guard::guard);
    let translated = middleware::from_fn(rest::errors::translate);
    let (routes, _) = self::api().split_for_parts();
    let (tables, _) = tables().split_for_parts();
    let tables = tables.route("/rest/v1", get(rest::root::describe).options(rest::root::options));
    let (host, _) = host().split_for_parts();
    Router::new()
        .merge(routes.method_not_allowed_fallback(method_not_allowed).layer(guarded.clone()))
        .nest("/api", Router::new().fallback(not_found).layer(guarded.clone()))
        .merge(tables.method_not_allowed_fallback(method_not_allowed).layer(guarded.clone()).layer(translated.clone()))
        .nest("/rest", Router::new().fallback(not_found).layer(guarded).layer(translated))
        .merge(host)
        .merge(pages())
        .merge(console)
        // For other hosts alone. All methods lead to the handler, so that others find nothing here at all.
        .route(internal::PATHS, any(internal::handle))
        .fallback(docs::not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(api.clone(), measure))
        .with_state(api)
}

/// The OpenAPI document, as it is served and committed: its operations are those of the routes themselves.
pub fn openapi_document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let routes =
            OpenApiRouter::with_openapi(openapi::Document::openapi()).merge(api()).merge(tables()).merge(host());
        openapi::text(routes.into_openapi())
    })
}

async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_document())
}

/// What needs a key. The path of a route is in its handler's `#[utoipa::path]`, and nowhere else.
fn api() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .merge(chat())
        .merge(organization())
        .merge(inbox())
        .merge(connectors())
        .merge(connections())
        .merge(operators())
}

fn chat() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(chat::post::handle))
        .routes(routes!(chat::follow::resume, chat::follow::cancel))
        .routes(routes!(chat::approvals::find, chat::approvals::decide))
        .routes(routes!(chat::hand_over::request))
        .routes(routes!(chat::hand_over::messages))
        .routes(routes!(messages::get))
        .routes(routes!(messages::rate, messages::forget_rating))
        .routes(routes!(search::handle))
}

/// What an admin sees and sets of the organization.
fn organization() -> OpenApiRouter<Api> {
    use admin::{
        alerts, analytics, analytics_details, approvals, audit, crawls, deletions, invitations, keys, logs, members,
        plan, sources, synonyms, usage, usage_history, vault, webhook, workflows,
    };

    OpenApiRouter::default()
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::get, keys::change, keys::delete))
        .routes(routes!(keys::rotate))
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::delete))
        .routes(routes!(invitations::create, invitations::list))
        .routes(routes!(invitations::delete))
        .routes(routes!(audit::list))
        .routes(routes!(audit::retention, audit::set_retention))
        .routes(routes!(sources::texts::create, sources::texts::put, sources::list))
        .routes(routes!(sources::get, sources::texts::replace, sources::delete))
        .routes(routes!(sources::files::upload))
        .routes(routes!(sources::pages::add))
        .routes(routes!(synonyms::get, synonyms::set))
        .routes(routes!(crawls::create, crawls::list))
        .routes(routes!(crawls::get, crawls::delete))
        .routes(routes!(crawls::run))
        .routes(routes!(workflows::create, workflows::list))
        .routes(routes!(workflows::replace, workflows::delete))
        .routes(routes!(logs::list))
        .routes(routes!(approvals::list))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::resolve))
        .routes(routes!(webhook::get, webhook::put, webhook::delete))
        .routes(routes!(webhook::rotate))
        .routes(routes!(webhook::test))
        .routes(routes!(webhook::deliveries))
        .routes(routes!(webhook::replay))
        .routes(routes!(usage::get))
        .routes(routes!(usage_history::get))
        .routes(routes!(plan::get, plan::change))
        .routes(routes!(vault::get))
        .routes(routes!(vault::rotate))
        .routes(routes!(analytics::get))
        .routes(routes!(analytics::conversations))
        .routes(routes!(analytics::recompute))
        .routes(routes!(analytics_details::questions))
        .routes(routes!(analytics_details::connectors))
        .routes(routes!(deletions::create))
        .routes(routes!(deletions::list))
        .routes(routes!(deletions::get))
}

/// Conversations that people answer, and tickets.
fn inbox() -> OpenApiRouter<Api> {
    use admin::{canned_replies, conversations, handling, handover, tickets};

    OpenApiRouter::default()
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::get))
        .routes(routes!(handover::assign))
        .routes(routes!(handover::reply))
        .routes(routes!(handover::give_back))
        .routes(routes!(handover::close))
        .routes(routes!(handling::note))
        .routes(routes!(handling::tag))
        .routes(routes!(handling::snooze))
        .routes(routes!(handling::merge))
        .routes(routes!(handling::bulk))
        .routes(routes!(canned_replies::list, canned_replies::create))
        .routes(routes!(canned_replies::replace, canned_replies::delete))
        .routes(routes!(tickets::list))
}

/// The catalogue.
fn connectors() -> OpenApiRouter<Api> {
    use admin::{connectors, definitions, publishers, versions};

    OpenApiRouter::default()
        .routes(routes!(connectors::list, connectors::create))
        .routes(routes!(connectors::get))
        .routes(routes!(definitions::check))
        .routes(routes!(definitions::import))
        .routes(routes!(definitions::dry_run))
        .routes(routes!(versions::delete))
        .routes(routes!(versions::approve))
        .routes(routes!(versions::reject))
        .routes(routes!(publishers::list, publishers::create, publishers::change))
        .routes(routes!(publishers::delete))
}

/// What is installed of it.
fn connections() -> OpenApiRouter<Api> {
    use admin::{actions, connections, health, oauth, trials, visitors};

    OpenApiRouter::default()
        .routes(routes!(connections::create, connections::list))
        .routes(routes!(connections::get, connections::change, connections::delete))
        .routes(routes!(connections::enable))
        .routes(routes!(connections::disable))
        .routes(routes!(health::get))
        .routes(routes!(oauth::start))
        .routes(routes!(visitors::get, visitors::delete))
        .routes(routes!(visitors::put))
        .routes(routes!(visitors::start))
        .routes(routes!(actions::test))
        .routes(routes!(actions::call))
        .routes(routes!(trials::dry_run))
        .routes(routes!(trials::sample))
        .routes(routes!(trials::preview))
}

/// All organizations of the host, and their plans.
fn operators() -> OpenApiRouter<Api> {
    use operator::{organizations, plans, subscription};

    OpenApiRouter::default()
        .routes(routes!(organizations::create, organizations::list))
        .routes(routes!(organizations::get, organizations::rename))
        .routes(routes!(organizations::create_key))
        .routes(routes!(subscription::change))
        .routes(routes!(subscription::replace_overrides))
        .routes(routes!(plans::create, plans::list))
        .routes(routes!(plans::get, plans::change))
}

/// The organization's tables.
fn tables() -> OpenApiRouter<Api> {
    use rest::{root, rows};

    OpenApiRouter::default().routes(routes!(root::describe, root::options)).routes(routes!(
        rows::read,
        rows::count,
        rows::insert,
        rows::update,
        rows::delete,
        rows::options
    ))
}

/// For whoever runs the host. No API key is needed.
fn host() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::read))
        .routes(routes!(operator::billing::receive))
        .routes(routes!(docs::home))
        .routes(routes!(docs::index))
        .routes(routes!(docs::for_models))
        .routes(routes!(docs::page))
        .routes(routes!(docs::problem))
}

/// What people and tools read, and no client of the API calls: these alone have no operation.
fn pages() -> Router<Api> {
    Router::new()
        .route("/openapi.json", get(openapi_json))
        .route("/schemas/connector.json", get(admin::definitions::schema))
        .route("/oauth/begin/{nonce}", get(oauth::begin))
        .route(authorization::REDIRECT, get(oauth::callback))
}

/// The path isn't repeated: keys are pasted into the wrong places, too.
async fn not_found() -> Problem {
    Problem::not_found(docs::NOTHING_HERE)
}

async fn method_not_allowed() -> Problem {
    Problem::new(&kinds::METHOD_NOT_ALLOWED, "this path doesn't take that method; the Allow header lists those it does")
}

/// Counts and traces the request, and tells an unanswered panic as a problem.
async fn measure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut span = request_span::start(&api.app.tracer, &request);
    let answering = trace::within(span.context(), next.run(request));
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    let response =
        rejection::into_problem(answered.unwrap_or_else(|_| Problem::internal(&"a handler panicked").into_response()));
    request_span::end(&mut span, &response);
    let metrics = &api.app.metrics;
    // The pattern of the route, and not the path.
    let route = route.map_or_else(|| "none".into(), |route| route.as_str().to_owned().into());
    let series = [route, method_name(&method).into(), response.status().as_str().to_owned().into()];
    metrics.time(&names::REQUEST_DURATION, series, started.elapsed());
    if let Some(ToldProblem { kind, .. }) = response.extensions().get() {
        metrics.count(&names::PROBLEMS, [kind.slug.into()]);
    }
    response
}
