//! `/api/chat` alone, and beside connectors that flood the host: with log lines, with requests, with reads of their state.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use resly_manifest::{Manifest, package::pack};
use resly_tests::load::{Seen, Target, closed_loop, open_loop};
use serde_json::{Value, json};

use crate::{
    chat::{quiet_host, start_upstream},
    host::Host,
    median,
    table::Table,
};

const ROUNDS: usize = 3;
const STRETCH: Duration = Duration::from_secs(8);
const RATE: u32 = 50;
/// Calls of the flooding connector that are under way at once.
const CALLS: usize = 32;
/// What the connector of `echo.wat` does, in whose place the floods come.
const ECHO: &str = "(call $fetch)
      (call $ok (i32.load (i32.const 528)) (i32.load (i32.const 532)))";

/// Each repeats something, as often as it says.
const FLOODS: [(&str, &str, u32); 3] = [
    ("log lines", "(call $emit (i32.const 1) (i32.const 64) (i32.const 4096))", 100),
    ("requests", "(call $fetch)", 500),
    (
        "state reads",
        "(global.set $top (i32.const 32768)) (call $get (i32.const 107) (i32.const 3) (i32.const 512))",
        500,
    ),
];

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    for (name, flood, times) in FLOODS {
        let mut pairs = Vec::new();
        let mut calls = 0;
        for _ in 0..ROUNDS {
            let (_upstream, address) = start_upstream().await?;
            let host = Arc::new(quiet_host(binary, address).await?);
            let bearer = format!("Bearer {}", host.key);
            let question = json!({"messages": [{"role": "user", "content": "How do I rotate an API key?"}]});
            let chat = Target::post(host.address, "/api/chat", &[("authorization", &bearer)], &question.to_string());
            let call = install(&host, flood, times).await?;
            open_loop(&chat, 20, Duration::from_secs(1)).await?;
            let alone = open_loop(&chat, RATE, STRETCH).await?;
            let flooding = tokio::spawn(async move { closed_loop(&call, CALLS, STRETCH).await });
            let meanwhile = open_loop(&chat, RATE, STRETCH).await?;
            calls += flooding.await??.whole.len();
            pairs.push((alone, meanwhile));
        }
        let p99 = |seen: &Seen| seen.whole.value_at_quantile(0.99) as f64 / 1000.0;
        let alone = median(&mut pairs.iter().map(|(alone, _)| p99(alone)).collect::<Vec<_>>());
        let meanwhile = median(&mut pairs.iter().map(|(_, meanwhile)| p99(meanwhile)).collect::<Vec<_>>());
        let of = format!("chat, {RATE}/s, beside {CALLS} calls at once that flood with {name}");
        table.row(&of, "whole answer, p99", format!("alone {alone:.1} ms, meanwhile {meanwhile:.1} ms"));
        let failed: usize = pairs.iter().map(|(alone, meanwhile)| alone.failed + meanwhile.failed).sum();
        table.note(format!("{of}: {failed} chats failed; {} floods a round", calls / ROUNDS as u64));
    }
    Ok(())
}

/// Installs a connector that keeps a value and then floods, and checks that a call of it comes back; how to call it.
async fn install(host: &Host, flood: &str, times: u32) -> Result<Arc<Target>> {
    let body = format!(
        "(local $n i32)
        (drop (i32.const 0))
        (call $set (i32.const 107) (i32.const 3) (i32.const 65536) (i32.const 60000) (i32.const 3600) (i32.const 512))
        (loop $again {flood}
          (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {times}))))
        (call $fine)"
    );
    let echo = include_str!("echo.wat");
    ensure!(echo.contains(ECHO), "echo.wat has another body");
    let wasm = wat::parse_str(echo.replace(ECHO, &body))?;
    let manifest: Manifest = serde_json::from_value(json!({
        "id": "flood", "name": "Flood", "version": "1.0.0", "hosts": ["example.com"],
        "actions": [{"id": "a", "title": "A", "description": "A.", "input": {"type": "object"}}]
    }))?;
    host.upload(pack(&wasm, &manifest)?).await?;
    loop {
        let seen = host.admin(Method::GET, "/api/admin/connectors/flood?version=1.0.0", None).await?;
        match seen["state"].as_str() {
            Some("ready") => break,
            Some("compiling") => tokio::time::sleep(Duration::from_millis(100)).await,
            other => anyhow::bail!("the flood is {other:?}: {seen}"),
        }
    }
    host.admin(Method::POST, "/api/admin/connectors/flood/versions/1.0.0/approve", Some(json!({}))).await?;
    let new = json!({"connector": "flood", "name": "Flood", "environment": "sandbox"});
    let made: Value = host.admin(Method::POST, "/api/admin/connections", Some(new)).await?;
    let path = format!("/api/admin/connections/{}/actions/a", made["id"].as_str().context("no id")?);
    host.admin(Method::POST, &path, Some(json!({}))).await?;
    Ok(Target::post_plain(host.address, &path, &[("authorization", &format!("Bearer {}", host.admin))], "{}"))
}
