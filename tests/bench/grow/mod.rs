//! What a database of a year costs: the same requests at growing numbers of conversations, organizations and passages, on
//! both databases, with the real binary.
//!
//! `GROW_SIZES` chooses the sizes, as `10000,100000,1000000/1,100,10000/1000,20000,100000`: conversations in one
//! organization, organizations that share a hundred thousand conversations, and passages of one organization.
//! `GROW_ON` is `sqlite` or `postgres`, and both when it is unset.

mod fill;
mod measure;
pub mod passages;

use std::path::Path;

use anyhow::{Context, Result};

pub use self::fill::Bare;
use self::{
    fill::Size,
    measure::{Measured, Unit, measure},
};
use crate::{chat::start_upstream, table::Table};

const SIZES: &str = "10000,100000,1000000/1,100,10000/1000,20000,100000";
/// Conversations that organizations share.
const SHARED: u64 = 100_000;
/// Conversations beside passages.
const BESIDE: u64 = 10_000;

/// A list of sizes of which one number grows.
struct Axis {
    title: &'static str,
    sizes: Vec<(String, Size)>,
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let sizes = std::env::var("GROW_SIZES").unwrap_or_else(|_| SIZES.to_owned());
    let only = std::env::var("GROW_ON").ok();
    let (_upstream, model) = start_upstream().await?;
    for (database, kind) in [("SQLite", "sqlite"), ("PostgreSQL", "postgres")] {
        if only.as_deref().is_some_and(|only| only != kind) {
            continue;
        }
        for axis in axes(&sizes)? {
            let mut measured = Vec::new();
            for (name, size) in &axis.sizes {
                tracing::info!(database, axis = axis.title, size = name, "filling and measuring");
                let url = if kind == "postgres" { Some(resly_tests::postgres::database().await) } else { None };
                let found = measure(binary, url, *size, model).await;
                measured.push(found.with_context(|| format!("{database}, {}: {name}", axis.title))?);
            }
            let header: Vec<&str> =
                ["measured"].into_iter().chain(axis.sizes.iter().map(|(name, _)| name.as_str())).collect();
            if !measured.is_empty() {
                table.grid(format!("{database}, by {}", axis.title), &header, grid(&measured));
            }
        }
    }
    table.note("in brackets: times the smallest size's".to_owned());
    Ok(())
}

fn axes(sizes: &str) -> Result<[Axis; 3]> {
    let mut lists = sizes.split('/').map(|list| {
        let numbers = list.split(',').filter(|number| !number.is_empty());
        numbers.map(|number| number.trim().parse().context("GROW_SIZES has numbers")).collect::<Result<Vec<u64>>>()
    });
    let mut axis = |title, size: fn(u64) -> Size| {
        let numbers = lists.next().transpose()?.unwrap_or_default();
        let sizes = numbers.into_iter().map(|number| (grouped(number), size(number))).collect();
        Ok::<_, anyhow::Error>(Axis { title, sizes })
    };
    Ok([
        axis("conversations of one organization", |conversations| Size {
            conversations,
            organizations: 1,
            passages: 0,
        })?,
        axis("organizations that share 100,000 conversations", |organizations| Size {
            conversations: SHARED,
            organizations,
            passages: 0,
        })?,
        axis("passages of one organization", |passages| Size { conversations: BESIDE, organizations: 1, passages })?,
    ])
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// A row for each measure, with each size's figure beside that of the smallest.
fn grid(sizes: &[Vec<Measured>]) -> Vec<Vec<String>> {
    let Some(first) = sizes.first() else { return Vec::new() };
    let row = |(at, base): (usize, &Measured)| {
        let figures = sizes.iter().enumerate().map(|(nth, size)| {
            let Some(found) = size.get(at) else { return String::new() };
            let figure = found.unit.show(found.value);
            if nth == 0 || found.unit == Unit::Plain {
                figure
            } else {
                format!("{figure} ({:.2})", found.value / base.value)
            }
        });
        [base.name.to_owned()].into_iter().chain(figures).collect()
    };
    first.iter().enumerate().map(row).collect()
}
