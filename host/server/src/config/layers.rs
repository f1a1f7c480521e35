//! Where a setting's value comes from: a flag, then a `RESLY_*` variable, then `resly.toml`.

use std::{collections::BTreeMap, path::Path};

/// A setting by its name in `resly.toml`. The variable is `RESLY_` and the name in capitals.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    pub flag: &'static str,
    pub help: &'static str,
    /// Secrets have no flag: anyone on the machine could read it off the process list.
    pub secret: bool,
    pub kind: Kind,
}

/// The type of a setting in `resly.toml`. A string that can be read as this type is accepted, too, because variables
/// and flags are strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text, or a list of texts, which is joined by commas.
    Text,
    Number,
    /// `true` or `false`, or 1 or 0.
    Switch,
    /// A text or a table, which becomes JSON.
    Table,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text or a list of texts",
            Self::Number => "a number",
            Self::Switch => "true or false",
            Self::Table => "a table or a text",
        }
    }
}

const fn open(name: &'static str, flag: &'static str, help: &'static str) -> Setting {
    Setting { name, flag, help, secret: false, kind: Kind::Text }
}

const fn number(name: &'static str, flag: &'static str, help: &'static str) -> Setting {
    Setting { kind: Kind::Number, ..open(name, flag, help) }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { secret: true, ..open(name, "", help) }
}

/// All settings.
pub static SETTINGS: &[Setting] = &[
    open("listen", "listen", "Address to listen on, such as 127.0.0.1:8080"),
    open("data", "data", "Folder for SQLite, keys and caches"),
    secret("database_url", "postgres://… to keep everything in PostgreSQL; SQLite in the data folder without it"),
    secret("database_direct_url", "A way past a transaction pooler, for migrations"),
    open(
        "component_store",
        "component-store",
        "s3://bucket/prefix to keep uploaded components in a bucket, reached by AWS_ENDPOINT_URL and other AWS_…",
    ),
    open("public_url", "public-url", "What the world calls this host, such as https://chat.example.com"),
    open(
        "internal_url",
        "internal-url",
        "Where the other hosts of the database reach this one, such as http://10.0.0.5:8080",
    ),
    open(
        "trusted_proxies",
        "trusted-proxies",
        "Addresses or networks whose forwarded headers count, separated by commas",
    ),
    Setting {
        kind: Kind::Switch,
        ..open("production", "production", "1 refuses demo-grade settings; implied by a PostgreSQL store")
    },
    Setting {
        kind: Kind::Switch,
        ..open(
            "read_only",
            "read-only",
            "1 answers reads only, as while the store is copied; writes are refused with 503",
        )
    },
    open("model_url", "model-url", "Base URL of a language model's API, with /v1; without it the built-in answerer"),
    open("model", "model", "The model's name"),
    secret("model_key", "The model's API key"),
    open("model_api", "model-api", "The API that the model's server speaks: openai (the default) or anthropic"),
    number("model_temperature", "model-temperature", "The model's temperature, 0 to 2; the model's own when unset"),
    number("model_max_tokens", "model-max-tokens", "Tokens that the model may write in one round; 4096 when unset"),
    number(
        "model_history_tokens",
        "model-history-tokens",
        "Tokens of a conversation's history that the model is sent, newest first; 16000 when unset",
    ),
    open("embedder_url", "embedder-url", "Base URL of an embeddings API, with /v1; without it the built-in embedder"),
    open("embedder", "embedder", "The embedding model's name"),
    secret("embedder_key", "The embedder's API key"),
    open("embedder_api", "embedder-api", "The API that the embedder's server speaks: openai (the default)"),
    open("reranker_url", "reranker-url", "Base URL of a rerank API, with /v1; without it nothing is reranked"),
    open("reranker", "reranker", "The reranking model's name"),
    secret("reranker_key", "The reranker's API key"),
    open("embedder_dir", "embedder-dir", "A local embedding model's folder, in a build that has local models"),
    open("reranker_dir", "reranker-dir", "A local reranking model's folder, in a build that has local models"),
    secret("master_key", "The vault's master key, as id:base64"),
    open("master_key_file", "master-key-file", "A file that holds the master key"),
    secret(
        "metrics_token",
        "What Prometheus sends as a bearer token to read /metrics; in production they are closed without it",
    ),
    secret("operator_key", "An operator's API key, with which `resly vault` asks a running host"),
    secret("billing_webhook_secret", "The signing secret of the biller's webhook, such as whsec_…"),
    open(
        "egress_allow",
        "egress-allow",
        "host[:port],… that connectors may reach although it is private or plain http",
    ),
    open("egress_ca", "egress-ca", "Extra certificate authorities for egress: a PEM file"),
    open("egress_route", "egress-route", "host=http://address:port,…: sends a host's traffic elsewhere"),
    Setting {
        kind: Kind::Table,
        ..secret("oauth_clients", "connector=client_id:client_secret,… of OAuth apps for all organizations")
    },
    secret(
        "smtp_url",
        "The mail server: smtps://user:password@host:465, or smtp://…:587 with STARTTLS; no mails without it",
    ),
    open("mail_from", "mail-from", "Who mails are from, such as `Acme <help@example.com>`"),
    number(
        "health_check_s",
        "health-check-s",
        "Seconds between two checks of a connection; 900 when unset, 0 for none",
    ),
    number("max_connections", "max-connections", "Open connections in total; 10000, or what the open files allow"),
    number(
        "max_connections_per_address",
        "max-connections-per-address",
        "Open connections of one client address that is no trusted proxy; 1024",
    ),
    number("head_timeout_s", "head-timeout-s", "Seconds that a request's head may take; 10"),
    number("idle_timeout_s", "idle-timeout-s", "Seconds that a connection may do nothing; 75"),
    number("drain_s", "drain-s", "Seconds that open requests may take when the host stops; 5.5 when unset"),
    open("log", "log", "What to log, such as info or resly=debug"),
    open("log_format", "log-format", "text (the default) or json, one object a line"),
];

/// Variables with the prefix of settings that are none: the path of `resly.toml`, the binary that tests run, and the host and
/// key of `resly knowledge`.
const OTHERS: [&str; 4] = ["RESLY_CONFIG", "RESLY_BIN", "RESLY_URL", "RESLY_ADMIN_KEY"];

/// Reads a variable. It is the process's environment, or a map in tests.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The three layers, merged. No `Debug`: secrets are among the values.
#[derive(Default)]
pub struct Layers {
    values: BTreeMap<&'static str, (String, String)>,
}

pub fn variable(name: &str) -> String {
    format!("RESLY_{}", name.to_ascii_uppercase())
}

/// Whether Kubernetes or Docker has set a variable for a service with the name `resly`.
fn of_a_service(name: &str) -> bool {
    name.strip_prefix("RESLY_").is_some_and(|rest| {
        let rest = rest.strip_prefix("SERVICE_").unwrap_or(rest);
        ["HOST", "PORT"]
            .iter()
            .any(|word| rest.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
    })
}

/// Whether a value may span lines.
fn takes_lines(setting: &Setting) -> bool {
    setting.kind == Kind::Table || matches!(setting.name, "master_key" | "egress_ca")
}

impl Layers {
    /// Finds the variables that look like settings but aren't.
    pub fn check_names(variables: &[String], mistakes: &mut Vec<String>) {
        let known = |name: &str| {
            OTHERS.contains(&name)
                || of_a_service(name)
                || SETTINGS.iter().any(|setting| variable(setting.name) == name)
        };
        let mut unknown: Vec<&String> = variables.iter().filter(|name| !known(name)).collect();
        unknown.sort();
        mistakes.extend(unknown.iter().map(|name| {
            format!(
                "{name}: there is no such setting; `resly serve --help` and the handbook's page on operating list them"
            )
        }));
    }

    /// Merges the layers. Mistakes of the file are added to `mistakes`.
    pub fn read(
        flags: &BTreeMap<String, String>,
        environment: Environment<'_>,
        file: Option<(&Path, &str)>,
        mistakes: &mut Vec<String>,
    ) -> Self {
        let table = file.map_or_else(toml::Table::new, |(path, text)| {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            text.parse().unwrap_or_else(|error: toml::de::Error| {
                mistakes.push(format!("{}: {}", path.display(), error.to_string().trim_end()));
                toml::Table::new()
            })
        });
        let at = file.map_or_else(String::new, |(path, _)| path.display().to_string());
        for name in table.keys().filter(|name| !SETTINGS.iter().any(|setting| setting.name == name.as_str())) {
            mistakes.push(format!("{at}: there is no setting `{name}`"));
        }
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            let found = flags
                .get(setting.name)
                .map(|value| (value.clone(), format!("--{}", setting.flag)))
                .or_else(|| Some((environment(&variable(setting.name))?, variable(setting.name))))
                .or_else(|| match plain(setting, table.get(setting.name)?) {
                    Some(value) => Some((value, format!("{at}: {}", setting.name))),
                    None => {
                        mistakes.push(format!("{at}: `{}` must be {}", setting.name, setting.kind.expected()));
                        None
                    }
                })
                .filter(|(value, _)| !value.trim().is_empty());
            let Some((value, from)) = found else { continue };
            // A URL's parser would silently drop them.
            if !takes_lines(setting) && value.trim().contains(char::is_control) {
                mistakes
                    .push(format!("{from}: it holds a line break or another control character; one line is expected"));
                continue;
            }
            values.insert(setting.name, (value, from));
        }
        Self { values }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(value, _)| value.trim())
    }

    /// Reads one setting. A value that can't be parsed becomes a mistake that names its source.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        name: &str,
        mistakes: &mut Vec<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let (value, from) = self.values.get(name)?;
        parse(value.trim()).map_err(|error| mistakes.push(format!("{from}: {error}"))).ok()
    }

    /// Where a setting came from, for messages.
    pub fn origin(&self, name: &str) -> String {
        self.values.get(name).map_or_else(|| variable(name), |(_, from)| from.clone())
    }
}

fn plain(setting: &Setting, value: &toml::Value) -> Option<String> {
    match (setting.kind, value) {
        (_, toml::Value::String(text)) => Some(text.clone()),
        (Kind::Table, toml::Value::Table(entries)) => serde_json::to_string(entries).ok(),
        (Kind::Number | Kind::Switch, toml::Value::Integer(number)) => Some(number.to_string()),
        (Kind::Number, toml::Value::Float(number)) => Some(number.to_string()),
        (Kind::Switch, toml::Value::Boolean(flag)) => Some(u8::from(*flag).to_string()),
        (Kind::Text, toml::Value::Array(items)) => {
            Some(items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}
