//! One organization has 200 calls that hang at their service. Another one's chats must not feel it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    Extent,
    fleet::{Database, Fleet, Settings},
    question::Question,
    report::Report,
    upstream::Upstream,
};
use crate::load::{Seen, Target, open_loop};

const CALLS: usize = 200;
/// Chats of the other organization, a second.
const RATE: u32 = 40;
const ROUNDS: usize = 3;
/// How much longer the other's p99 may be.
const MOST: f64 = 1.5;
/// The calls that have to hang before anything is measured. The others wait for a place.
const HANGING: usize = 8;

pub async fn run(extent: Extent) -> Result<Report> {
    let mut report = Report::new("hung calls");
    let upstream = Upstream::start(extent.seed, false).await?;
    let fleet = Arc::new(Fleet::start(Database::Sqlite, &upstream, Settings::default()).await?);
    let (neighbour, connection) = fleet.neighbour(&upstream).await?;
    let chat = chat(&fleet)?;
    let stretch = Duration::from_secs(extent.stretch_s);
    open_loop(&chat, RATE, Duration::from_secs(1)).await?;
    let alone = measure(&chat, stretch).await?;

    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let base = fleet.url(0).context("the host is down")?;
        let url = format!("{base}/api/admin/connections/{connection}/actions/wait_for_item");
        let (client, admin) = (fleet.client.clone(), neighbour.admin.clone());
        let input = json!({"id": number.to_string()});
        calls.spawn(async move {
            // A call that is refused, or whose time is over, is made again.
            loop {
                let _ = client.post(&url).bearer_auth(&admin).json(&input).send().await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
    }
    upstream.holding(HANGING).await;
    let beside = measure(&chat, stretch).await?;
    report.figure("calls", format!("{CALLS} at once, of which {} hung at the service", upstream.held()));
    compare(&mut report, &alone, &beside, MOST, extent.timed);
    for bug in fleet.end().await? {
        report.check(false, || bug.clone());
    }
    Ok(report)
}

/// A chat of the first organization, over connections that are kept alive.
pub(super) fn chat(fleet: &Fleet) -> Result<Arc<Target>> {
    let address = fleet.url(0).context("the host is down")?.trim_start_matches("http://").parse()?;
    let body = Question::plain(1).body().to_string();
    let bearer = format!("Bearer {}", fleet.tenant.key);
    Ok(Target::post(address, "/api/chat", &[("authorization", &bearer)], &body))
}

/// Several stretches of chats at a steady rate.
pub(super) async fn measure(chat: &Arc<Target>, stretch: Duration) -> Result<Vec<Seen>> {
    let mut stretches = Vec::new();
    for _ in 0..ROUNDS {
        stretches.push(open_loop(chat, RATE, stretch).await?);
    }
    Ok(stretches)
}

/// The middle of the stretches' p99, in milliseconds.
fn p99(stretches: &[Seen]) -> f64 {
    let mut found: Vec<u64> = stretches.iter().map(|seen| seen.whole.value_at_quantile(0.99)).collect();
    found.sort_unstable();
    found.get(found.len() / 2).copied().unwrap_or_default() as f64 / 1000.0
}

/// Notes how chats fared alone and beside a crowd.
pub(super) fn compare(report: &mut Report, alone: &[Seen], beside: &[Seen], most: f64, timed: bool) {
    let (alone_ms, beside_ms) = (p99(alone), p99(beside));
    let ratio = beside_ms / alone_ms;
    report.figure("chats, p99", format!("alone {alone_ms:.1} ms, meanwhile {beside_ms:.1} ms: {ratio:.2} times"));
    report.check(!timed || ratio <= most, || format!("p99 is {ratio:.2} times as long, and {most} is the bound"));
    let all = || alone.iter().chain(beside);
    let shed: u64 = all().map(|seen| seen.shed.len()).sum();
    let failed: usize = all().map(|seen| seen.failed).sum();
    // A busy machine has the host refuse some, which is no fault.
    report.check(!timed || shed == 0, || format!("{shed} chats were refused"));
    report.equal("chats that failed", failed as i128 - i128::from(shed), 0);
}
