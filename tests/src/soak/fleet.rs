//! Hosts on one database, each a process of its own, with an organization that has a connector.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{lock, upstream::Upstream};
use crate::{
    app::client,
    host::share_compiled,
    process::{HostProcess, resly, run},
};

/// Where the hosts keep everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// In the data folder of one host.
    Sqlite,
    /// In one database of a cluster that this process starts.
    Postgres { hosts: usize },
}

impl Database {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }
}

/// How hosts are started.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The data folder of the only host, instead of a temporary one.
    pub data: Option<PathBuf>,
    /// Further variables of the environment.
    pub variables: Vec<(&'static str, String)>,
}

struct Slot {
    data: PathBuf,
    process: tokio::sync::Mutex<Option<HostProcess>>,
    url: Mutex<Option<String>>,
    _folder: Option<tempfile::TempDir>,
}

/// An organization and its keys.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub admin: String,
    /// With the scopes chat and search.
    pub key: String,
}

/// The hosts. Dropping them kills them.
pub struct Fleet {
    pub client: Client,
    pub tenant: Tenant,
    /// The connection to [`Upstream`].
    pub connection: String,
    /// `postgres://…`; SQLite without it.
    pub database_url: Option<String>,
    slots: Vec<Slot>,
    variables: Vec<(&'static str, String)>,
    /// What hosts that are gone said of panics.
    bugs: Mutex<Vec<String>>,
}

impl Fleet {
    /// Starts the hosts, with the upstream as their model and as the service of an enabled connection.
    pub async fn start(database: Database, upstream: &Upstream, settings: Settings) -> Result<Self> {
        let (hosts, database_url) = match database {
            Database::Sqlite => (1, None),
            Database::Postgres { hosts } => (hosts, Some(crate::postgres::database().await)),
        };
        let Settings { data, variables: more } = settings;
        let mut variables = vec![
            ("RESLY_MODEL_URL", format!("http://{}/v1", upstream.address)),
            ("RESLY_MODEL", "scripted".to_owned()),
            ("RESLY_EGRESS_ALLOW", upstream.address.to_string()),
            ("RESLY_MAX_CONNECTIONS", "30000".to_owned()),
            ("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "30000".to_owned()),
        ];
        variables.extend(database_url.iter().map(|url| ("RESLY_DATABASE_URL", url.clone())));
        variables.extend(more);
        let slots = (0..hosts).map(|_| Slot::new(data.as_deref())).collect::<Result<Vec<_>>>()?;
        let first = &slots.first().context("a fleet has a host")?.data;
        let admin = init(first, &variables, "Acme").await?;
        let tenant = Tenant { key: String::new(), admin };
        let bugs = Mutex::default();
        let mut fleet =
            Self { client: client(), tenant, connection: String::new(), database_url, slots, variables, bugs };
        for host in 0..hosts {
            fleet.launch(host).await?;
        }
        fleet.tenant.key = fleet.make_key(&fleet.tenant.admin).await?;
        fleet.connection = fleet.connect(&fleet.tenant.admin, upstream).await?;
        upstream.serves(&fleet.connection);
        Ok(fleet)
    }

    /// Another organization, with a connection of its own to the upstream.
    pub async fn neighbour(&self, upstream: &Upstream) -> Result<(Tenant, String)> {
        let first = &self.slots.first().context("a fleet has a host")?.data;
        let admin = init(first, &self.variables, "Globex").await?;
        let key = self.make_key(&admin).await?;
        let connection = self.connect(&admin, upstream).await?;
        Ok((Tenant { admin, key }, connection))
    }

    async fn make_key(&self, admin: &str) -> Result<String> {
        let new = json!({"name": "chat", "scopes": ["chat", "search"]});
        let made = self.ask_as(admin, Method::POST, "/api/admin/keys", Some(new)).await?;
        Ok(made["key"].as_str().context("no key")?.to_owned())
    }

    async fn connect(&self, admin: &str, upstream: &Upstream) -> Result<String> {
        let post = |path: String, body: Value| async move { self.ask_as(admin, Method::POST, &path, Some(body)).await };
        post("/api/admin/connectors".to_owned(), upstream.definition()).await?;
        let new = json!({"connector": "stock", "name": "Stock", "environment": "production", "settings": {}});
        let made = post("/api/admin/connections".to_owned(), new).await?;
        let id = made["id"].as_str().context("no id")?.to_owned();
        // What was never called can't be enabled.
        post(format!("/api/admin/connections/{id}/actions/get_item"), json!({"id": "first"})).await?;
        post(format!("/api/admin/connections/{id}/enable"), json!({})).await?;
        Ok(id)
    }

    /// How many hosts there are, running or not.
    pub fn hosts(&self) -> usize {
        self.slots.len()
    }

    /// A host's base URL, unless it is down.
    pub fn url(&self, host: usize) -> Option<String> {
        lock(&self.slots.get(host)?.url).clone()
    }

    /// The data folder of a host.
    pub fn data(&self, host: usize) -> Option<&Path> {
        Some(&self.slots.get(host)?.data)
    }

    fn slot(&self, host: usize) -> Result<&Slot> {
        self.slots.get(host).context("there is no such host")
    }

    /// Begins to start a host.
    pub async fn spawn(&self, host: usize) -> Result<()> {
        let slot = self.slot(host)?;
        let mut command = resly(&slot.data, &["serve", "--listen", "127.0.0.1:0"]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        *slot.process.lock().await = Some(HostProcess::spawn(command)?);
        Ok(())
    }

    /// Waits until a host listens that was spawned.
    pub async fn listening(&self, host: usize) -> Result<()> {
        let slot = self.slot(host)?;
        let mut process = slot.process.lock().await;
        let url = process.as_mut().context("the host isn't started")?.listening().await?;
        *lock(&slot.url) = Some(url);
        Ok(())
    }

    /// Starts a host, and waits until it listens.
    pub async fn launch(&self, host: usize) -> Result<()> {
        self.spawn(host).await?;
        self.listening(host).await
    }

    /// Ends a host with SIGKILL.
    pub async fn kill(&self, host: usize) -> Result<()> {
        let slot = self.slot(host)?;
        *lock(&slot.url) = None;
        if let Some(mut process) = slot.process.lock().await.take() {
            process.kill().await?;
            lock(&self.bugs).extend(process.bugs());
        }
        Ok(())
    }

    /// Whether a host still runs that was started.
    pub async fn is_running(&self, host: usize) -> Result<bool> {
        Ok(self.slot(host)?.process.lock().await.as_mut().is_some_and(HostProcess::is_running))
    }

    /// What a host said last.
    pub async fn last_lines(&self, host: usize) -> Result<String> {
        let process = self.slot(host)?.process.lock().await;
        Ok(process.as_ref().map(HostProcess::last_lines).unwrap_or_default())
    }

    /// Ends every host with SIGKILL, and returns what they ever said of panics.
    pub async fn end(&self) -> Result<Vec<String>> {
        for host in 0..self.hosts() {
            self.kill(host).await?;
        }
        Ok(lock(&self.bugs).clone())
    }

    /// An admin's request to the first host, which must succeed.
    pub async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        self.ask_as(&self.tenant.admin, method, path, body).await
    }

    async fn ask_as(&self, admin: &str, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let base = self.url(0).context("the first host is down")?;
        let mut request = self.client.request(method, format!("{base}{path}")).bearer_auth(admin);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{path} answered {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

impl Slot {
    fn new(data: Option<&Path>) -> Result<Self> {
        let (data, folder) = match data {
            Some(data) => (data.to_owned(), None),
            None => {
                let folder = tempfile::tempdir()?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        share_compiled(&data);
        Ok(Self { data, process: tokio::sync::Mutex::default(), url: Mutex::default(), _folder: folder })
    }
}

async fn init(data: &Path, variables: &[(&'static str, String)], name: &str) -> Result<String> {
    let mut command = resly(data, &["init", "--organization", name]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let made = run(command).await?;
    Ok(made["admin_key"].as_str().context("no key")?.to_owned())
}
