//! `kill -9` at random moments, clients that hang up at random bytes, a model that resets at random bytes, and the same
//! request twice at once on different hosts. Then everything has to be there exactly once.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use resly_core::time::{Clock, SystemClock};
use resly_store::{Store, StoreConfig};
use tokio::time::Instant;

use super::{
    Extent,
    audit::{Ledger, audit},
    customers::{Customers, Told},
    dice::Dice,
    fleet::{Database, Fleet, Settings},
    report::Report,
    upstream::Upstream,
};

/// Things that happen between two kills, at most.
const BEATS: usize = 150;
/// Per cent of kills that meet a host which is still starting, within so many milliseconds.
const AT_START: usize = 10;
const START_MS: usize = 400;
/// Per cent of kills after which the other hosts find the leases of the dead one over.
const LEASE_ENDS: usize = 25;
/// Longer than every lease.
const LEASES: Duration = Duration::from_secs(3600);

/// Runs the scenario on one database.
pub async fn run(database: Database, extent: Extent) -> Result<Report> {
    let mut report = Report::new(format!("ledger on {}", database.name()));
    let upstream = Upstream::start(extent.seed, true).await?;
    let fleet = Arc::new(Fleet::start(database, &upstream, Settings::default()).await?);
    let customers = Customers::new(Arc::clone(&fleet), upstream.clone(), extent.seed);
    let began = Instant::now();
    let crowd = tokio::spawn({
        let customers = Arc::clone(&customers);
        async move { customers.ask(extent.chats).await }
    });
    let mut dice = Dice::new(extent.seed, u64::MAX);
    for _ in 0..extent.kills {
        upstream.after(1 + dice.below(BEATS) as u64).await;
        let host = dice.below(fleet.hosts());
        fleet.kill(host).await?;
        if dice.chance(AT_START) {
            fleet.spawn(host).await?;
            tokio::time::sleep(Duration::from_millis(dice.below(START_MS) as u64)).await;
            fleet.kill(host).await?;
        }
        fleet.launch(host).await?;
        if dice.chance(LEASE_ENDS) {
            end_leases(&fleet).await?;
        }
    }
    customers.stop();
    crowd.await??;
    report.figure("kills", extent.kills);
    report.figure("time", format!("{:.0} s", began.elapsed().as_secs_f64()));
    settle(&mut report, &fleet, &upstream, &customers).await?;
    Ok(report)
}

/// Answers what is still open, ends the hosts, and compares everything.
pub(super) async fn settle(
    report: &mut Report,
    fleet: &Arc<Fleet>,
    upstream: &Upstream,
    customers: &Arc<Customers>,
) -> Result<()> {
    // What dead hosts had begun is free to be asked again.
    if fleet.database_url.is_none() {
        fleet.kill(0).await?;
        fleet.launch(0).await?;
    }
    while !customers.told().aside.is_empty() {
        end_leases(fleet).await?;
        let before = customers.told().aside.len();
        customers.ask_again().await?;
        let after = customers.told().aside.len();
        report.check(after < before, || format!("{after} questions aren't answered, however often they are asked"));
        if after >= before {
            break;
        }
    }
    let (asked, told, account) = (customers.asked(), customers.told(), upstream.account());
    for bug in fleet.end().await? {
        report.check(false, || bug.clone());
    }
    // The hosts are gone, and with them whatever ran.
    end_leases(fleet).await?;
    if fleet.database_url.is_none() {
        fleet.launch(0).await?;
        fleet.end().await?;
    }
    figures(report, asked, &told);
    report.figure("answers that the model reset", account.resets.values().sum::<u64>());
    let data = fleet.data(0).context("a fleet has a host")?;
    let mut ledger = Ledger::open(fleet.database_url.as_deref(), data).await?;
    audit(report, &mut ledger, asked, &told, &account).await
}

fn figures(report: &mut Report, asked: u64, told: &Told) {
    let given: usize = told.answers.values().map(Vec::len).sum();
    report.figure("questions", asked);
    report.figure("attempts", format!("{}, of which {} hung up", told.attempts, told.hung_up));
    report.figure("whole answers that customers got", given);
    let other: Vec<String> = told.other.iter().map(|(kind, times)| format!("{times} {kind}")).collect();
    report.figure("other ends", other.join(", "));
    for kind in told.other.keys() {
        let known = ["broken off", "409 request-in-flight", "502 ", "503 "];
        report.check(known.iter().any(|known| kind.starts_with(known)), || format!("a customer was told {kind}"));
    }
}

/// Settles what hosts left, as one of them does when every lease is over. On SQLite a start does that.
async fn end_leases(fleet: &Fleet) -> Result<()> {
    let Some(url) = &fleet.database_url else { return Ok(()) };
    let data_dir = fleet.data(0).context("a fleet has a host")?.to_owned();
    let config = StoreConfig { database_url: Some(url.clone()), direct_url: None, data_dir, read_connections: 1 };
    let store = Store::open(&config).await?;
    let settled = store.recover(SystemClock.now().plus(LEASES)).await;
    store.close().await;
    settled?;
    Ok(())
}
