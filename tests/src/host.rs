//! A host in process, on a port that the system chooses.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "this is test code in a library's place")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use resly_core::{
    id::OrganizationId,
    knowledge::{Embedder, document::Extractor},
    meter::Limits,
    model::Model,
    principal::Scope,
};
use resly_http::Api;
use resly_sandbox::{CompileBudget, Compiler};
use resly_server::{
    compose::{Doubles, compose},
    config::{Config, Sources},
    serve::serve,
};
use resly_service::{App, keyring::KeySpec};
use resly_store::NewOrganization;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::clock::TestClock;

/// Parts in place of those that the configuration names.
#[derive(Clone, Default)]
pub struct Parts {
    pub model: Option<Arc<dyn Model>>,
    pub embedder: Option<Arc<dyn Embedder>>,
    pub extractor: Option<Arc<dyn Extractor>>,
    /// The budget of a child process that compiles components. Without it, the test's own process compiles.
    pub compile_budget: Option<CompileBudget>,
}

/// Why a host did not start: an error in its configuration or in one of its parts.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// A host in process, on a port that the system chooses. Dropping it ends the host.
pub struct Running {
    pub api: Api,
    pub app: Arc<App>,
    pub base: String,
    pub clock: Arc<TestClock>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Running {
    /// Starts a host on a data folder, which may have data, with settings by the names of their variables.
    pub async fn start(data: &Path, settings: &[(&str, &str)]) -> Result<Self, StartError> {
        Self::start_with(data, settings, Parts::default()).await
    }

    /// The same, with other parts than a host usually has.
    pub async fn start_with(data: &Path, settings: &[(&str, &str)], parts: Parts) -> Result<Self, StartError> {
        let environment = |name: &str| {
            let found = settings.iter().find(|(have, _)| *have == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let flags = BTreeMap::from([("data".to_owned(), data.display().to_string())]);
        let config = Config::read(&Sources { flags, environment: &environment, variables: vec![], file: None })?;
        let Parts { model, embedder, extractor, compile_budget } = parts;
        let compiler = compile_budget.map_or(Compiler::InProcess, |_| Compiler::Child { program: binary() });
        let clock = Arc::new(TestClock::default());
        let doubles = Doubles {
            clock: Arc::clone(&clock) as _,
            compiler: Some(compiler),
            compile_budget: compile_budget.unwrap_or_default(),
            model,
            embedder,
            extractor,
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
    // `make bench` names the binary by a path that holds in its own folder only.
    std::os::unix::fs::symlink(shared.canonicalize().unwrap(), data.join("compiled")).unwrap();
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
