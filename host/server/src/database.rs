//! `resly db`: a dashboard's own way into the database, a copy of one organization's rows, and the move to another store.

use std::path::Path;

use anyhow::Context;
use resly_core::time::SystemClock;
use resly_service::{database_roles, organizations, random::OsRandom};
use resly_store::{CopyLimits, CopyPlace, CopyReport, Store, Verdict, copy_store};
use serde_json::{Map, Value, json};

use crate::{cli::DatabaseSubcommand, config::Config, secrets};

/// What a command has to say.
pub struct Done {
    /// For standard output.
    pub text: String,
    /// What makes the command fail all the same.
    pub outcome: anyhow::Result<()>,
}

impl From<Value> for Done {
    fn from(line: Value) -> Self {
        Self { text: format!("{line}\n"), outcome: Ok(()) }
    }
}

pub async fn run(config: &Config, verb: DatabaseSubcommand) -> anyhow::Result<Done> {
    match verb {
        DatabaseSubcommand::Grant { organization, role } => grant(config, &organization, &role).await,
        DatabaseSubcommand::Revoke { role } => revoke(config, &role).await,
        DatabaseSubcommand::Snapshot { organization, to, force } => snapshot(config, &organization, &to, force).await,
        DatabaseSubcommand::Copy { from, to } => copy(&from, &to).await,
    }
}

async fn grant(config: &Config, organization: &str, role: &str) -> anyhow::Result<Done> {
    let name = database_roles::parse_name(role).context("--role")?;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, called) = organizations::choose(&store, organization).await?;
    let password = database_roles::grant(&store, &SystemClock, &OsRandom, id, name).await?;
    store.close().await;
    Ok(json!({"role": role, "password": password.as_str(), "organization": id, "name": called}).into())
}

async fn revoke(config: &Config, role: &str) -> anyhow::Result<Done> {
    let name = database_roles::parse_name(role).context("--role")?;
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    store.revoke_database_role(name).await?;
    store.close().await;
    Ok(json!({"role": role, "revoked": true}).into())
}

async fn snapshot(config: &Config, organization: &str, to: &Path, force: bool) -> anyhow::Result<Done> {
    let store = Store::open_beside(&secrets::store_config(config)).await?;
    let (id, called) = organizations::choose(&store, organization).await?;
    let snapshot = store.snapshot_organization(id, to, force).await?;
    store.close().await;
    let rows: Map<String, Value> =
        snapshot.rows.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
    Ok(json!({"file": to, "organization": id, "name": called, "rows": rows}).into())
}

async fn copy(from: &str, to: &str) -> anyhow::Result<Done> {
    let (from, to) = (CopyPlace::parse(from).context("--from")?, CopyPlace::parse(to).context("--to")?);
    let report = copy_store(&from, &to, CopyLimits::default()).await?;
    Ok(Done { text: table(&report), outcome: verdict(&report) })
}

/// Every table of both stores, side by side.
fn table(report: &CopyReport) -> String {
    let width = report.tables.iter().map(|table| table.name.len()).max().unwrap_or(0);
    let line = |cells: [&str; 6]| {
        let [name, source, target, source_digest, target_digest, verdict] = cells;
        format!("{name:width$}  {source:>12}  {target:>12}  {source_digest:16}  {target_digest:16}  {verdict}\n")
    };
    let mut text = line(["table", "source rows", "target rows", "source digest", "target digest", ""]);
    for table in &report.tables {
        let verdict = match table.verdict {
            Verdict::Equal => "equal",
            Verdict::Written => "written since",
            Verdict::Different => "DIFFERENT",
        };
        let (source, target) = (table.source_rows.to_string(), table.target_rows.to_string());
        text += &line([&table.name, &source, &target, &table.source_digest, &table.target_digest, verdict]);
    }
    if report.logins_left > 0 {
        text += &format!("{} logins of `resly db grant` stay with the source\n", report.logins_left);
    }
    text
}

fn verdict(report: &CopyReport) -> anyhow::Result<()> {
    let different = report.with(Verdict::Different);
    anyhow::ensure!(
        different.is_empty(),
        "the target isn't a copy of the source in: {}; begin again with an empty target",
        different.join(", ")
    );
    let written = report.with(Verdict::Written);
    anyhow::ensure!(
        written.is_empty(),
        "the target is the source as it was when it was read, and the source has been written since in: {}; if that \
         matters, stop its hosts and copy into an empty target",
        written.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use resly_store::ComparedTable;

    use super::*;

    fn compared(name: &str, target_rows: u64, verdict: Verdict) -> ComparedTable {
        ComparedTable {
            name: name.to_owned(),
            source_rows: 2,
            target_rows,
            source_digest: "00000000000000aa".to_owned(),
            target_digest: "00000000000000ab".to_owned(),
            verdict,
        }
    }

    #[test]
    fn a_difference_makes_a_copy_fail_and_is_shown() {
        let mut report = CopyReport { tables: vec![compared("usage", 2, Verdict::Equal)], logins_left: 0 };
        assert!(verdict(&report).is_ok());
        report.tables.push(compared("messages", 1, Verdict::Written));
        assert!(verdict(&report).unwrap_err().to_string().contains("written since in: messages"));
        report.tables.push(compared("tickets", 1, Verdict::Different));
        report.logins_left = 3;
        assert!(verdict(&report).unwrap_err().to_string().contains("in: tickets"));
        let shown = table(&report);
        assert!(
            shown.contains("tickets              2             1  00000000000000aa  00000000000000ab  DIFFERENT"),
            "{shown}"
        );
        assert!(shown.ends_with("3 logins of `resly db grant` stay with the source\n"), "{shown}");
    }
}
