//! PostgreSQL is restarted again and again under the load of two hosts. No answer is lost, and each host answers again within ten seconds.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{process::Command, time::Instant};

use super::{
    Extent,
    customers::Customers,
    fleet::{Database, Fleet, Settings},
    ledger::settle,
    report::Report,
    upstream::Upstream,
};

const HOSTS: usize = 2;
/// From one restart to the next.
const EVERY: Duration = Duration::from_secs(20);
/// Within this time after PostgreSQL went down, each host answers a chat again.
const HEALTHY: Duration = Duration::from_secs(10);
/// What happens between two restarts of the short form.
const BEATS: u64 = 300;

pub async fn run(extent: Extent) -> Result<Report> {
    let mut report = Report::new("restarts of PostgreSQL");
    let upstream = Upstream::start(extent.seed, true).await?;
    let fleet = Arc::new(Fleet::start(Database::Postgres { hosts: HOSTS }, &upstream, Settings::default()).await?);
    let customers = Customers::new(Arc::clone(&fleet), upstream.clone(), extent.seed);
    let crowd = tokio::spawn({
        let customers = Arc::clone(&customers);
        async move { customers.ask(extent.chats).await }
    });
    let mut slowest = Duration::ZERO;
    let mut down = Vec::new();
    for nth in 0..extent.restarts {
        upstream.after(BEATS).await;
        // By turns as an operator would, and as a crash does.
        let mode = if nth % 2 == 0 { "fast" } else { "immediate" };
        let began = Instant::now();
        restart(fleet.database_url.as_deref().context("it is on PostgreSQL")?, mode).await?;
        down.push(began.elapsed());
        for host in 0..fleet.hosts() {
            customers.ask_at(host, HEALTHY * 3).await?;
        }
        slowest = slowest.max(began.elapsed());
        if extent.timed {
            tokio::time::sleep_until(began + EVERY).await;
        }
    }
    customers.stop();
    crowd.await??;
    report.figure("restarts", extent.restarts);
    let longest = down.iter().max().copied().unwrap_or_default();
    report.figure("PostgreSQL was down", format!("{:.1} s at most", longest.as_secs_f64()));
    report.figure("hosts answered again", format!("{:.1} s after it went down, at most", slowest.as_secs_f64()));
    report.check(slowest < HEALTHY, || format!("a host answered only after {slowest:?}"));
    settle(&mut report, &fleet, &upstream, &customers).await?;
    Ok(report)
}

/// Restarts the server behind a URL whose `host` is the cluster's folder.
async fn restart(url: &str, mode: &str) -> Result<()> {
    let (_, folder) = url.split_once("?host=").context("the URL names no folder")?;
    let folder = folder.replace("%2F", "/");
    let data = Path::new(&folder).join("data");
    let program = Path::new(&crate::postgres::binaries()).join("pg_ctl");
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&data)?);
    // PostgreSQL refuses to run as root.
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={owner}"), format!("--regid={owner}"), "--clear-groups".to_owned()]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.arg("-D").arg(&data).args(["-w", "-t", "60", "-m", mode, "-l"]);
    command.arg(Path::new(&folder).join("server.log")).arg("restart");
    // The server inherits them, so a pipe would never end.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().await?;
    ensure!(status.success(), "pg_ctl restart: {status}");
    Ok(())
}
