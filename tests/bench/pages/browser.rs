//! The console of the large organization in a real browser with a slow processor: `tests/browser/speed.mjs`.

use std::path::Path;

use anyhow::{Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::{served::Served, table::Table};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");

/// A line that the script prints.
#[derive(Deserialize)]
struct Figure {
    what: String,
    /// In milliseconds.
    median: f64,
    worst: f64,
}

pub async fn run(host: &Served, table: &mut Table) -> Result<()> {
    if !Path::new(FOLDER).join("node_modules/playwright-core").exists() {
        table.note(
            "the console in a browser was NOT measured: `make node chromium` installs what that needs".to_owned(),
        );
        return Ok(());
    }
    let mut command = Command::new("node");
    command.arg("speed.mjs").current_dir(FOLDER).kill_on_drop(true);
    command.env("RESLY_URL", &host.base).env("RESLY_CONSOLE_URL", host.sign_in_link("bench").await?);
    let done = command.output().await?;
    ensure!(done.status.success(), "speed.mjs: {}", String::from_utf8_lossy(&done.stderr));
    // Node's test runner, which the kit uses, writes there as well.
    for line in String::from_utf8_lossy(&done.stdout).lines().filter(|line| line.starts_with('{')) {
        let Figure { what, median, worst } = serde_json::from_str(line)?;
        table.row("browser, 4 times slower", &what, format!("{median:.0} ms, at worst {worst:.0} ms"));
    }
    Ok(())
}
