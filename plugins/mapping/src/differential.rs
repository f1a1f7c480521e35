//! Compares the mapper with jq 1.8. `differential/expected.jsonl` has jq's results for over a thousand cases.

use std::{collections::BTreeSet, env, path::Path, process::Command};

use serde::Deserialize;

use crate::jq::testing::outputs;

/// A case with jq's result.
#[derive(Deserialize)]
struct Case {
    filter: String,
    input: String,
    /// Outputs in the form in which jq writes them.
    #[serde(default)]
    outputs: Vec<String>,
    /// Whether jq raised an error after the outputs.
    #[serde(default)]
    error: bool,
    /// Whether jq can't parse the filter.
    #[serde(default)]
    refused: bool,
}

/// Filters whose results differ from jq's, as the handbook says, each with the reason.
const DIFFERENT: &str = include_str!("../differential/different.txt");

fn cases() -> Vec<Case> {
    let expected = include_str!("../differential/expected.jsonl");
    expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn filters_give_what_jq_gives() {
    let known: BTreeSet<&str> = DIFFERENT.lines().filter(|line| !line.starts_with("## ")).collect();
    let mut compared = 0;
    let mut different = Vec::new();
    let mut seen = BTreeSet::new();
    for case in cases() {
        compared += 1;
        // A filter that can't be parsed fails in the same way as one that raises an error.
        let failed = || (Vec::new(), true);
        let ours = outputs(&case.filter, &case.input).unwrap_or_else(failed);
        let theirs = if case.refused { failed() } else { (case.outputs, case.error) };
        if ours == theirs {
            continue;
        }
        if known.contains(&*case.filter) {
            seen.insert(case.filter);
            continue;
        }
        different.push(format!("{} ;;; {}\n  jq: {theirs:?}\n  we: {ours:?}", case.filter, case.input));
    }
    assert!(different.is_empty(), "{} of {compared} differ:\n{}", different.len(), different.join("\n"));
    let stale: Vec<&&str> = known.iter().filter(|filter| !seen.contains(**filter)).collect();
    assert!(stale.is_empty(), "these don't differ any more: {stale:?}");
    assert!(compared >= 1_000 && seen.len() * 100 <= compared, "{compared} compared, {} differ", seen.len());
}

#[test]
fn what_is_expected_is_what_jq_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let python = target.join("tools/jq-1.13.0/bin/python");
    assert!(python.exists(), "{}: run `make jq`", python.display());
    let script = root.join("plugins/mapping/differential/generate.py");
    let checked = Command::new(python).arg(script).arg("--check").output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
