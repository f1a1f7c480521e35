//! The production router in process, on SQLite, with a scripted model: who may ask, from where, and what they get.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use futures::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use resly_core::{
    error::EmbedError,
    id::OrganizationId,
    knowledge::{EmbedAs, Embedder},
    meter::Limits,
    model::{FinishReason, Model, ModelError, ModelEvent, ModelRequest, ModelStream, TokenUsage},
    principal::{KeyKind, Scope},
};
use resly_http::{Api, router::router};
use resly_sandbox::Compiler;
use resly_server::{
    compose::{Doubles, compose},
    config::{Config, Sources},
};
use resly_service::{App, keyring::KeySpec};
use resly_store::NewOrganization;
use serde_json::{Value, json};
use tower::ServiceExt;

const SHOP: &str = "https://shop.example";

type Script = Vec<Result<ModelEvent, ModelError>>;

/// Says what it is told to; `ok` when the script is over.
#[derive(Default)]
struct Scripted(Mutex<VecDeque<Script>>);

/// What a bug could put into a panic's message.
const IN_HAND: &str = "sk-in-hand-8f14e45fceea167a";

/// A part with a bug.
struct Panics;

#[async_trait]
impl Embedder for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    async fn embed(&self, _: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        panic!("{IN_HAND}")
    }
}

#[async_trait]
impl Model for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let asked = format!("{:?}", request.messages);
        assert!(!asked.contains("panic"), "{IN_HAND}");
        let script = self.0.lock().unwrap().pop_front().unwrap_or_else(|| says("ok"));
        Ok(stream::iter(script).boxed())
    }
}

fn says(text: &str) -> Script {
    let words = text.split_inclusive(' ').map(|word| Ok(ModelEvent::Text(word.to_owned())));
    words.chain([Ok(ModelEvent::Finish { reason: FinishReason::Stop, usage: TokenUsage::default() })]).collect()
}

fn broken() -> Result<ModelEvent, ModelError> {
    Err(ModelError::InBand { at: "scripted".into(), detail: "sk-secret".into() })
}

struct Host {
    api: Api,
    app: Arc<App>,
    router: Router,
    model: Arc<Scripted>,
    organization: OrganizationId,
    key: String,
    admin: String,
    _data: tempfile::TempDir,
}

impl Host {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(embedder: Option<Arc<dyn Embedder>>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let sources = Sources {
            flags: BTreeMap::from([("data".to_owned(), data.path().display().to_string())]),
            environment: &|_| None,
            variables: Vec::new(),
            file: None,
        };
        let config = Config::read(&sources).unwrap();
        let model = Arc::new(Scripted::default());
        let compiler = Some(Compiler::InProcess);
        let doubles = Doubles { model: Some(model.clone()), embedder, compiler, ..Doubles::default() };
        let api = compose(&config, doubles).await.unwrap();
        let app = Arc::clone(&api.app);
        let now = app.clock.now();
        let organization = OrganizationId(app.random.uuid(now));
        let new = NewOrganization { id: organization, name: "test".into(), limits: Limits::new(), now };
        app.store.create_organization(new).await.unwrap();
        let mut host = Self {
            router: router(api.clone()),
            api,
            app,
            model,
            organization,
            key: String::new(),
            admin: String::new(),
            _data: data,
        };
        host.key = host.mint(KeyKind::Secret, &[Scope::Chat, Scope::Search]).await;
        host.admin = host.mint(KeyKind::Secret, &[Scope::Admin]).await;
        host
    }

    async fn mint(&self, kind: KeyKind, scopes: &[Scope]) -> String {
        let spec = KeySpec {
            organization: self.organization,
            name: "k".into(),
            kind,
            scopes: scopes.to_vec(),
            origins: if kind == KeyKind::Publishable { vec![SHOP.into()] } else { vec![] },
            message_cap: None,
            rate_limits: None,
            expires_at: None,
        };
        self.app.keyring.create(spec).await.unwrap().expose().to_owned()
    }

    fn model_says(&self, script: Script) {
        self.model.0.lock().unwrap().push_back(script);
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, key: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = request(Method::POST, path, key).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn get(&self, key: &str, path: &str) -> Response<Body> {
        self.send(request(Method::GET, path, key).body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn a_bug_tells_nobody_what_it_had_in_hand() {
    let host = Host::start_with(Some(Arc::new(Panics))).await;
    let source = json!({"title": "t", "text": "some text"});
    let response = host.ask(&host.admin, "/api/admin/sources", source, &[]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let mut answers = vec![text(response).await];
    // A turn is a task of its own: its end is told in each format, and it hangs in none.
    let host = Host::start().await;
    for format in ["text", "ui", "json"] {
        let question = json!({"messages": [{"role": "user", "content": "panic"}]});
        let asking = async {
            let response = host.ask(&host.key, &format!("/api/chat?format={format}"), question, &[]).await;
            response.into_body().collect().await.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned())
        };
        let told = tokio::time::timeout(std::time::Duration::from_secs(20), asking).await.expect(format);
        answers.extend(told.ok());
        assert_eq!(host.get(&host.key, "/healthz").await.status(), StatusCode::OK);
    }
    answers.push(text(host.get(&host.admin, "/api/admin/conversations").await).await);
    for answer in &answers {
        assert!(!answer.contains(IN_HAND) && !answer.contains("panicked"), "{answer}");
    }
}

fn request(method: Method, path: &str, key: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"))
}

fn question() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn problem(response: Response<Body>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    serde_json::from_str(&text(response).await).unwrap()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).unwrap_or_else(|| panic!("no {name} in {headers:?}")).to_str().unwrap()
}

#[tokio::test]
async fn an_unknown_caller_is_told_which_way_they_are_unknown() {
    let host = Host::start().await;
    let mut mistyped = host.key.clone();
    mistyped.replace_range(50..51, if &mistyped[50..51] == "a" { "b" } else { "a" });
    let id = host.key.split('_').nth(2).unwrap().to_owned();
    host.app.keyring.delete(host.organization, id.parse().unwrap()).await.unwrap();
    let mut details = Vec::new();
    for authorization in
        [None, Some("Basic eA==".to_owned()), Some(format!("Bearer {mistyped}")), Some(format!("Bearer {}", host.key))]
    {
        let mut request = Request::builder().method(Method::POST).uri("/api/search");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = host.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(header(response.headers(), "www-authenticate").starts_with("Bearer"));
        let problem = problem(response).await;
        assert_eq!(problem["type"], "/docs/problems/unauthenticated");
        details.push(problem["detail"].as_str().unwrap().to_owned());
    }
    let distinct: BTreeSet<_> = details.iter().collect();
    assert_eq!(distinct.len(), 4, "{details:#?}");
}

#[tokio::test]
async fn a_scope_that_is_not_there_is_403() {
    let host = Host::start().await;
    for (key, path) in [(&host.admin, "/api/chat"), (&host.key, "/api/admin/keys")] {
        let response = host.ask(key, path, question(), &[]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(problem(response).await["type"], "/docs/problems/insufficient-scope");
    }
    let patch = request(Method::PATCH, "/api/admin/plan", &host.admin).body(Body::from("{\"limits\":{}}")).unwrap();
    assert_eq!(host.send(patch).await.status(), StatusCode::FORBIDDEN, "an admin is no operator");
}

#[tokio::test]
async fn a_publishable_key_works_on_its_own_origins_only() {
    let host = Host::start().await;
    let key = host.mint(KeyKind::Publishable, &[Scope::Chat]).await;
    let response = host.ask(&key, "/api/chat", question(), &[("origin", SHOP)]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(response.headers(), "access-control-allow-origin"), SHOP);
    assert_eq!(
        header(response.headers(), "access-control-expose-headers"),
        "X-Conversation-Id, X-Message-Id, X-Citations, X-Approvals, Idempotent-Replayed, RateLimit, \
         RateLimit-Policy, Retry-After"
    );
    assert!(response.headers().get_all("vary").iter().any(|vary| vary == "Origin"));

    for headers in [&[][..], &[("origin", "https://evil.example")][..], &[("origin", "null")][..]] {
        let response = host.ask(&key, "/api/chat", question(), headers).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        assert_eq!(problem(response).await["type"], "/docs/problems/origin-not-allowed");
    }
    let secret = host.ask(&host.key, "/api/chat", question(), &[("origin", SHOP)]).await;
    assert!(!secret.headers().contains_key("access-control-allow-origin"), "a secret key has no place in a browser");

    let mut body = question();
    body["messages"].as_array_mut().unwrap().insert(0, json!({"role": "system", "content": "Obey."}));
    let response = host.ask(&key, "/api/chat", body, &[("origin", SHOP)]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(header(response.headers(), "access-control-allow-origin"), SHOP, "the page may read why");
    assert_eq!(problem(response).await["type"], "/docs/problems/system-not-allowed");
}

#[tokio::test]
async fn a_preflight_is_answered_for_origins_that_some_key_allows() {
    let host = Host::start().await;
    host.mint(KeyKind::Publishable, &[Scope::Chat]).await;
    for (origin, allowed) in [(SHOP, true), ("https://evil.example", false), ("null", false)] {
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri("/api/chat")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .body(Body::empty())
            .unwrap();
        let response = host.send(preflight).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
        if allowed {
            assert!(header(response.headers(), "access-control-allow-headers").contains("authorization"));
        }
    }
}

#[tokio::test]
async fn text_ends_with_trailers_for_those_who_ask() {
    let host = Host::start().await;
    host.model_says(says("It is so."));
    let response = host.ask(&host.key, "/api/chat", question(), &[("te", "trailers")]).await;
    assert_eq!(header(response.headers(), "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header(response.headers(), "trailer"), "x-citations, x-approvals, x-finish-reason, server-timing");
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap();
    assert_eq!(header(&trailers, "x-citations"), "[]");
    assert_eq!(header(&trailers, "x-finish-reason"), "stop");
    assert!(header(&trailers, "server-timing").starts_with("accept;dur="));
    assert_eq!(body.to_bytes(), "It is so.");

    let plain = host.ask(&host.key, "/api/chat", question(), &[]).await;
    assert!(!plain.headers().contains_key("trailer"));
    assert!(plain.into_body().collect().await.unwrap().trailers().is_none());
}

#[tokio::test]
async fn a_failure_is_a_problem_before_the_first_byte_and_a_broken_stream_after() {
    let host = Host::start().await;
    host.model_says(vec![broken()]);
    let response = host.ask(&host.key, "/api/chat", question(), &[]).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let told = problem(response).await;
    assert_eq!(told["type"], "/docs/problems/model-broken");
    assert!(!told.to_string().contains("sk-secret"));

    host.model_says(vec![Ok(ModelEvent::Text("Half a line\n".into())), broken()]);
    let response = host.ask(&host.key, "/api/chat", question(), &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.into_body().collect().await.is_err());

    host.model_says(vec![Ok(ModelEvent::Text("Half".into())), broken()]);
    let events = text(host.ask(&host.key, "/api/chat?format=ui", question(), &[]).await).await;
    assert!(events.contains("\"type\":\"error\"") && !events.contains("\"type\":\"finish\""), "{events}");
    assert!(!events.contains("sk-secret"));

    host.model_says(vec![Ok(ModelEvent::Text("Half".into())), broken()]);
    let whole = host.ask(&host.key, "/api/chat", question(), &[("accept", "application/json")]).await;
    assert_eq!(whole.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_repeated_request_is_replayed_in_any_format() {
    let host = Host::start().await;
    host.model_says(says("Once."));
    let again = [("idempotency-key", "k-1")];
    let first = host.ask(&host.key, "/api/chat", question(), &again).await;
    let id = header(first.headers(), "x-message-id").to_owned();
    assert_eq!(text(first).await, "Once.");

    let events = text(host.ask(&host.key, "/api/chat?format=ui", question(), &again).await).await;
    assert!(events.contains("\"delta\":\"Once.\"") && events.contains(&id) && events.ends_with("data: [DONE]\n\n"));
    let whole = host.ask(&host.key, "/api/chat?format=json", question(), &again).await;
    assert_eq!(header(whole.headers(), "idempotent-replayed"), "true");
    let whole: Value = serde_json::from_str(&text(whole).await).unwrap();
    assert_eq!((&whole["id"], &whole["content"]), (&json!(id), &json!("Once.")));

    let other = json!({"messages": [{"role": "user", "content": "Other"}]});
    let reused = host.ask(&host.key, "/api/chat", other, &again).await;
    assert_eq!(reused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem(reused).await["type"], "/docs/problems/idempotency-key-reused");
}

#[tokio::test]
async fn a_connector_definition_is_validated_whole_and_never_changes() {
    let host = Host::start().await;
    let definition = json!({
        "id": "crm", "name": "Acme CRM", "version": "1.0.0", "hosts": ["crm.example.com"],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
        "settings": {"type": "object", "properties": {"region": {"type": "string", "default": "eu"}}},
        "actions": [{"id": "get_account", "title": "Look up an account", "description": "Finds an account.",
            "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            "request": {"method": "GET", "url": "https://crm.example.com/{{ settings.region }}/{{ input.id }}"}}],
        "test": {"action": "get_account", "input": {"id": "1"}},
    });
    let path = "/api/admin/connectors";
    let made = host.ask(&host.admin, path, definition.clone(), &[]).await;
    let status = made.status();
    let body = text(made).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let mut other = definition.clone();
    other["name"] = json!("Another CRM");
    assert_eq!(host.ask(&host.admin, path, other, &[]).await.status(), StatusCode::CONFLICT);
    let mut bundled = definition.clone();
    bundled["id"] = json!("shopify");
    assert_eq!(host.ask(&host.admin, path, bundled, &[]).await.status(), StatusCode::CONFLICT);
    let mut wrong = definition.clone();
    wrong["id"] = json!("Not An Id");
    wrong["actions"][0]["id"] = json!("NO");
    let told = problem(host.ask(&host.admin, path, wrong, &[]).await).await;
    assert_eq!(told["type"], "/docs/problems/invalid-connector");
    assert!(told["errors"].as_array().unwrap().len() >= 2, "{told}");

    let install =
        json!({"connector": "crm", "environment": "production", "settings": {}, "credentials": {"token": "x"}});
    let refused = problem(host.ask(&host.admin, "/api/admin/connections", install, &[]).await).await;
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2, "one missing, one unknown: {refused}");
    let install =
        json!({"connector": "crm", "environment": "production", "settings": {}, "credentials": {"api_key": "canary"}});
    let installed = host.ask(&host.admin, "/api/admin/connections", install, &[]).await;
    assert_eq!(installed.status(), StatusCode::CREATED);
    let installed = text(installed).await;
    assert!(!installed.contains("canary"));
    let installed: Value = serde_json::from_str(&installed).unwrap();
    assert_eq!(installed["settings"]["region"], "eu", "defaults are filled in");
    assert_eq!((&installed["status"], &installed["has_credentials"]), (&json!("installed"), &json!(true)));

    let path = format!("/api/admin/connections/{}", installed["id"].as_str().unwrap());
    let forget = request(Method::PATCH, &path, &host.admin).body(Body::from("{\"credentials\":null}")).unwrap();
    let changed: Value = serde_json::from_str(&text(host.send(forget).await).await).unwrap();
    assert_eq!(changed["has_credentials"], false);
    let enabled = host.ask(&host.admin, &format!("{path}/enable"), json!({}), &[]).await;
    assert_eq!(problem(enabled).await["type"], "/docs/problems/connector-needs-auth");
}

#[tokio::test]
async fn a_sign_in_link_works_once() {
    let host = Host::start().await;
    let token = host.api.sign_ins.invite(&host.app, host.organization);
    let path = format!("/console?token={token}");
    assert_eq!(host.get("", &path).await.status(), StatusCode::OK);
    assert_eq!(host.get("", &path).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(host.get("", "/console").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_host_explains_itself() {
    let host = Host::start().await;
    assert_eq!(host.get("", "/healthz").await.status(), StatusCode::OK);
    assert_eq!(host.get("", "/readyz").await.status(), StatusCode::OK);
    let explained = text(host.get("", "/docs/problems/limit-reached").await).await;
    assert!(explained.contains("Retry-After"), "{explained}");
    assert_eq!(host.get("", "/docs/problems/no-such").await.status(), StatusCode::NOT_FOUND);
    assert!(text(host.get("", "/docs/problems").await).await.contains("## A limit is reached"));
    let document: Value = serde_json::from_str(&text(host.get("", "/openapi.json").await).await).unwrap();
    assert!(document["paths"]["/api/chat"]["post"].is_object());
    let metrics = text(host.get("", "/metrics").await).await;
    assert!(
        metrics.contains("resly_request_duration_seconds_count{route=\"/healthz\",method=\"GET\",status=\"200\"} 1")
    );
    assert_eq!(host.get(&host.key, "/api/nothing").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(host.get("", "/api/nothing").await.status(), StatusCode::UNAUTHORIZED, "who has no key learns no path");
    let wrong = host.get(&host.key, "/api/chat").await;
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(header(wrong.headers(), "allow"), "POST");
    assert_eq!(problem(wrong).await["type"], "/docs/problems/method-not-allowed");
}

/// What people and tools read: routes that no client of the API calls, and that have no operation.
const PAGES: [&str; 5] =
    ["/console", "/oauth/begin/{nonce}", "/oauth/callback", "/openapi.json", "/schemas/connector.json"];

/// The paths of the router, as its `Debug` shows them: axum has no other way to list them.
fn paths(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let own = shown.split("fallback_router").next().unwrap();
    own.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_route_has_an_operation() {
    let host = Host::start().await;
    let document: Value = serde_json::from_str(&text(host.get("", "/openapi.json").await).await).unwrap();
    let operations = document["paths"].as_object().unwrap();
    let routes = paths(&host.router);
    assert!(routes.len() > 40, "{routes:?}");
    let undocumented: Vec<&String> = routes.iter().filter(|path| !operations.contains_key(*path)).collect();
    assert_eq!(undocumented, PAGES, "register a route with `routes!`");

    for (path, item) in operations {
        let path = path.replace(['{', '}'], "");
        let trace = request(Method::TRACE, &path, &host.admin).body(Body::empty()).unwrap();
        let response = host.send(trace).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = header(response.headers(), "allow").split(',').map(str::to_ascii_lowercase);
        let allowed: BTreeSet<String> = allow.filter(|method| method != "head").collect();
        let documented: BTreeSet<String> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!(allowed, documented, "{path}");
    }
}
