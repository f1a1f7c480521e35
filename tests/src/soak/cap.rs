//! A cap of N, 64 clients, three hosts on one database: exactly N get through, of chats, connector calls and fuel.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Extent,
    audit::Ledger,
    fleet::{Database, Fleet, Settings},
    question::Question,
    report::Report,
    upstream::Upstream,
};

const CLIENTS: u64 = 64;
const HOSTS: usize = 3;
/// Calls whose fuel the cap on fuel allows.
const FUEL_CALLS: u64 = 20;
/// How often each client asks on after its first refusal.
const AFTER: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a crowd of clients got.
#[derive(Debug, Default)]
struct Got {
    passed: u64,
    refused: u64,
    /// Other answers, one of each client.
    other: Vec<String>,
}

pub async fn run(extent: Extent) -> Result<Report> {
    let mut report = Report::new("cap");
    let upstream = Upstream::start(extent.seed, false).await?;
    let fleet = Fleet::start(Database::Postgres { hosts: HOSTS }, &upstream, Settings::default()).await?;
    let fleet = Arc::new(fleet);
    let data = fleet.data(0).context("a fleet has a host")?;
    let mut ledger = Ledger::open(fleet.database_url.as_deref(), data).await?;
    let cap = extent.chats.min(1000) / 2;

    limit(&fleet, &json!({"messages": cap})).await?;
    let asked = Arc::new(AtomicU64::new(0));
    let got = crowd(&fleet, move |fleet, base| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let question = Question::at_once(number).body();
        fleet.client.post(format!("{base}/api/chat?format=json")).bearer_auth(&fleet.tenant.key).json(&question)
    });
    exactly(&mut report, "chats", &got.await?, cap);
    report.equal("messages in `usage`", ledger.used("messages").await?, i128::from(cap));
    report.equal("messages in `billing_events`", ledger.billed("messages").await?, i128::from(cap));

    let path = format!("/api/admin/connections/{}/actions/get_item", fleet.connection);
    let received = |upstream: &Upstream| i128::from(upstream.account().received.values().sum::<u64>());
    // Some were called before, and tell what a call burns.
    let before = received(&upstream);
    let fuel = ledger.used("fuel").await? / before;
    let most = before + i128::from(cap);
    limit(&fleet, &json!({"connector_calls": u64::try_from(most)?})).await?;
    exactly(&mut report, "connector calls", &calls(&fleet, &path).await?, cap);
    report.equal("calls that the service received", received(&upstream), most);
    report.equal("calls in `usage`", ledger.used("connector_calls").await?, most);
    report.equal("calls in `billing_events`", ledger.billed("connector_calls").await?, most);

    let burnt = ledger.used("fuel").await?;
    let most = burnt + fuel * i128::from(FUEL_CALLS) + fuel / 2;
    limit(&fleet, &json!({"connector_calls": null, "fuel": u64::try_from(most)?})).await?;
    let before = received(&upstream);
    let got = calls(&fleet, &path).await?;
    let used = ledger.used("fuel").await?;
    report.figure("fuel", format!("{used} used of {most}; {} calls passed, {} were refused", got.passed, got.refused));
    report.check(used <= most, || format!("{used} fuel was burnt, and {most} is the cap"));
    report.check(used + fuel > most, || format!("{} fuel was left, enough for a call of {fuel}", most - used));
    report.equal("fuel in `billing_events`", ledger.billed("fuel").await?, used);
    report.equal("fuel that is still reserved", ledger.reserved().await?, 0);
    let passed = i128::from(got.passed);
    report
        .check(received(&upstream) - before >= passed, || format!("{passed} calls passed that the service never saw"));
    report.equal(
        "calls in `billing_events`",
        ledger.billed("connector_calls").await?,
        ledger.used("connector_calls").await?,
    );
    for bug in fleet.end().await? {
        report.check(false, || bug.clone());
    }
    Ok(report)
}

async fn limit(fleet: &Fleet, limits: &Value) -> Result<()> {
    fleet.admin(Method::PATCH, "/api/admin/plan", Some(json!({"limits": limits}))).await.map(drop)
}

fn exactly(report: &mut Report, what: &str, got: &Got, cap: u64) {
    report.figure(
        what,
        format!("{} passed, {} were refused, of {CLIENTS} clients on {HOSTS} hosts", got.passed, got.refused),
    );
    report.equal(&format!("{what} that passed"), i128::from(got.passed), i128::from(cap));
    for other in &got.other {
        report.check(false, || format!("{what}: a client was told {other}"));
    }
}

async fn calls(fleet: &Arc<Fleet>, path: &str) -> Result<Got> {
    let (path, number) = (path.to_owned(), AtomicU64::new(0));
    crowd(fleet, move |fleet, base| {
        let input = json!({"id": format!("call-{}", number.fetch_add(1, Ordering::Relaxed))});
        fleet.client.post(format!("{base}{path}")).bearer_auth(&fleet.tenant.admin).json(&input)
    })
    .await
}

/// Clients that ask until they were refused, and then a few times more.
async fn crowd(
    fleet: &Arc<Fleet>,
    request: impl Fn(&Fleet, &str) -> RequestBuilder + Send + Sync + 'static,
) -> Result<Got> {
    let request = Arc::new(request);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (fleet, request) = (Arc::clone(fleet), Arc::clone(&request));
        clients.spawn(async move {
            let base = fleet.url(client as usize % fleet.hosts()).context("a host is down")?;
            let mut got = Got::default();
            while got.refused < AFTER {
                let response = request(&fleet, &base).timeout(PATIENCE).send().await?;
                let (status, text) = (response.status(), response.text().await?);
                match status.as_u16() {
                    200 => got.passed += 1,
                    429 if text.contains("/docs/problems/limit-reached") => got.refused += 1,
                    // The rest of the fuel is too little for a call, or set aside for calls that are running.
                    _ if text.contains("fuel") || text.contains("limit") => got.refused += 1,
                    _ => {
                        got.other.push(format!("{status}: {text}"));
                        break;
                    }
                }
            }
            Ok::<_, anyhow::Error>(got)
        });
    }
    let mut sum = Got::default();
    while let Some(got) = clients.join_next().await {
        let Got { passed, refused, other } = got??;
        sum.passed += passed;
        sum.refused += refused;
        sum.other.extend(other);
    }
    Ok(sum)
}
