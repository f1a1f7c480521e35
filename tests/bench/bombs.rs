//! `/api/chat` alone, and beside twenty components that are made to exhaust the compiler, all uploaded at once.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use hdrhistogram::Histogram;
use resly_manifest::{Manifest, package::pack};
use resly_tests::{
    bombs,
    load::{Seen, Target, open_loop},
};
use serde_json::json;

use crate::{
    chat::{quiet_host, start_upstream},
    host::Host,
    median,
    table::Table,
};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(8);
const RATES: [u32; 2] = [50, 200];
const BOMBS: usize = 20;

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    for rate in RATES {
        let mut pairs = Vec::new();
        let mut compiling = 0;
        for _ in 0..ROUNDS {
            let (_upstream, address) = start_upstream().await?;
            let host = Arc::new(quiet_host(binary, address).await?);
            let bearer = format!("Bearer {}", host.key);
            let body = json!({"messages": [{"role": "user", "content": "How do I rotate an API key?"}]}).to_string();
            let target = Target::post(host.address, "/api/chat", &[("authorization", &bearer)], &body);
            open_loop(&target, 20, Duration::from_secs(1)).await?;
            let alone = open_loop(&target, rate, STRETCH).await?;
            let uploads = throw(&host)?;
            let meanwhile = open_loop(&target, rate, STRETCH).await?;
            compiling += host.compiling().await?;
            uploads.iter().for_each(tokio::task::JoinHandle::abort);
            pairs.push((alone, meanwhile));
        }
        let name = format!("chat, {rate}/s, beside {BOMBS} compile bombs");
        row(table, &name, "first byte, p99", &pairs, |seen| &seen.first);
        row(table, &name, "whole answer, p99", &pairs, |seen| &seen.whole);
        let failed: usize = pairs.iter().map(|(alone, meanwhile)| alone.failed + meanwhile.failed).sum();
        table.note(format!("{name}: {failed} requests failed; {} still compiling at the end", compiling / ROUNDS));
    }
    Ok(())
}

fn row(table: &mut Table, name: &str, what: &str, pairs: &[(Seen, Seen)], of: fn(&Seen) -> &Histogram<u64>) {
    let p99 = |seen: &Seen| of(seen).value_at_quantile(0.99) as f64 / 1000.0;
    let alone = median(&mut pairs.iter().map(|(alone, _)| p99(alone)).collect::<Vec<_>>());
    let meanwhile = median(&mut pairs.iter().map(|(_, meanwhile)| p99(meanwhile)).collect::<Vec<_>>());
    let most = alone * 1.5 + 20.0;
    table.row(name, what, format!("alone {alone:.1} ms, meanwhile {meanwhile:.1} ms ({most:.1} ms would be too slow)"));
}

/// Uploads all of them at once.
fn throw(host: &Arc<Host>) -> Result<Vec<tokio::task::JoinHandle<Result<()>>>> {
    let bombs = (1..).flat_map(bombs::all).filter(|bomb| !bomb.at_once).take(BOMBS);
    let upload = |(n, bomb): (usize, bombs::Bomb)| {
        let manifest: Manifest = serde_json::from_value(json!({
            "id": format!("bomb-{n}"), "name": bomb.name, "version": "1.0.0", "hosts": [],
            "actions": [{"id": "a", "title": "A", "description": "A."}]
        }))?;
        let (wasm, host) = (pack(&bomb.bytes, &manifest)?, Arc::clone(host));
        Ok(tokio::spawn(async move { host.upload(wasm).await }))
    };
    bombs.enumerate().map(upload).collect()
}
