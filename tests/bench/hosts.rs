//! `/api/chat` on one to three hosts that share a PostgreSQL, beside one host on SQLite.
//!
//! First every host takes what the machine gives, so the processors, the hosts, the database and the load generator share
//! them. Then the model takes its time: the processors aren't the limit, and what is seen is whether the hosts hinder each
//! other in the database. One organization has one row for its count of messages, which all
//! its questions change; the last rows have an organization for each host.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use resly_tests::{
    load::{Seen, Target, closed_loop},
    postgres,
};

use crate::{chat::start_upstream, median, served::Served, table::Table};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(4);
/// Clients of each host. With instant answers they keep it busy; with paced ones the model's time is the limit.
const CLIENTS: usize = 16;
const MOST_HOSTS: usize = 3;
const INSTANT: &str = "How do I rotate an API key? Answer instantly.";
const PACED: &str = "How do I rotate an API key?";

/// One database with hosts on it, and as many organizations.
struct Group {
    hosts: Vec<Served>,
    /// A key of each organization.
    keys: Vec<String>,
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let (_upstream, model) = start_upstream().await?;
    let sqlite = Group::start(binary, None, 1, model).await?;
    let groups = try_join_all((1..=MOST_HOSTS).map(async |hosts| {
        let url = postgres::database().await;
        Group::start(binary, Some(url), hosts, model).await
    }))
    .await?;
    let rows = [
        ("instant answers", INSTANT, false),
        ("paced answers", PACED, false),
        ("paced answers, an organization for each host", PACED, true),
    ];
    for (what, question, own) in rows {
        let alone = if own { None } else { Some(sqlite.measure(question, false).await?) };
        let mut found: Vec<Vec<Rates>> = groups.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (group, found) in groups.iter().zip(&mut found) {
                found.push(group.measure(question, own).await?);
            }
        }
        let name = format!("hosts, {CLIENTS} clients each, {what}");
        if let Some(alone) = alone {
            table.row(&name, "SQLite, 1 host", alone.show(None));
        }
        let mut first = None;
        for (hosts, found) in (1..).zip(&mut found) {
            let middle = Rates::middle(found);
            let base = *first.get_or_insert(middle.per_second);
            table.row(&name, &format!("PostgreSQL, {hosts} of them"), middle.show(Some(base)));
        }
    }
    Ok(())
}

impl Group {
    async fn start(binary: &Path, url: Option<String>, hosts: usize, model: SocketAddr) -> Result<Self> {
        let settings = || {
            vec![
                ("RESLY_MODEL_URL", format!("http://{model}/v1")),
                ("RESLY_MODEL", "scripted".to_owned()),
                ("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "20000".to_owned()),
            ]
        };
        let (mut started, mut keys) = (Vec::new(), Vec::new());
        for nth in 0..hosts {
            let host = Served::with_settings(binary, url.clone(), settings()).await?;
            host.ready().await?;
            keys.push(host.organization(&format!("bench-{nth}")).await?);
            started.push(host);
        }
        Ok(Self { hosts: started, keys })
    }

    /// Asks all hosts at once: about one organization, or about one of each host's own.
    async fn measure(&self, question: &str, own: bool) -> Result<Rates> {
        let targets = self.hosts.iter().enumerate().map(|(nth, host)| {
            let key = self.keys.get(if own { nth } else { 0 }).context("an organization has a key")?;
            target(host, key, question)
        });
        let targets = targets.collect::<Result<Vec<_>>>()?;
        try_join_all(targets.iter().map(|target| closed_loop(target, CLIENTS, Duration::from_secs(1)))).await?;
        let seen = try_join_all(targets.iter().map(|target| closed_loop(target, CLIENTS, STRETCH))).await?;
        Rates::of(&seen)
    }
}

fn target(host: &Served, key: &str, question: &str) -> Result<Arc<Target>> {
    let body = serde_json::json!({"messages": [{"role": "user", "content": question}]}).to_string();
    let address = host.base.trim_start_matches("http://").parse()?;
    Ok(Target::post(address, "/api/chat", &[("authorization", &format!("Bearer {key}"))], &body))
}

#[derive(Clone, Copy)]
struct Rates {
    per_second: f64,
    /// Milliseconds until the first byte.
    p50: f64,
    p99: f64,
}

impl Rates {
    fn of(seen: &[Seen]) -> Result<Self> {
        let failed: usize = seen.iter().map(|seen| seen.failed).sum();
        ensure!(failed == 0, "{failed} requests failed");
        let mut first = hdrhistogram::Histogram::<u64>::new(3)?;
        for seen in seen {
            first.add(&seen.first)?;
        }
        let millis = |at| first.value_at_quantile(at) as f64 / 1000.0;
        Ok(Self { per_second: seen.iter().map(Seen::per_second).sum(), p50: millis(0.5), p99: millis(0.99) })
    }

    fn middle(of: &[Self]) -> Self {
        let middle = |pick: fn(&Self) -> f64| median(&mut of.iter().map(pick).collect::<Vec<_>>());
        Self { per_second: middle(|of| of.per_second), p50: middle(|of| of.p50), p99: middle(|of| of.p99) }
    }

    /// Beside the rate of one host.
    fn show(&self, one: Option<f64>) -> String {
        let Self { per_second, p50, p99 } = self;
        let times = one.map(|one| format!(" ({:.2} times)", per_second / one)).unwrap_or_default();
        format!("{per_second:.0} requests/s{times}, first byte p50 {p50:.1} ms, p99 {p99:.1} ms")
    }
}
