//! The configuration: flags, then `RESLY_*` variables, then `resly.toml`. It is validated as a whole, and every mistake
//! is named at once. OpenTelemetry and AWS have their own variables, which other programs read too.

mod clients;
mod layers;
mod models;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use resly_core::connector::health::Schedule;
use resly_http::edge::Limits;
use resly_mail::{MailConfig, Sender, ServerAddress};
use resly_models::{EmbedderConfig, Endpoint, ModelConfig};
use resly_objects::BucketConfig;
use resly_service::billing::SigningSecrets;
use resly_telemetry::TelemetryConfig;
use resly_vault::{MasterKeySource, MasterKeys};
use secrecy::SecretString;
use url::Url;

pub use clients::{OauthClient, OauthClients};
pub use layers::{Environment, SETTINGS, Setting, variable};

use layers::Layers;

/// Containers are usually killed 10 s after they were told to end. With what a host needs afterwards, it takes 9.
const DRAIN: Duration = Duration::from_millis(5_500);
/// Characters of the token for `/metrics`, at least. Who has it learns how busy the host is, so it isn't guessed.
const METRICS_TOKEN: usize = 16;

/// A valid configuration.
#[derive(Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub database_url: Option<String>,
    pub database_direct_url: Option<String>,
    /// The host's public URL. `http://<listen>` when it isn't set.
    pub public_url: Option<Url>,
    /// The bucket for uploaded components. They are in the database when it isn't set.
    pub component_store: Option<BucketConfig>,
    /// Where the other hosts of the database reach this one. The address on which it listens when it isn't set.
    pub internal_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    /// The limits of connections.
    pub edge: Limits,
    /// Whether this is production: set, or implied by a PostgreSQL store.
    pub production: bool,
    /// The value of `RESLY_PRODUCTION`.
    pub declared_production: bool,
    /// Whether the host answers reads only.
    pub read_only: bool,
    /// The language model. The built-in one when it isn't set.
    pub model: Option<ModelConfig>,
    /// The most tokens that the model may write in one round.
    pub model_max_tokens: Option<u32>,
    /// The most tokens of a conversation's history that a model is sent.
    pub history_tokens: Option<u64>,
    /// The embedder. The built-in one when it isn't set.
    pub embedder: Option<EmbedderConfig>,
    /// The folder of an embedding model that runs in this process. Never beside `embedder`.
    pub embedder_dir: Option<PathBuf>,
    /// The reranker. None when it isn't set.
    pub reranker: Option<Endpoint>,
    /// The folder of a reranking model that runs in this process. Never beside `reranker`.
    pub reranker_dir: Option<PathBuf>,
    pub master_key: Option<SecretString>,
    pub master_key_file: Option<PathBuf>,
    /// The operator's key, with which `resly vault` asks a running host.
    pub operator_key: Option<SecretString>,
    pub egress_allow: Vec<resly_egress::ExemptHost>,
    pub egress_ca_pem: Vec<u8>,
    pub egress_routes: Vec<resly_egress::Route>,
    /// With what the operator's biller signs its events.
    pub biller: Option<SigningSecrets>,
    /// The OAuth clients by bundled connector.
    pub oauth_clients: OauthClients,
    /// The mail server. No mails are sent when it isn't set.
    pub mail: Option<MailConfig>,
    /// When connections are checked; never when `None`.
    pub health_checks: Option<Schedule>,
    /// How long open requests may take once the host was told to stop.
    pub drain: Duration,
    /// What Prometheus sends to read the metrics.
    pub metrics_token: Option<SecretString>,
    /// Where traces and metrics are sent. `None` when they are sent nowhere.
    pub telemetry: Option<TelemetryConfig>,
    pub log: String,
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has mistakes:{}", .0.iter().map(|mistake| format!("\n  - {mistake}")).collect::<String>())]
pub struct ConfigError(pub Vec<String>);

/// The sources of the settings' values.
pub struct Sources<'a> {
    /// The flags, by the setting's name.
    pub flags: BTreeMap<String, String>,
    pub environment: Environment<'a>,
    /// The names of all variables that begin with `RESLY_`, so that a misspelt one is refused and not ignored.
    pub variables: Vec<String>,
    /// The path and the text of `resly.toml`.
    pub file: Option<(PathBuf, String)>,
}

impl Config {
    pub fn read(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut mistakes = Vec::new();
        let file = sources.file.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
        let layers = Layers::read(&sources.flags, sources.environment, file, &mut mistakes);
        Layers::check_names(&sources.variables, &mut mistakes);
        let telemetry = TelemetryConfig::read(sources.environment, &mut mistakes);
        let component_store =
            layers.parsed("component_store", &mut mistakes, |text| BucketConfig::read(text, sources.environment));
        let config = Self { telemetry, component_store, ..Self::from_layers(&layers, &mut mistakes) };
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError(mistakes)) }
    }

    fn from_layers(layers: &Layers, mistakes: &mut Vec<String>) -> Self {
        let listen = layers.parsed("listen", mistakes, |text| {
            text.parse().map_err(|_| format!("`{text}` is not an address such as 127.0.0.1:8080"))
        });
        let database_url = layers.parsed("database_url", mistakes, database_url);
        let database_direct_url = layers.parsed("database_direct_url", mistakes, database_url_text);
        let internal_url = layers.parsed("internal_url", mistakes, internal_url);
        for (name, set) in
            [("database_direct_url", database_direct_url.is_some()), ("internal_url", internal_url.is_some())]
        {
            if set && database_url.is_none() {
                mistakes.push(format!("{}: it needs RESLY_DATABASE_URL", layers.origin(name)));
            }
        }
        let filter = |text: &str| tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned());
        let log = layers.parsed("log", mistakes, |text| {
            filter(text)
                .map_err(|error| format!("`{text}` is no filter such as `info` or `resly_egress=debug`: {error}"))
        });
        let declared_production = layers.parsed("production", mistakes, switch).unwrap_or(false);
        let trusted_proxies: Vec<IpNet> = layers.parsed("trusted_proxies", mistakes, networks).unwrap_or_default();
        for name in ["model_temperature", "model_max_tokens"] {
            if layers.text(name).is_some() && layers.text("model_url").is_none() {
                mistakes.push(format!("{}: it needs {}", layers.origin(name), variable("model_url")));
            }
        }
        let production = declared_production || database_url.is_some();
        layers.parsed("master_key", mistakes, |text| master_key(text, production));
        Self {
            edge: edge(layers, mistakes, &trusted_proxies),
            listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            data: layers.text("data").map_or_else(|| PathBuf::from("data"), PathBuf::from),
            production,
            declared_production,
            read_only: layers.parsed("read_only", mistakes, switch).unwrap_or(false),
            database_url,
            database_direct_url,
            public_url: layers.parsed("public_url", mistakes, public_url),
            internal_url,
            trusted_proxies,
            model: models::model(layers, mistakes),
            model_max_tokens: layers.parsed("model_max_tokens", mistakes, max_tokens),
            history_tokens: layers.parsed("model_history_tokens", mistakes, |text| {
                text.parse().map_err(|_| format!("`{text}` is not a number of tokens such as 16000"))
            }),
            embedder: models::embedder(layers, mistakes),
            embedder_dir: models::folder(layers, mistakes, "embedder_dir", "embedder_url"),
            reranker: models::reranker(layers, mistakes),
            reranker_dir: models::folder(layers, mistakes, "reranker_dir", "reranker_url"),
            master_key: layers.text("master_key").map(SecretString::from),
            master_key_file: layers.text("master_key_file").map(PathBuf::from),
            operator_key: layers.text("operator_key").map(SecretString::from),
            egress_allow: layers.parsed("egress_allow", mistakes, resly_egress::parse_allow).unwrap_or_default(),
            egress_ca_pem: layers.parsed("egress_ca", mistakes, pem).unwrap_or_default(),
            egress_routes: layers.parsed("egress_route", mistakes, resly_egress::parse_routes).unwrap_or_default(),
            biller: layers.parsed("billing_webhook_secret", mistakes, |text| {
                // It isn't repeated.
                SigningSecrets::parse(text)
                    .ok_or("a signing secret such as whsec_… is expected, or two with a comma between")
            }),
            oauth_clients: layers.parsed("oauth_clients", mistakes, clients::parse).unwrap_or_default(),
            mail: mail(layers, mistakes),
            health_checks: layers
                .parsed("health_check_s", mistakes, health_checks)
                .unwrap_or(Some(Schedule::default())),
            drain: layers.parsed("drain_s", mistakes, drain).unwrap_or(DRAIN),
            metrics_token: layers.parsed("metrics_token", mistakes, metrics_token),
            telemetry: None,
            component_store: None,
            log: log.unwrap_or_else(|| "info".to_owned()),
            log_format: layers.parsed("log_format", mistakes, log_format).unwrap_or_default(),
        }
    }
}

fn database_url_text(text: &str) -> Result<String, String> {
    // The text may hold a password: it isn't repeated.
    let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if known { Ok(text.to_owned()) } else { Err("it must start with postgres://; leave it out for SQLite".to_owned()) }
}

fn database_url(text: &str) -> Result<String, String> {
    database_url_text(text)
}

/// The mail server and the sender, which belong together.
fn mail(layers: &Layers, mistakes: &mut Vec<String>) -> Option<MailConfig> {
    let server = layers.parsed("smtp_url", mistakes, ServerAddress::parse);
    let from = layers.parsed("mail_from", mistakes, Sender::parse);
    for (name, other) in [("smtp_url", "mail_from"), ("mail_from", "smtp_url")] {
        if layers.text(name).is_some() && layers.text(other).is_none() {
            mistakes.push(format!("{}: it needs {}", layers.origin(name), variable(other)));
        }
    }
    let mut unread = Vec::new();
    let extra_ca_pem = layers.parsed("egress_ca", &mut unread, pem).unwrap_or_default();
    Some(MailConfig { server: server?, from: from?, extra_ca_pem })
}

fn health_checks(text: &str) -> Result<Option<Schedule>, String> {
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(seconds @ 60..=86_400) => Ok(Some(Schedule { every: Duration::from_secs(seconds) })),
        _ => Err(format!("`{text}` is neither 0 nor 60 to 86400 seconds")),
    }
}

fn max_tokens(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.ok_or_else(|| format!("`{text}` is not a number of tokens from 1 to 1000000"))
}

/// Reads master keys as the vault does. Older ones may be weak, because a rotation may be about to replace them.
fn master_key(text: &str, production: bool) -> Result<(), String> {
    let source = MasterKeySource {
        key: Some(text.to_owned().into()),
        file: None,
        data_dir: PathBuf::new(),
        production,
        rotating: true,
    };
    // The caller puts the setting's name before the message.
    let told =
        |error: resly_vault::MasterKeyError| error.to_string().trim_start_matches("RESLY_MASTER_KEY: ").to_owned();
    MasterKeys::load(&source).map(drop).map_err(told)
}

fn drain(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0..=3600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("`{text}` is not a number of seconds from 0 to 3600"))
}

fn metrics_token(text: &str) -> Result<SecretString, String> {
    // The text is a secret: it isn't repeated.
    let plain = text.len() >= METRICS_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { Ok(text.into()) } else { Err(format!("at least {METRICS_TOKEN} letters, digits or signs are expected")) }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("`{other}` is neither `text` nor `json`")),
    }
}

fn edge(layers: &Layers, mistakes: &mut Vec<String>, trusted_proxies: &[IpNet]) -> Limits {
    let usual = Limits::default();
    let mut number = |name: &str, most: usize| {
        layers.parsed(name, mistakes, |text| match text.parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(format!("`{text}` is not a number from 1 to {most}")),
        })
    };
    let connections = number("max_connections", 1_000_000).unwrap_or(usual.connections);
    let per_address = number("max_connections_per_address", 1_000_000).unwrap_or(usual.connections_per_address);
    let mut seconds =
        |name: &str, most: usize, usual| number(name, most).map_or(usual, |s| Duration::from_secs(s as u64));
    Limits {
        connections,
        connections_per_address: per_address,
        head_time: seconds("head_timeout_s", 120, usual.head_time),
        idle_time: seconds("idle_timeout_s", 3600, usual.idle_time),
        trusted_proxies: trusted_proxies.to_vec(),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        other => Err(format!("`{other}` is neither 1 nor 0")),
    }
}

fn public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "http" | "https") && url.path() == "/" && plain {
        Ok(url)
    } else {
        Err(format!("`{text}` must be scheme, host and port only, such as https://chat.example.com"))
    }
}

/// Plain HTTP: the hosts sign what they ask each other, and their network has to be private.
fn internal_url(text: &str) -> Result<String, String> {
    let url = public_url(text).ok().filter(|url| url.scheme() == "http");
    let url = url.ok_or_else(|| format!("`{text}` must be http, host and port only, such as http://10.0.0.5:8080"))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            item.parse::<IpNet>()
                .or_else(|_| item.parse::<std::net::IpAddr>().map(IpNet::from))
                .map_err(|_| format!("`{item}` is neither an address nor a network such as 10.0.0.0/8"))
        })
        .collect()
}

/// Certificates themselves, or the file they are in.
fn pem(text: &str) -> Result<Vec<u8>, String> {
    if text.starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    std::fs::read(text).map_err(|error| format!("the file {text} can't be read: {error}"))
}
