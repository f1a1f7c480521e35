//! What the host holds at rest: with the bundled connectors, and with a thousand more installed through its API.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::json;

use crate::{host::Host, table::Table};

const MANY: u32 = 1_000;

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let host = Host::start(binary, None).await?;
    let at_rest = async || {
        // What the last request left is given back within a moment.
        tokio::time::sleep(Duration::from_secs(3)).await;
        host.resident_kib().map(|kib| kib as f64 / 1024.0)
    };
    table.row("memory at rest", "the demo's host, bundled connectors", format!("{:.1} MiB", at_rest().await?));
    install(&host, 0).await?;
    let first = at_rest().await?;
    for nth in 1..=MANY {
        install(&host, nth).await?;
    }
    let more = at_rest().await? - first;
    table.row("memory at rest", "1,000 connectors installed beyond the first", format!("{more:+.1} MiB"));
    Ok(())
}

/// A declarative connector of its own and a connection that uses it.
async fn install(host: &Host, nth: u32) -> Result<()> {
    let id = format!("bench-{nth}");
    let definition = json!({
        "id": id, "name": format!("Service {nth}"), "version": "1.0.0", "description": "A service under measurement.",
        "auth": {"type": "none"},
        "hosts": [format!("api-{nth}.example.com")],
        "actions": [{
            "id": "get", "title": "Get", "description": "Gets one.",
            "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            "request": {"url": format!("https://api-{nth}.example.com/things/{{{{ input.id }}}}")},
        }],
    });
    host.admin(Method::POST, "/api/admin/connectors", Some(definition)).await?;
    let connection =
        json!({"connector": id, "name": format!("Service {nth}"), "environment": "production", "settings": {}});
    host.admin(Method::POST, "/api/admin/connections", Some(connection)).await?;
    Ok(())
}

/// Resident memory of a process, by its number or as `self`, in KiB (Linux, proc(5), VmRSS).
pub fn resident_kib(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("no figure")?.parse()?)
}
