//! `make soak`: faults under load, in full. Each scenario prints its figures and whether its promises held.
//!
//! `SOAK_SEED`, `SOAK_KILLS`, `SOAK_CHATS`, `SOAK_RESTARTS` and `SOAK_SLOW` change how much is done; the names of scenarios
//! as arguments choose which.

use std::{fmt::Display, io::Write, str::FromStr};

use anyhow::{Context, Result, bail, ensure};
use resly_tests::soak::{Database, Extent, Report, cap, disk, hung, ledger, overload, restarts, slow};

/// The scenarios, in this order.
const SCENARIOS: [&str; 7] = ["ledger", "cap", "restarts", "disk", "hung", "slow", "overload"];
/// Hosts on PostgreSQL.
const HOSTS: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    for name in &named {
        ensure!(SCENARIOS.contains(&name.as_str()), "there is no scenario `{name}`, only {}", SCENARIOS.join(", "));
    }
    let extent = extent()?;
    let mut failed = 0;
    for scenario in SCENARIOS {
        if named.is_empty() || named.iter().any(|name| name == scenario) {
            for report in run(scenario, extent).await? {
                failed += usize::from(!report.passed());
            }
        }
    }
    if failed > 0 {
        bail!("{failed} scenarios failed, with the seed {}", extent.seed);
    }
    Ok(())
}

async fn run(scenario: &str, extent: Extent) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    match scenario {
        "ledger" => {
            for database in [Database::Sqlite, Database::Postgres { hosts: HOSTS }] {
                reports.push(printed(ledger::run(database, extent).await?)?);
            }
        }
        "cap" => reports.push(printed(cap::run(extent).await?)?),
        "restarts" => reports.push(printed(restarts::run(extent).await?)?),
        "disk" => {
            let extent = Extent { kills: extent.kills.min(100), chats: extent.chats.min(1000), ..extent };
            reports.push(printed(disk::run(disk::Fault::Library, extent).await?)?);
            if disk::may_mount() {
                reports.push(printed(disk::run(disk::Fault::FileSystem, extent).await?)?);
            } else {
                writeln!(std::io::stdout(), "disk, full by FileSystem: not run, since nothing may be mounted here\n")?;
            }
        }
        "hung" => reports.push(printed(hung::run(extent).await?)?),
        "slow" => reports.push(printed(slow::run(extent).await?)?),
        _ => reports.push(printed(overload::run(extent).await?)?),
    }
    Ok(reports)
}

/// Prints a report as soon as it is there.
fn printed(report: Report) -> Result<Report> {
    writeln!(std::io::stdout(), "{report}")?;
    Ok(report)
}

fn extent() -> Result<Extent> {
    let full = Extent::FULL;
    Ok(Extent {
        seed: variable("SOAK_SEED", full.seed)?,
        kills: variable("SOAK_KILLS", full.kills)?,
        chats: variable("SOAK_CHATS", full.chats)?,
        restarts: variable("SOAK_RESTARTS", full.restarts)?,
        slow: variable("SOAK_SLOW", full.slow)?,
        ..full
    })
}

fn variable<T>(name: &str, otherwise: T) -> Result<T>
where
    T: FromStr,
    T::Err: Display + Send + Sync + std::error::Error + 'static,
{
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} isn't a number: {text:?}")),
        Err(_) => Ok(otherwise),
    }
}
