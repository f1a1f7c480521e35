//! `make bench`: everything measured side by side in one process tree, medians over rounds, on whatever machine this is.

mod bm25;
mod bombs;
mod chat;
mod embedding;
mod extract;
mod grow;
mod host;
mod hosts;
mod memory;
mod neighbours;
mod overload;
mod pages;
mod reservations;
mod rest;
mod retrieval;
mod sandbox;
mod served;
mod table;
mod upstream;

use std::path::PathBuf;

use anyhow::{Result, ensure};

/// What is measured, in this order, when no part is named.
const PARTS: [&str; 12] = [
    "sandbox",
    "extract",
    "memory",
    "chat",
    "overload",
    "bombs",
    "neighbours",
    "retrieval",
    "rest",
    "reservations",
    "hosts",
    "pages",
];
/// What is measured only when it is named: the first needs another build and models, the second takes long.
const NAMED: [&str; 2] = ["embedding", "grow"];

/// The middle of an odd number of figures, the upper of the two middles otherwise.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[tokio::main]
async fn main() -> Result<()> {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    if parts == ["upstream"] {
        return upstream::run().await;
    }
    for part in &parts {
        let known = NAMED.contains(&part.as_str()) || PARTS.contains(&part.as_str());
        ensure!(known, "there is no part `{part}`, only {}, {}", PARTS.join(", "), NAMED.join(", "));
    }
    let binary = std::env::var_os("RESLY_BIN").map_or_else(|| PathBuf::from("target/release/resly"), PathBuf::from);
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let mut table = table::Table::default();
    if wants("sandbox") {
        sandbox::run(&mut table).await?;
    }
    if wants("extract") {
        extract::run(&mut table).await?;
    }
    if wants("memory") {
        memory::run(&binary, &mut table).await?;
    }
    if wants("chat") {
        chat::run(&binary, &mut table).await?;
    }
    if wants("overload") {
        overload::run(&binary, &mut table).await?;
    }
    if wants("bombs") {
        bombs::run(&binary, &mut table).await?;
    }
    if wants("neighbours") {
        neighbours::run(&binary, &mut table).await?;
    }
    if wants("retrieval") {
        retrieval::run(&binary, &mut table).await?;
    }
    if wants("rest") {
        rest::run(&binary, &mut table).await?;
    }
    if wants("reservations") {
        reservations::run(&mut table).await?;
    }
    if wants("hosts") {
        hosts::run(&binary, &mut table).await?;
    }
    if wants("pages") {
        pages::run(&binary, &mut table).await?;
    }
    if parts.iter().any(|part| part == "embedding") {
        embedding::run(&binary, &mut table).await?;
    }
    if parts.iter().any(|part| part == "grow") {
        grow::run(&binary, &mut table).await?;
    }
    table.print()?;
    Ok(())
}
