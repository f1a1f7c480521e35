//! `resly db copy`: the move to another store, and the comparison at its end.

use anyhow::Context;
use resly_store::{CopyLimits, CopyPlace, CopyReport, Verdict, copy_store};

use crate::backup::Outcome;

/// Copies everything. The comparison is printed in any case; a difference makes the command fail.
pub async fn run(from: &str, to: &str) -> anyhow::Result<Outcome> {
    let (from, to) = (CopyPlace::parse(from).context("--from")?, CopyPlace::parse(to).context("--to")?);
    let report = copy_store(&from, &to, CopyLimits::default()).await?;
    Ok(Outcome { text: table(&report), advice: String::new(), result: verdict(&report) })
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
