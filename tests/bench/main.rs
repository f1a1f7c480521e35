//! `make bench`: everything measured side by side in one process tree, medians over rounds, on whatever machine this is.

mod bombs;
mod chat;
mod client;
mod host;
mod memory;
mod neighbours;
mod sandbox;
mod table;
mod upstream;

use std::path::PathBuf;

use anyhow::Result;

/// The middle of an odd number of figures, the upper of the two middles otherwise.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next();
    if what.as_deref() == Some("upstream") {
        return upstream::run().await;
    }
    let binary = std::env::var_os("RESLY_BIN").map_or_else(|| PathBuf::from("target/release/resly"), PathBuf::from);
    let wants = |part: &str| what.as_deref().is_none_or(|what| what == part);
    let mut table = table::Table::default();
    if wants("sandbox") {
        sandbox::run(&mut table).await?;
    }
    if wants("memory") {
        memory::run(&binary, &mut table).await?;
    }
    if wants("chat") {
        chat::run(&binary, &mut table).await?;
    }
    if wants("bombs") {
        bombs::run(&binary, &mut table).await?;
    }
    if wants("neighbours") {
        neighbours::run(&binary, &mut table).await?;
    }
    table.print()?;
    Ok(())
}
