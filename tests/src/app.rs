//! The production router in process, on a port that the system chooses, with a scripted model. There is a client for
//! each role, so a test says who asks.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is test code in a library's place")]

mod hosts;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use reqwest::{Client, Method, RequestBuilder, Response};
use resly_core::{
    id::OrganizationId,
    knowledge::{Embedder, document::Extractor},
    model::Model,
    principal::Scope,
    time::{Clock, SystemClock},
};
use resly_http::{Api, router::router};
use resly_sandbox::CompileBudget;
use resly_service::App;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    host::{Parts, Running, make_organization, master_key, mint, share_compiled},
    model::ScriptedModel,
    service::ScriptedService,
};

pub struct TestApp {
    pub client: Client,
    pub model: ScriptedModel,
    /// A key of the tested organization, with the scopes chat and search.
    pub key: String,
    /// A key of the same organization, with every scope.
    pub admin: String,
    api: Api,
    app: Arc<App>,
    organization: OrganizationId,
    base: String,
    data: tempfile::TempDir,
    running: Running,
}

/// The options of a host.
#[derive(Clone, Default)]
struct Launch {
    allow: Option<String>,
    route: Option<String>,
    parts: Parts,
    oauth_clients: Option<String>,
    /// Further settings, by the names of their variables.
    settings: Vec<(String, String)>,
    database_url: Option<String>,
    /// Whether `builtin` answers instead of the scripted model.
    builtin: bool,
    /// Public address, organization, key and admin's key of the other host on the same database.
    twin: Option<(String, OrganizationId, String, String)>,
}

impl TestApp {
    /// A host on SQLite. No private address is allowed.
    pub async fn start() -> Self {
        Self::launch(Launch::default()).await
    }

    /// The same, with one service on loopback that connectors may call.
    pub async fn with_egress_to(service: &ScriptedService) -> Self {
        Self::reaching(service.address).await
    }

    /// The same, with `builtin` as the model.
    pub async fn built_in(service: &ScriptedService) -> Self {
        Self::launch(Launch { allow: Some(service.address.to_string()), builtin: true, ..Launch::default() }).await
    }

    /// The same, with any server at this address.
    pub async fn reaching(address: SocketAddr) -> Self {
        Self::launch(Launch { allow: Some(address.to_string()), ..Launch::default() }).await
    }

    /// The same, with all of these addresses.
    pub async fn reaching_all(addresses: &[SocketAddr]) -> Self {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        Self::launch(Launch { allow: Some(addresses.join(",")), ..Launch::default() }).await
    }

    /// The same, with a service on loopback in place of public hosts.
    pub async fn in_place_of(hosts: &[&str], service: &ScriptedService) -> Self {
        let routes: Vec<String> = hosts.iter().map(|host| format!("{host}=http://{}", service.address)).collect();
        Self::launch(Launch { route: Some(routes.join(",")), ..Launch::default() }).await
    }

    /// The same, with OAuth clients that the operator shares.
    pub async fn sharing(address: SocketAddr, oauth_clients: &str) -> Self {
        let (allow, oauth_clients) = (Some(address.to_string()), Some(oauth_clients.to_owned()));
        Self::launch(Launch { allow, oauth_clients, ..Launch::default() }).await
    }

    /// A host with settings by the names of their variables.
    pub async fn with_settings(settings: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self::launch(Launch { settings: settings.iter().map(owned).collect(), ..Launch::default() }).await
    }

    /// A host on the PostgreSQL database of this URL, with any server at this address.
    pub async fn on_postgres(url: &str, address: SocketAddr) -> Self {
        let (allow, database_url) = (Some(address.to_string()), Some(url.to_owned()));
        Self::launch(Launch { allow, database_url, ..Launch::default() }).await
    }

    /// A host on SQLite whose components are compiled by a child process as in production, within this budget.
    pub async fn compiling_within(budget: CompileBudget) -> Self {
        let parts = Parts { compile_budget: Some(budget), ..Parts::default() };
        Self::launch(Launch { parts, ..Launch::default() }).await
    }

    /// A host on SQLite with this model.
    pub async fn with_model(model: Arc<dyn Model>) -> Self {
        let parts = Parts { model: Some(model), ..Parts::default() };
        Self::launch(Launch { parts, ..Launch::default() }).await
    }

    /// A host on SQLite with this embedder.
    pub async fn with_embedder(embedder: Arc<dyn Embedder>) -> Self {
        let parts = Parts { embedder: Some(embedder), ..Parts::default() };
        Self::launch(Launch { parts, ..Launch::default() }).await
    }

    /// A host that reads documents with this extractor, on SQLite or on the PostgreSQL database of this URL. It may fetch
    /// from these addresses.
    pub async fn reading(
        extractor: Arc<dyn Extractor>,
        addresses: impl IntoIterator<Item = SocketAddr>,
        database_url: Option<String>,
    ) -> Self {
        let addresses: Vec<String> = addresses.into_iter().map(|address| address.to_string()).collect();
        let allow = (!addresses.is_empty()).then(|| addresses.join(","));
        Self::with_parts(Parts { extractor: Some(extractor), ..Parts::default() }, allow, database_url).await
    }

    /// The same on SQLite, with this embedder.
    pub async fn embedding(extractor: Arc<dyn Extractor>, address: SocketAddr, embedder: Arc<dyn Embedder>) -> Self {
        let parts = Parts { extractor: Some(extractor), embedder: Some(embedder), ..Parts::default() };
        Self::with_parts(parts, Some(address.to_string()), None).await
    }

    async fn with_parts(parts: Parts, allow: Option<String>, database_url: Option<String>) -> Self {
        Self::launch(Launch { allow, parts, database_url, ..Launch::default() }).await
    }

    async fn launch(launch: Launch) -> Self {
        let Launch { allow, route, parts, oauth_clients, settings: more, database_url, builtin, twin } = launch;
        let public_url = twin.as_ref().map(|(base, ..)| base.clone());
        let data = tempfile::tempdir().unwrap();
        share_compiled(data.path());
        let model = ScriptedModel::start().await.unwrap();
        let master = master_key();
        let mut settings = vec![("RESLY_MASTER_KEY", master.as_str())];
        if !builtin {
            settings.extend([("RESLY_MODEL_URL", model.url.as_str()), ("RESLY_MODEL", "scripted")]);
        }
        settings.extend(allow.as_deref().map(|allow| ("RESLY_EGRESS_ALLOW", allow)));
        settings.extend(route.as_deref().map(|route| ("RESLY_EGRESS_ROUTE", route)));
        settings.extend(oauth_clients.as_deref().map(|clients| ("RESLY_OAUTH_CLIENTS", clients)));
        settings.extend(database_url.as_deref().map(|url| ("RESLY_DATABASE_URL", url)));
        settings.extend(public_url.as_deref().map(|url| ("RESLY_PUBLIC_URL", url)));
        settings.extend(more.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let running = Running::start_with(data.path(), &settings, parts).await.unwrap();
        let (api, app) = (running.api.clone(), Arc::clone(&running.app));
        let (organization, key, admin) = match twin {
            Some((_, organization, key, admin)) => (organization, key, admin),
            None => {
                let organization = make_organization(&app, "under test").await;
                let key = mint(&app, organization, &[Scope::Chat, Scope::Search]).await;
                let all = [Scope::Chat, Scope::Search, Scope::Admin, Scope::Operator];
                (organization, key, mint(&app, organization, &all).await)
            }
        };
        let base = running.base.clone();
        Self { client: client(), model, key, admin, api, app, organization, base, data, running }
    }

    /// The address on which the host listens.
    pub fn address(&self) -> SocketAddr {
        self.base.trim_start_matches("http://").parse().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// `POST /api/chat` with the organization's key, still without a body.
    pub fn chat(&self) -> RequestBuilder {
        self.client.post(self.url("/api/chat")).bearer_auth(&self.key)
    }

    /// The same, with a format.
    pub fn chat_in(&self, format: &str) -> RequestBuilder {
        self.client.post(self.url(&format!("/api/chat?format={format}"))).bearer_auth(&self.key)
    }

    /// Sends a chat request and returns its answer as one object.
    pub async fn answer(&self, body: Value) -> Value {
        let response = self.chat_in("json").json(&body).send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{status}: {answer}");
        answer
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_as(&self.key, path, body).await
    }

    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Response {
        self.client.post(self.url(path)).bearer_auth(key).json(body).send().await.unwrap()
    }

    pub async fn send_as(&self, key: &str, method: &str, path: &str) -> Response {
        let method: Method = method.parse().unwrap();
        self.client.request(method, self.url(path)).bearer_auth(key).send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.send_as(&self.key, "GET", path).await;
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {body}");
        body
    }

    /// An admin's request that must succeed.
    pub async fn admin_post(&self, path: &str, body: &Value) -> Value {
        let response = self.post_as(&self.admin, path, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Adds a source of knowledge.
    pub async fn knows(&self, title: &str, text: &str) {
        self.admin_post("/api/admin/sources", &json!({"title": title, "text": text, "content_type": "text/markdown"}))
            .await;
    }

    /// Sets the plan's limits.
    pub async fn limit(&self, limits: Value) {
        let request = self.client.patch(self.url("/api/admin/plan")).bearer_auth(&self.admin);
        let response = request.json(&json!({"limits": limits})).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// The value of a meter in the usage report.
    pub async fn used(&self, meter: &str) -> u64 {
        let usage: Value = self.send_as(&self.admin, "GET", "/api/admin/usage").await.json().await.unwrap();
        usage["meters"][meter]["used"].as_u64().unwrap_or_else(|| panic!("no {meter} in {usage}"))
    }

    /// The log of connector calls, newest first.
    pub async fn logs(&self) -> Vec<Value> {
        let logs: Value = self.send_as(&self.admin, "GET", "/api/admin/logs").await.json().await.unwrap();
        logs.as_array().or(logs["logs"].as_array()).cloned().unwrap_or_else(|| panic!("{logs}"))
    }

    /// The messages of a conversation, oldest first.
    pub async fn contents(&self, conversation: &str) -> Vec<String> {
        let path = format!("/api/admin/conversations/{conversation}");
        let found: Value = self.send_as(&self.admin, "GET", &path).await.json().await.unwrap();
        let messages = found["messages"].as_array().unwrap_or_else(|| panic!("{found}"));
        let live = messages.iter().filter(|message| message["superseded_at"].is_null());
        live.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    }

    /// The running host, for what no client can ask for.
    pub fn host(&self) -> &App {
        &self.app
    }

    /// The part of the host that only HTTP needs.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The routes of the host, without its port: for what clients don't show or don't send.
    pub fn router(&self) -> Router {
        router(self.api.clone(), resly_console::router(&self.api))
    }

    /// A request of a router without a port.
    pub async fn route(&self, request: http::Request<Body>) -> http::Response<Body> {
        self.router().oneshot(request).await.unwrap()
    }

    /// The organization under test.
    pub fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Moves the host's clock to the machine's, which hosts in processes of their own have.
    pub fn keep_the_machines_time(&self) {
        self.later(SystemClock.now().since(self.running.clock.now()));
    }

    /// Moves the host's clock forward.
    pub fn later(&self, by: Duration) {
        self.running.clock.forward(by);
    }

    /// An admin's request with any method.
    pub async fn admin_send(&self, method: &str, path: &str, body: &Value) -> Response {
        let request = self.client.request(method.parse().unwrap(), self.url(path)).bearer_auth(&self.admin);
        request.json(body).send().await.unwrap()
    }

    pub async fn make_key(&self, body: Value) -> Value {
        self.admin_post("/api/admin/keys", &body).await
    }

    /// Another key of the same organization.
    pub async fn second_key(&self) -> String {
        mint(&self.app, self.organization, &[Scope::Chat, Scope::Search]).await
    }

    pub async fn publishable(&self, origin: &str) -> String {
        let body = json!({"name": "widget", "kind": "publishable", "scopes": ["chat", "search"], "origins": [origin]});
        self.make_key(body).await["key"].as_str().unwrap().to_owned()
    }

    /// A key of another organization.
    pub async fn stranger(&self) -> String {
        let organization = make_organization(&self.app, "elsewhere").await;
        mint(&self.app, organization, &[Scope::Chat, Scope::Search]).await
    }

    /// An admin's key of another organization.
    pub async fn stranger_admin(&self) -> String {
        self.other_organization().await.1
    }

    /// Another organization, and an admin's key of it.
    pub async fn other_organization(&self) -> (OrganizationId, String) {
        let organization = make_organization(&self.app, "abroad").await;
        (organization, mint(&self.app, organization, &[Scope::Chat, Scope::Search, Scope::Admin]).await)
    }

    /// Waits until no turn is running.
    pub async fn idle(&self) {
        while self.app.turns.live.count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The JSON chunks of an event stream, without its end mark.
    pub fn events(body: &str) -> Vec<Value> {
        body.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    /// Checks that no file of the host contains a text, raw, in hex or in Base64.
    pub fn nothing_on_disk_contains(&self, secret: &str) {
        let mut folders = vec![self.data.path().to_owned()];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                    assert!(!found, "{} holds a secret", entry.path().display());
                    read += 1;
                }
            }
        }
        assert!(read > 0, "there was nothing to look at");
    }
}

/// An HTTP client without proxies or retries.
pub fn client() -> Client {
    // Fails when another test has installed it first, which has the same result.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}
