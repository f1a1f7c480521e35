//! `/api/chat` beside the same upstream asked directly, in turns, so that the machine's drift meets both.

use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    client::{Seen, Target, closed_loop, open_loop},
    host::Host,
    median,
    table::Table,
};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(4);
const RATES: [u32; 3] = [50, 200, 500];
const CLIENTS: usize = 32;
/// Multiples of the closed loop's rate, for the host that gets more than it can do.
const OVERLOADS: [f64; 2] = [1.5, 4.0];

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let (_upstream, address) = start_upstream().await?;
    let host = quiet_host(binary, address).await?;

    let bearer = format!("Bearer {}", host.key);
    let through = |question: &str| {
        let body = serde_json::json!({"messages": [{"role": "user", "content": question}]}).to_string();
        Target::post(host.address, "/api/chat", &[("authorization", &bearer)], &body)
    };
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

    let per_second = |seen: &Seen| seen.whole.len() as f64 / seen.elapsed.as_secs_f64();
    let mut rates: (Vec<f64>, Vec<f64>) = Default::default();
    let mut failed = 0;
    for _ in 0..ROUNDS {
        rates.0.push(per_second(&closed_loop(&direct_instant, CLIENTS, STRETCH).await?));
        let seen = closed_loop(&through_instant, CLIENTS, STRETCH).await?;
        failed += seen.failed;
        rates.1.push(per_second(&seen));
    }
    let most = median(&mut rates.1);
    let name = format!("chat, closed loop, {CLIENTS} clients");
    table.row(&name, "upstream asked directly", format!("{:.0} requests/s", median(&mut rates.0)));
    table.row(&name, "through Resly", format!("{most:.0} requests/s ({failed} failed)"));
    table.note(format!("chat, after the closed loop: resident memory {} MiB", host.resident_kib()? / 1024));

    for times in OVERLOADS {
        let mut stretches = Vec::new();
        for _ in 0..ROUNDS {
            stretches.push(open_loop(&through_instant, (most * times) as u32, STRETCH).await?);
        }
        let quantile = |at: f64| {
            median(
                &mut stretches.iter().map(|seen| seen.first.value_at_quantile(at) as f64 / 1000.0).collect::<Vec<_>>(),
            )
        };
        let (p50, p99) = (quantile(0.5), quantile(0.99));
        let answered = median(&mut stretches.iter().map(per_second).collect::<Vec<_>>());
        let refused: usize = stretches.iter().map(|seen| seen.failed).sum();
        let name = format!("chat, {times} times what the closed loop did");
        table.row(&name, "answered", format!("{answered:.0} requests/s, first byte p50 {p50:.1} ms, p99 {p99:.1} ms"));
        table.note(format!("{name}: {refused} refused"));
    }
    Ok(())
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
