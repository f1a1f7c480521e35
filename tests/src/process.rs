//! The binary as a process of its own, which a test starts, kills and starts again.

use std::{
    collections::VecDeque,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStderr, Command},
    sync::watch,
};

use crate::host::{binary, master_key};

/// How long a process may take until it listens.
const PATIENCE: Duration = Duration::from_secs(60);
/// The last lines of a log, for who looks why a host failed.
const LINES: usize = 40;

/// The binary with these arguments, on a data folder.
pub fn resly(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--data").arg(data).env("RESLY_MASTER_KEY", master_key()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command that prints one JSON line.
pub async fn run(mut command: Command) -> Result<Value> {
    let done = command.output().await.context("the binary is built by `make build`")?;
    if !done.status.success() {
        bail!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr));
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// What a host says on standard error.
#[derive(Default)]
struct Log {
    last: VecDeque<String>,
    /// The lines that tell of a panic.
    bugs: Vec<String>,
}

/// A running host. Dropping it kills it.
pub struct HostProcess {
    child: Child,
    url: watch::Receiver<Option<String>>,
    log: Arc<Mutex<Log>>,
}

impl HostProcess {
    /// Starts `command`, which has to be `resly serve`, and doesn't wait for it.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command.spawn().context("the binary is built by `make build`")?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (sender, url) = watch::channel(None);
        let log = Arc::<Mutex<Log>>::default();
        tokio::spawn(read_log(stderr, sender, Arc::clone(&log)));
        Ok(Self { child, url, log })
    }

    /// Its base URL, once it listens.
    pub async fn listening(&mut self) -> Result<String> {
        let found = tokio::time::timeout(PATIENCE, self.url.wait_for(Option::is_some)).await;
        if let Ok(Ok(url)) = &found
            && let Some(url) = url.as_ref()
        {
            return Ok(url.clone());
        }
        drop(found);
        bail!("the host doesn't listen; it said:\n{}", self.last_lines())
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it said last.
    pub fn last_lines(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.last.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// The lines that tell of a panic.
    pub fn bugs(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).bugs.clone()
    }
}

/// Reads on to the end, because a pipe that nobody reads would stop the host.
async fn read_log(stderr: ChildStderr, url: watch::Sender<Option<String>>, log: Arc<Mutex<Log>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once("listening url=") {
            let found = rest.split_whitespace().next().unwrap_or_default().trim_end_matches('/').to_owned();
            url.send_replace(Some(found));
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if line.contains("a bug:") {
            log.bugs.push(line.clone());
        }
        if log.last.len() == LINES {
            log.last.pop_front();
        }
        log.last.push_back(line);
    }
}
