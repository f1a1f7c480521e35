//! The real binary as `resly serve`, on SQLite or PostgreSQL, with organizations of the benchmark's own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

/// How long a host may take until it listens.
const START: Duration = Duration::from_secs(180);

pub struct Served {
    child: Child,
    pub base: String,
    binary: PathBuf,
    settings: Vec<(&'static str, String)>,
    data: PathBuf,
    /// Removes the folder, where it is this host's own.
    _temporary: Option<tempfile::TempDir>,
}

impl Served {
    /// Starts a host on a port of the system's choice; on PostgreSQL with a database's URL.
    pub async fn start(binary: &Path, database_url: Option<String>) -> Result<Self> {
        Self::with_settings(binary, database_url, Vec::new()).await
    }

    /// As [`Served::start`], with settings by the names of their variables.
    pub async fn with_settings(
        binary: &Path,
        database_url: Option<String>,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let served = Self::on(binary, data.path(), database_url, settings).await?;
        Ok(Self { _temporary: Some(data), ..served })
    }

    /// As [`Served::with_settings`], on a folder that may have data.
    pub async fn on(
        binary: &Path,
        data: &Path,
        database_url: Option<String>,
        mut settings: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        settings.push(("RESLY_MASTER_KEY", resly_tests::host::master_key()));
        settings.extend(database_url.map(|url| ("RESLY_DATABASE_URL", url)));
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        command.envs(settings.clone()).env("RESLY_LOG_FORMAT", "json");
        command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{} can't be started", binary.display()))?;
        let mut log = BufReader::new(child.stderr.take().context("no standard error")?).lines();
        let base = tokio::time::timeout(START, listening(&mut log)).await.context("the host doesn't start")??;
        // A full pipe would stop the host.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Ok(Self { child, base, binary: binary.to_owned(), settings, data: data.to_owned(), _temporary: None })
    }

    /// Waits until the host says that it is ready.
    pub async fn ready(&self) -> Result<()> {
        let client = resly_tests::app::client();
        let started = tokio::time::Instant::now();
        while !client.get(format!("{}/readyz", self.base)).send().await?.status().is_success() {
            ensure!(started.elapsed() < START, "the host isn't ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Ends the host as an operator does, and waits for that.
    pub async fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.child.id().context("the host has ended")?)?;
        let pid = rustix::process::Pid::from_raw(id).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await??;
        Ok(())
    }

    /// Its resident memory.
    pub fn resident_kib(&self) -> Result<u64> {
        crate::memory::resident_kib(&self.child.id().context("the host has ended")?.to_string())
    }

    /// Makes an organization and returns its first key, which has every scope.
    pub async fn organization(&self, name: &str) -> Result<String> {
        self.told(&["init", "--organization", name], "admin_key").await
    }

    /// A link that signs a new owner of an organization in at the console.
    pub async fn sign_in_link(&self, organization: &str) -> Result<String> {
        let link = self.told(&["members", "link", "--organization", organization], "url").await?;
        let (_, path) = link.split_once("/console").context("the link is to no page of the console")?;
        Ok(format!("{}/console{path}", self.base))
    }

    /// Runs a command of the host's binary beside the host, and returns a member of what it prints.
    async fn told(&self, arguments: &[&str], member: &str) -> Result<String> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--data").arg(&self.data).envs(self.settings.clone());
        let done = command.output().await?;
        ensure!(done.status.success(), "resly {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        let told: Value = serde_json::from_slice(&done.stdout)?;
        Ok(told[member].as_str().with_context(|| format!("resly {arguments:?} printed no {member}"))?.to_owned())
    }
}

/// Reads the log until it tells the host's address.
async fn listening(log: &mut Lines<BufReader<ChildStderr>>) -> Result<String> {
    let mut last = String::new();
    while let Some(line) = log.next_line().await? {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["message"] == "listening" {
            return Ok(entry["url"].as_str().context("no address in the log")?.to_owned());
        }
        last = line;
    }
    bail!("the host ended before it listened: {last}")
}
