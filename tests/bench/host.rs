//! The real binary as a process of its own, with a demo organization in a throw-away folder.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::memory;

pub struct Host {
    child: Child,
    pub address: SocketAddr,
    pub key: String,
    pub admin: String,
    client: reqwest::Client,
    _data: tempfile::TempDir,
}

impl Host {
    /// Starts `resly demo` on a port of the system's choice; with `model` as its upstream, or `builtin`.
    pub async fn start(binary: &Path, model: Option<&str>) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(binary);
        command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
        command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).env("RUST_LOG", "warn");
        // All clients of a bench have one address.
        command.env("RESLY_MAX_CONNECTIONS", "20000").env("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "20000");
        if let Some(url) = model {
            command.env("RESLY_MODEL_URL", url).env("RESLY_MODEL", "scripted");
        }
        let mut child = command.spawn().with_context(|| format!("{} can't be started", binary.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        tokio::time::timeout(Duration::from_secs(180), BufReader::new(stdout).read_line(&mut line)).await??;
        let ready: Value = serde_json::from_str(&line).with_context(|| format!("the demo said {line:?}"))?;
        let text = |name: &str| ready[name].as_str().map(str::to_owned).context("a field is missing");
        let address = text("url")?.trim_start_matches("http://").trim_end_matches('/').parse()?;
        let client = resly_tests::app::client();
        Ok(Self { child, client, address, key: text("api_key")?, admin: text("admin_key")?, _data: data })
    }

    /// Asks one of the admin routes.
    pub async fn admin(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request =
            self.client.request(method, format!("http://{}{path}", self.address)).bearer_auth(&self.admin);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or(json!(null));
        anyhow::ensure!(status.is_success(), "{path} answered {status}: {answer}");
        Ok(answer)
    }

    /// Uploads a packed component, whatever becomes of it.
    pub async fn upload(&self, wasm: Vec<u8>) -> Result<()> {
        let request =
            self.client.post(format!("http://{}/api/admin/connectors", self.address)).bearer_auth(&self.admin);
        request.header("content-type", "application/wasm").body(wasm).send().await?;
        Ok(())
    }

    /// Components that are compiled or wait for it.
    pub async fn compiling(&self) -> Result<usize> {
        let metrics = self.client.get(format!("http://{}/metrics", self.address)).send().await?.text().await?;
        let value = metrics.lines().find_map(|line| line.strip_prefix("resly_sandbox_compiling "));
        Ok(value.context("the metric is missing")?.parse()?)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        memory::resident_kib(&self.child.id().context("the host has ended")?.to_string())
    }
}
