//! Ten times the questions that a host can answer. It goes on answering most of what it could, refuses the others soon and
//! says when to come back, and recovers.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::{
    Extent,
    fleet::{Database, Fleet, Settings},
    question::Question,
    report::Report,
    upstream::Upstream,
};
use crate::load::{Seen, Target, closed_loop, open_loop};

const CLIENTS: usize = 32;
const TIMES: f64 = 10.0;
const ROUNDS: usize = 3;
/// The share of the answers that has to remain.
const GOODPUT: f64 = 0.8;
/// Within this time a question is refused.
const REFUSED: Duration = Duration::from_millis(50);
/// Within this time after the overload a host is as quick as before.
const RECOVERED: Duration = Duration::from_secs(10);
/// Chats in a row that have to be quick, and how much slower than before they may be.
const IN_A_ROW: usize = 20;
const SLOWER: u32 = 3;

pub async fn run(extent: Extent) -> Result<Report> {
    let mut report = Report::new("overload");
    let upstream = Upstream::start(extent.seed, false).await?;
    let fleet = Arc::new(Fleet::start(Database::Sqlite, &upstream, Settings::default()).await?);
    let address = fleet.url(0).context("the host is down")?.trim_start_matches("http://").parse()?;
    let question = Question::at_once(1).body().to_string();
    let bearer = format!("Bearer {}", fleet.tenant.key);
    let chat = Target::post_plain(address, "/api/chat?format=json", &[("authorization", &bearer)], &question);
    let stretch = Duration::from_secs(extent.stretch_s);
    closed_loop(&chat, CLIENTS, stretch).await?;
    // On a busy machine nothing is quick for long.
    let quick = if extent.timed { quickest(&chat).await? * SLOWER } else { Duration::MAX };
    let mut most = Vec::new();
    for _ in 0..ROUNDS {
        most.push(closed_loop(&chat, CLIENTS, stretch).await?.per_second());
    }
    let most = middle(most);
    let mut stretches = Vec::new();
    let mut slowest = Duration::ZERO;
    for _ in 0..ROUNDS {
        stretches.push(open_loop(&chat, (most * TIMES) as u32, stretch).await?);
        slowest = slowest.max(recovery(&chat, quick).await?);
    }
    let of = |figure: &dyn Fn(&Seen) -> f64| middle(stretches.iter().map(figure).collect());
    let goodput = of(&|seen| seen.per_second()) / most;
    let refused = of(&|seen| seen.shed.value_at_quantile(0.99) as f64 / 1000.0);
    report.figure(
        "answers",
        format!("{most:.0}/s without overload; {:.0} % of them at {TIMES} times that", goodput * 100.0),
    );
    report.figure("refused after", format!("{refused:.1} ms at p99, from when the question was due"));
    report.figure("quick again", format!("{:.2} s after the overload, at most", slowest.as_secs_f64()));
    let timed = extent.timed;
    report.check(!timed || goodput >= GOODPUT, || format!("{:.0} % of the answers remained", goodput * 100.0));
    report.check(!timed || refused <= REFUSED.as_millis() as f64, || {
        format!("a question was refused after {refused:.0} ms")
    });
    report.check(slowest < RECOVERED, || format!("the host was quick again only after {slowest:?}"));
    let shed: u64 = stretches.iter().map(|seen| seen.shed.len()).sum();
    let silent: usize = stretches.iter().map(|seen| seen.silent).sum();
    let failed: usize = stretches.iter().map(|seen| seen.failed).sum();
    report.figure("refused", format!("{shed} questions"));
    report.equal("refusals that don't say when to come back", silent as i128, 0);
    report.equal("questions that failed otherwise", failed as i128 - i128::from(shed), 0);
    for bug in fleet.end().await? {
        report.check(false, || bug.clone());
    }
    Ok(report)
}

fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What most chats take one after the other.
async fn quickest(chat: &Arc<Target>) -> Result<Duration> {
    let seen = closed_loop(chat, 1, Duration::from_secs(1)).await?;
    Ok(Duration::from_micros(seen.whole.value_at_quantile(0.95)))
}

/// How long it takes until chats in a row are answered within `quick`.
async fn recovery(chat: &Arc<Target>, quick: Duration) -> Result<Duration> {
    let began = Instant::now();
    let (mut row, mut since) = (0, began);
    while row < IN_A_ROW {
        let asked = Instant::now();
        let answered = chat.ask(asked).await.is_ok_and(|sample| sample.whole <= quick);
        if answered {
            if row == 0 {
                since = asked;
            }
            row += 1;
        } else {
            row = 0;
        }
        if began.elapsed() > RECOVERED * 2 {
            return Ok(began.elapsed());
        }
    }
    Ok(since - began)
}
