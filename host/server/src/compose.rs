//! The composition root. A host's parts are built and connected only here. Tests pass their doubles in.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

use resly_core::{
    approval::Approvals,
    connector::{
        available::AvailableActions,
        call::{ConnectionStore, Connectors},
        connection::Catalogue,
        sandbox::{ComponentSource, Sandbox},
    },
    knowledge::{Embedder, Reranker, document::Extractor},
    load::LoadShedder,
    mail::Mailer,
    metrics::names,
    model::Model,
    object::ObjectStore,
    time::{Clock, Random, SystemClock},
    trace::Tracer,
    turn::{TurnLimits, Turns, live::LiveTurns},
};
use resly_egress::{Egress, EgressConfig, OidcClient, Resolve, SystemResolver, TokenRefresher};
use resly_http::{
    Api,
    body::ParserPools,
    body_memory::{self, BodyMemory},
    edge::{connection_limiter::ConnectionLimiter, descriptors},
    metrics::{MetricsAccess, Prometheus, PrometheusError},
};
use resly_mail::{SmtpError, SmtpMailer};
use resly_manifest::{Auth, Digest, Manifest};
use resly_models::rerank::HttpReranker;
use resly_objects::{Bounds, Bucket, BucketError};
use resly_sandbox::{CompileBudget, Compiler, ExtractBounds, SandboxConfig, WasmSandbox};
use resly_search::Library;
use resly_service::{
    App,
    accounts::Accounts,
    bundled::Bundle,
    catalogue::ConnectorCatalog,
    cluster::{Cluster, ClusterError, changes::Changes},
    component_store::ComponentStore,
    crawls, inbox,
    keyring::Keyring,
    members::Passwords,
    outbound::{CredentialSealer, EgressFactory, WrappedKeys},
    places::Places,
    random::OsRandom,
    rates::Rates,
    sites::SiteTurns,
    sources,
    webhooks::WebhookDispatcher,
};
use resly_store::Store;
use resly_vault::{Credentials, Vault};
use secrecy::ExposeSecret;

use crate::{
    config::{Config, OauthClients},
    local_models::{self, LocalModelError},
    secrets::{self, SecretsError},
    serve,
};

/// Parts that a test may replace.
pub struct Doubles {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Replaces the model that the configuration names.
    pub model: Option<Arc<dyn Model>>,
    pub embedder: Option<Arc<dyn Embedder>>,
    pub extractor: Option<Arc<dyn Extractor>>,
    pub resolver: Option<Arc<dyn Resolve>>,
    /// Replaces the child process, which runs this program.
    pub compiler: Option<Compiler>,
    pub compile_budget: CompileBudget,
    pub limits: TurnLimits,
    /// Whether [`crate::jobs`] run. Tests run the jobs themselves.
    pub jobs: bool,
}

impl Default for Doubles {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            model: None,
            embedder: None,
            extractor: None,
            resolver: None,
            compiler: None,
            compile_budget: CompileBudget::default(),
            limits: TurnLimits::default(),
            jobs: true,
        }
    }
}

/// Why a host can't start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error("the data folder {path} can't be made: {error}")]
    Data { path: String, error: std::io::Error },
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Egress(#[from] resly_egress::EgressError),
    #[error("the language model: {0}")]
    Model(resly_models::ConfigError),
    #[error("the embedder: {0}")]
    Embedder(resly_models::ConfigError),
    #[error("the reranker: {0}")]
    Reranker(resly_models::ConfigError),
    #[error("RESLY_EMBEDDER_DIR: {0}")]
    LocalEmbedder(LocalModelError),
    #[error("RESLY_RERANKER_DIR: {0}")]
    LocalReranker(LocalModelError),
    #[error(transparent)]
    Bundle(#[from] resly_service::bundled::BundleError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error(transparent)]
    Mail(#[from] SmtpError),
    #[error(transparent)]
    Sandbox(#[from] resly_sandbox::SandboxError),
    #[error("RESLY_OAUTH_CLIENTS: `{0}` is no bundled connector that authorizes by OAuth; those are: {1}")]
    OauthClient(String, String),
    #[error("the threads that read request bodies can't be started: {0}; raise the limit on processes or threads")]
    Threads(std::io::Error),
    #[error("the metrics can't be kept: {0}")]
    Metrics(PrometheusError),
    #[error(transparent)]
    Telemetry(#[from] resly_telemetry::TelemetryError),
    #[error("this program's own path can't be found, which compiling connectors needs: {0}")]
    Program(std::io::Error),
}

/// Builds a host.
pub async fn compose(config: &Config, doubles: Doubles) -> Result<Api, ComposeError> {
    make_private(&config.data)
        .map_err(|error| ComposeError::Data { path: config.data.display().to_string(), error })?;
    let Doubles { clock, random, model, embedder, extractor, resolver, compiler, compile_budget, limits, jobs } =
        doubles;
    let keys = secrets::master_keys(config, false)?;
    let store = secrets::open_store(config).await?;
    let wrapping = secrets::wrapping(&keys, &store, &random);
    let pepper = secrets::pepper(&wrapping, &keys, &store, &*random).await?;
    let host_key = secrets::host_key(&wrapping, &store, &*random).await?;
    // The tables are up to date, and what hosts need of them is there.
    let store = if config.read_only { store.read_only() } else { store };
    let store = store.detect_languages(inbox::search::language_of);
    let store = if config.mail.is_some() { store.with_mails() } else { store };
    let mailer = config.mail.clone().map(SmtpMailer::new).transpose()?;
    let wrapping = secrets::wrapping(&keys, &store, &random);
    let cluster =
        Cluster::new(store.clone(), host_key, config.internal_url.clone(), Arc::clone(&clock), Arc::clone(&random))?;
    let mac_key = keys.derive_newest("resly compiled components v1");

    let components = Arc::new(component_store(config, &store, &clock, &random)?);
    let catalogue = Arc::new(ConnectorCatalog::new(Bundle::open()?, store.clone(), Arc::clone(&components)));
    let compiler = match compiler {
        Some(compiler) => compiler,
        None => Compiler::Child { program: std::env::current_exe().map_err(ComposeError::Program)? },
    };
    let cache = config.data.join("compiled");
    let mut sandbox_config = SandboxConfig::new(cache, compiler, mac_key, Arc::clone(&clock), Arc::clone(&random));
    sandbox_config.compile_budget = compile_budget;
    let mapper: Digest = catalogue.bundle().mapper();
    let sources: Arc<dyn ComponentSource> = Arc::clone(&catalogue) as _;
    let sandbox = WasmSandbox::new(sandbox_config, mapper, sources)?;
    let bundled = || sandbox.extractor(catalogue.bundle().extractor(), ExtractBounds::default());
    let extractor = extractor.unwrap_or_else(|| bundled());

    let vault = Arc::new(Vault::new(keys, Arc::new(WrappedKeys(store.clone())), Arc::clone(&random)));
    let egress = Egress::new(
        EgressConfig {
            allow: config.egress_allow.clone(),
            extra_ca_pem: config.egress_ca_pem.clone(),
            routes: config.egress_routes.clone(),
            ..EgressConfig::default()
        },
        resolver.unwrap_or_else(|| Arc::new(SystemResolver)),
        Arc::clone(&random),
    )?;
    let refresher = Arc::new(TokenRefresher::new(
        Arc::clone(&egress),
        Arc::clone(&vault),
        Arc::new(store.clone()),
        Arc::clone(&clock),
        Arc::clone(&random),
    ));
    let prometheus = Prometheus::new().map_err(ComposeError::Metrics)?;
    let (metrics, tracer) = match config.telemetry.clone() {
        Some(telemetry) => {
            let instance = cluster.id.to_string();
            let (clock, random) = (Arc::clone(&clock), Arc::clone(&random));
            resly_telemetry::start(telemetry, &instance, prometheus.metrics(), clock, random)?
        }
        None => (prometheus.metrics(), Tracer::default()),
    };
    metrics.set(&names::START, [], clock.now().seconds() as f64);
    store.measure(metrics.clone());
    let clients = shared_clients(&config.oauth_clients, catalogue.bundle())?;
    let accounts = Arc::new(Accounts::new(refresher, store.clone(), clients));
    let connections: Arc<dyn ConnectionStore> = Arc::new(store.clone());
    let connectors = Connectors::new(
        connections,
        Arc::clone(&catalogue) as Arc<dyn Catalogue>,
        Arc::clone(&sandbox) as Arc<dyn Sandbox>,
        Arc::new(store.clone()),
        Arc::new(EgressFactory {
            egress: Arc::clone(&egress),
            vault: Arc::clone(&vault),
            accounts: Arc::clone(&accounts),
        }),
        Arc::clone(&clock),
        Arc::clone(&random),
    )
    .on_schedule(config.health_checks.unwrap_or_default())
    .measured_by(metrics.clone(), tracer.clone());
    let hooks = WebhookDispatcher {
        store: store.clone(),
        egress: Arc::clone(&egress),
        vault: Arc::clone(&vault),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        metrics: metrics.clone(),
    };

    let embedder = match (embedder, &config.embedder_dir) {
        (Some(embedder), _) => embedder,
        (None, Some(folder)) => local_models::embedder(folder).await.map_err(ComposeError::LocalEmbedder)?,
        (None, None) => resly_models::embedder(config.embedder.as_ref()).map_err(ComposeError::Embedder)?,
    };
    let reranker: Option<Arc<dyn Reranker>> = match (&config.reranker_dir, &config.reranker) {
        (Some(folder), _) => Some(local_models::reranker(folder).await.map_err(ComposeError::LocalReranker)?),
        (None, Some(endpoint)) => Some(Arc::new(HttpReranker::new(endpoint.clone()).map_err(ComposeError::Reranker)?)),
        (None, None) => None,
    };
    let indexes = config.data.join("search");
    let library = Library::new(Arc::new(store.clone()), embedder, indexes, Arc::clone(&clock), Arc::clone(&random))
        .with_reranker(reranker)
        .traced_by(tracer.clone());
    let changes = Changes::default();
    let turns = Turns {
        host: cluster.id,
        store: Arc::new(store.clone()),
        model: match model {
            Some(model) => model,
            None => resly_models::model(config.model.as_ref()).map_err(ComposeError::Model)?,
        },
        retriever: Arc::new(library.clone()),
        approvals: Approvals::new(Arc::new(store.clone()), connectors.clone(), Arc::clone(&clock), Arc::clone(&random)),
        offers: AvailableActions::new(connectors.clone(), Arc::new(store.clone())),
        connectors: connectors.clone(),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        limits: TurnLimits {
            max_tokens: config.model_max_tokens.unwrap_or(limits.max_tokens),
            history_tokens: config.history_tokens.unwrap_or(limits.history_tokens),
            ..limits
        },
        live: Arc::new(LiveTurns::default()),
        load: Arc::new(LoadShedder::new(metrics.clone())),
        metrics: metrics.clone(),
        tracer: tracer.clone(),
    };
    let public_url =
        config.public_url.as_ref().map_or_else(OnceLock::new, |url| serve::url(Some(url), config.listen).into());
    let oidc = OidcClient::new(Arc::clone(&egress), Arc::clone(&clock));
    let app = Arc::new(App {
        accounts,
        egress,
        data: config.data.clone(),
        preparing: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        public_url,
        keyring: Keyring::new(store.clone(), pepper, changes.clone(), Arc::clone(&clock), Arc::clone(&random)),
        rates: Rates::new(store.clone(), Arc::clone(&clock)),
        passwords: Passwords::default(),
        hooks,
        mailer: mailer.map(|mailer| Arc::new(mailer) as Arc<dyn Mailer>),
        oidc,
        biller: config.biller.clone(),
        schedule: config.health_checks,
        jobs,
        sealer: Arc::new(CredentialSealer::new(vault)),
        wrapping,
        clock,
        random,
        metrics,
        tracer,
        store,
        turns,
        cluster,
        changes,
        connectors,
        catalogue,
        components,
        library,
        extractor,
        file_places: Places::new(sources::FILE_PLACES),
        page_places: Places::new(sources::PAGE_PLACES),
        crawl_places: Places::new(crawls::PLACES),
        sites: SiteTurns::default(),
        sandbox,
    });
    Ok(Api {
        app,
        prometheus: Arc::new(prometheus),
        metrics_access: Arc::new(metrics_access(config)),
        readiness: Arc::default(),
        trusted_proxies: config.trusted_proxies.clone().into(),
        connection_limiter: ConnectionLimiter::new(config.edge.clone(), descriptors::limit()),
        drain: config.drain,
        readers: Arc::new(ParserPools::start().map_err(ComposeError::Threads)?),
        body_memory: Arc::new(BodyMemory::new(body_memory::MOST)),
        refusals: Arc::default(),
    })
}

/// Where uploaded components are.
pub fn component_store(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<ComponentStore, BucketError> {
    let bucket = config.component_store.as_ref().map(|bucket| Bucket::new(bucket, Bounds::default())).transpose()?;
    let objects = bucket.map(|bucket| Arc::new(bucket) as Arc<dyn ObjectStore>);
    Ok(ComponentStore::new(store.clone(), objects, Arc::clone(clock), Arc::clone(random)))
}

fn metrics_access(config: &Config) -> MetricsAccess {
    match &config.metrics_token {
        Some(token) => MetricsAccess::Token(token.clone()),
        None if config.production => MetricsAccess::Nobody,
        None => MetricsAccess::ThisMachine,
    }
}

/// The operator's OAuth clients. Each belongs to a bundled connector that authorizes by OAuth.
fn shared_clients(clients: &OauthClients, bundle: &Bundle) -> Result<BTreeMap<String, Arc<Credentials>>, ComposeError> {
    let authorizes = |manifest: &Manifest| manifest.auths().any(|auth| matches!(auth, Auth::Oauth2(_)));
    let known: Vec<&str> =
        bundle.manifests().filter(|manifest| authorizes(manifest)).map(|manifest| manifest.id.as_str()).collect();
    let each = clients.iter().map(|(connector, client)| {
        if !known.contains(&connector.as_str()) {
            return Err(ComposeError::OauthClient(connector.clone(), known.join(", ")));
        }
        let secret = client.client_secret.expose_secret().to_owned();
        let fields = [("client_id".to_owned(), client.client_id.clone()), ("client_secret".to_owned(), secret)];
        Ok((connector.clone(), Arc::new(Credentials::new(fields.into()))))
    });
    each.collect()
}

/// Makes a folder that only its owner can read, for keys, data and compiled code.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
