//! `/api/chat` beside the same upstream asked directly, in turns, so that the machine's drift meets both.

use std::{net::SocketAddr, path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use resly_tests::load::{Seen, Target, closed_loop, open_loop};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{host::Host, median, table::Table};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(4);
const RATES: [u32; 3] = [50, 200, 500];
pub const CLIENTS: usize = 32;

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let (_upstream, address) = start_upstream().await?;
    let host = quiet_host(binary, address).await?;

    let through = |question: &str| question_to(&host, question);
    let direct = |question: &str| {
        let body = serde_json::json!({"model": "scripted", "stream": true,
            "messages": [{"role": "user", "content": question}]});
        Target::post(address, "/v1/chat/completions", &[], &body.to_string())
    };

    let paced = "How do I rotate an API key?";
    let (through_paced, direct_paced) = (through(paced), direct(paced));
    open_loop(&through_paced, 20, Duration::from_secs(1)).await?;
    open_loop(&direct_paced, 20, Duration::from_secs(1)).await?;
    table.note(format!("chat: resident memory at rest {} MiB", host.resident_kib()? / 1024));
    for rate in RATES {
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            let direct = open_loop(&direct_paced, rate, STRETCH).await?;
            let through = open_loop(&through_paced, rate, STRETCH).await?;
            pairs.push((direct, through));
        }
        report(table, &format!("chat, {rate}/s"), &pairs);
        table.note(format!("chat, {rate}/s: resident memory {} MiB", host.resident_kib()? / 1024));
    }

    let instant = "How do I rotate an API key? Answer instantly.";
    let (through_instant, direct_instant) = (through(instant), direct(instant));
    // The paced model's timers have steps of a millisecond. What the host itself takes is seen without them.
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        let direct = open_loop(&direct_instant, RATES[0], STRETCH).await?;
        let through = open_loop(&through_instant, RATES[0], STRETCH).await?;
        pairs.push((direct, through));
    }
    report(table, &format!("chat, instant answers, {}/s", RATES[0]), &pairs);

    let mut rates: (Vec<f64>, Vec<f64>) = Default::default();
    let mut failed = 0;
    for _ in 0..ROUNDS {
        rates.0.push(closed_loop(&direct_instant, CLIENTS, STRETCH).await?.per_second());
        let seen = closed_loop(&through_instant, CLIENTS, STRETCH).await?;
        failed += seen.failed;
        rates.1.push(seen.per_second());
    }
    let name = format!("chat, closed loop, {CLIENTS} clients");
    table.row(&name, "upstream asked directly", format!("{:.0} requests/s", median(&mut rates.0)));
    table.row(&name, "through Resly", format!("{:.0} requests/s ({failed} failed)", median(&mut rates.1)));
    table.note(format!("chat, after the closed loop: resident memory {} MiB", host.resident_kib()? / 1024));
    Ok(())
}

/// A chat of one question.
pub fn question_to(host: &Host, question: &str) -> Arc<Target> {
    let body = serde_json::json!({"messages": [{"role": "user", "content": question}]}).to_string();
    Target::post(host.address, "/api/chat", &[("authorization", &format!("Bearer {}", host.key))], &body)
}

/// A host with that upstream and no connector on offer.
pub async fn quiet_host(binary: &Path, address: SocketAddr) -> Result<Host> {
    let host = Host::start(binary, Some(&format!("http://{address}/v1"))).await?;
    // With a connector on offer, a text answer's first words wait for it to be known that no call follows.
    let connections = host.admin(reqwest::Method::GET, "/api/admin/connections", None).await?;
    let list = connections.as_array().or(connections["connections"].as_array()).cloned().unwrap_or_default();
    for id in list.iter().filter_map(|connection| connection["id"].as_str()) {
        host.admin(reqwest::Method::POST, &format!("/api/admin/connections/{id}/disable"), None).await?;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    Ok(host)
}

fn report(table: &mut Table, name: &str, pairs: &[(Seen, Seen)]) {
    let quantile = |pick: fn(&Seen) -> &hdrhistogram::Histogram<u64>, at: f64| {
        let mut direct: Vec<f64> = pairs.iter().map(|(direct, _)| pick(direct).value_at_quantile(at) as f64).collect();
        let mut added: Vec<f64> = pairs
            .iter()
            .map(|(direct, through)| {
                pick(through).value_at_quantile(at) as f64 - pick(direct).value_at_quantile(at) as f64
            })
            .collect();
        (median(&mut direct) / 1000.0, median(&mut added) / 1000.0)
    };
    let show = |pick: fn(&Seen) -> &hdrhistogram::Histogram<u64>| {
        let ((d50, a50), (d99, a99)) = (quantile(pick, 0.5), quantile(pick, 0.99));
        format!("p50 {d50:.2} {a50:+.2} ms, p99 {d99:.2} {a99:+.2} ms")
    };
    table.row(name, "first byte: direct, added", show(|seen| &seen.first));
    table.row(name, "whole answer: direct, added", show(|seen| &seen.whole));
    table.row(name, "gap between tokens: direct, added", show(|seen| &seen.gaps));
    let failed: usize = pairs.iter().map(|(direct, through)| direct.failed + through.failed).sum();
    if failed > 0 {
        table.note(format!("{name}: {failed} requests failed"));
    }
}

pub async fn start_upstream() -> Result<(Child, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("upstream")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the upstream can't be started")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line).await?;
    Ok((child, line.trim().parse()?))
}
