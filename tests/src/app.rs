//! The production router in process, on a port that the system chooses, with a scripted model. There is a client for
//! each role, so a test says who asks.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is test code in a library's place")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, RequestBuilder, Response};
use resly_core::{id::OrganizationId, meter::Limits, principal::Scope};
use resly_http::Api;
use resly_sandbox::{CompileBudget, Compiler};
use resly_server::{
    compose::{Doubles, compose},
    config::{Config, Sources},
    serve::serve,
};
use resly_service::{App, keyring::KeySpec};
use resly_store::NewOrganization;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{clock::TestClock, model::ScriptedModel, service::ScriptedService};

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

/// Why a host did not start: an error in its configuration or in one of its parts.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// A host in process, on a port that the system chooses. Dropping it ends the host.
pub struct Running {
    pub api: Api,
    pub app: Arc<App>,
    pub base: String,
    clock: Arc<TestClock>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Running {
    /// Starts a host on a data folder, which may have data, with settings by the names of their variables.
    pub async fn start(data: &Path, settings: &[(&str, &str)]) -> Result<Self, StartError> {
        Self::compiling(data, settings, None).await
    }

    /// The same. A child process compiles components within `budget`; without it, the test's own process does.
    async fn compiling(
        data: &Path,
        settings: &[(&str, &str)],
        budget: Option<CompileBudget>,
    ) -> Result<Self, StartError> {
        let environment = |name: &str| {
            let found = settings.iter().find(|(have, _)| *have == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let flags = BTreeMap::from([("data".to_owned(), data.display().to_string())]);
        let config = Config::read(&Sources { flags, environment: &environment, variables: vec![], file: None })?;
        let compiler = budget.map_or(Compiler::InProcess, |_| Compiler::Child { program: binary() });
        let clock = Arc::new(TestClock::default());
        let doubles = Doubles {
            clock: Arc::clone(&clock) as _,
            compiler: Some(compiler),
            compile_budget: budget.unwrap_or_default(),
            jobs: false,
            ..Doubles::default()
        };
        let api = compose(&config, doubles).await?;
        let app = Arc::clone(&api.app);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(api.clone(), listener, stopped));
        Ok(Self { api, app, base, clock, stop, serving })
    }

    /// Ends the host as a signal would, and waits for that.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.serving.await.unwrap();
    }
}

/// The options of a host.
#[derive(Clone, Default)]
struct Launch {
    allow: Option<String>,
    route: Option<String>,
    /// The budget of a child process that compiles components. Without it, the test's own process compiles.
    compile_budget: Option<CompileBudget>,
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

    /// Two hosts on one PostgreSQL database, with the same organization and admin. The public address of both is that
    /// of the first host.
    pub async fn pair_reaching(address: SocketAddr) -> (Self, Self) {
        let database_url = Some(crate::postgres::database().await);
        let launch = Launch { allow: Some(address.to_string()), database_url, ..Launch::default() };
        let first = Self::launch(launch.clone()).await;
        let twin = Some((first.base.clone(), first.organization, first.key.clone(), first.admin.clone()));
        let second = Self::launch(Launch { twin, ..launch }).await;
        (first, second)
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
        Self::launch(Launch { compile_budget: Some(budget), ..Launch::default() }).await
    }

    async fn launch(launch: Launch) -> Self {
        let Launch { allow, route, oauth_clients, compile_budget, settings: more, database_url, builtin, twin } =
            launch;
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
        let running = Running::compiling(data.path(), &settings, compile_budget).await.unwrap();
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
        let organization = make_organization(&self.app, "abroad").await;
        mint(&self.app, organization, &[Scope::Chat, Scope::Search, Scope::Admin]).await
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

/// The master key of all tests. Compiled code is cached under the key, so all tests share it. It is derived and not
/// written in the source, because production, which PostgreSQL implies, refuses a published key.
pub fn master_key() -> String {
    format!("test:{}", STANDARD.encode(Sha256::digest("the master key of tests")))
}

/// Creates an organization without limits.
pub async fn make_organization(app: &App, name: &str) -> OrganizationId {
    let now = app.clock.now();
    let id = OrganizationId(app.random.uuid(now));
    let name = format!("{name} {id}");
    app.store.create_organization(NewOrganization { id, name, limits: Limits::new(), now }).await.unwrap();
    id
}

/// Creates an API key. Returns its text.
pub async fn mint(app: &App, organization: OrganizationId, scopes: &[Scope]) -> String {
    app.keyring.create(KeySpec::secret(organization, "test", scopes)).await.unwrap().expose().to_owned()
}

/// Shares compiled connectors between all tests with the same master key, so that each is compiled once.
pub fn share_compiled(data: &Path) {
    let shared = binary().with_file_name("resly-tests-compiled");
    std::fs::create_dir_all(&shared).unwrap();
    std::os::unix::fs::symlink(&shared, data.join("compiled")).unwrap();
}

/// An HTTP client without proxies or retries.
pub fn client() -> Client {
    // Fails when another test has installed it first, which has the same result.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// The binary that `make build` leaves beside the folder of this test's program.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("RESLY_BIN") {
        return path.into();
    }
    let program = std::env::current_exe().expect("a program has a path");
    let folder = program.parent().expect("a program is in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().expect("deps is in a folder") } else { folder };
    folder.join("resly")
}
