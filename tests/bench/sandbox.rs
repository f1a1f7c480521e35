//! A connector call in a fresh instance, in a warm one, by way of a guest thread, and the same request's work natively;
//! instantiation alone; a jq mapping of a 4 KB response. The service is a stub that answers at once.

use std::{
    collections::HashMap,
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{
        fixture::Fixtures,
        manifest::Manifest,
        sandbox::{Allowance, CallState, ComponentSource, Digest, Invocation, Sandbox, StateRefusal},
    },
    error::StoreError,
    id::OrganizationId,
    time::SystemClock,
};
use resly_sandbox::{
    Compiler, SandboxConfig, WasmSandbox,
    bench::{Bench, map},
};
use resly_server::random::OsRandom;
use serde_json::json;
use uuid::Uuid;

use crate::{median, table::Table};

const CALLS: u32 = 1_000;
const ROUNDS: usize = 9;

struct Components(HashMap<Digest, Bytes>);

#[async_trait]
impl ComponentSource for Components {
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.get(&digest).cloned())
    }
}

struct NoState;

#[async_trait]
impl CallState for NoState {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn set(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<Result<(), StateRefusal>, StoreError> {
        Ok(Ok(()))
    }
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let guests = std::env::var_os("RESLY_GUESTS")
        .map_or_else(|| binary.with_file_name("").join("../wasm32-wasip2/guest"), PathBuf::from);
    let read = |name: &str| -> Result<(Digest, Bytes)> {
        let path = guests.join(format!("resly_plugin_{name}.wasm"));
        let bytes = std::fs::read(&path).with_context(|| format!("{} is missing: run make build", path.display()))?;
        Ok((Digest::of(&bytes), bytes.into()))
    };
    let (shopify, mapper) = (read("shopify")?, read("mapping")?);
    let (connector, jq) = (shopify.0, mapper.0);
    let components = Arc::new(Components(HashMap::from([shopify, mapper])));
    let folder = tempfile::tempdir()?;
    let config = SandboxConfig::new(
        folder.path().to_owned(),
        Compiler::InProcess,
        [0; 32],
        Arc::new(SystemClock),
        Arc::new(OsRandom),
    );
    let sandbox = WasmSandbox::new(config, jq, components)?;
    let manifest: Manifest = toml::from_str(include_str!("../../plugins/shopify/connector.toml"))?;
    let fixtures = Arc::new(Fixtures(Arc::new(manifest)));
    let input = r##"{"number":"#1001"}"##;
    let settings = r#"{"shop":"acme-demo"}"#;
    let context =
        json!({"connection": {"id": "c", "name": "n", "environment": "sandbox"}, "now": "2026-01-01T00:00:00Z"});
    let context = context.to_string();
    let organization = OrganizationId(Uuid::nil());
    let invocation = || Invocation {
        organization,
        component: connector,
        action: "find_order".to_owned(),
        input: input.to_owned(),
        settings: settings.to_owned(),
        context: context.clone(),
        allowance: Allowance::default(),
        outbound: Arc::clone(&fixtures) as _,
        state: Arc::new(NoState),
    };
    let bench = Bench::new(&sandbox, connector).await?;
    let first = bench.fresh(invocation()).await;
    ensure!(first.result.is_ok(), "the connector under measurement failed: {:?}", first.result);
    let mut warm = bench.warm(invocation()).await?;
    let of = "connector call (Shopify, find an order, one stubbed request)";
    let instance = measure(async || drop(black_box(bench.instantiate(invocation()).await))).await;
    let fresh = measure(async || drop(black_box(bench.fresh(invocation()).await))).await;
    let kept = measure(async || drop(black_box(warm.call("find_order", input, settings, &context).await))).await;
    let queued = measure(async || drop(black_box(sandbox.invoke(invocation()).await))).await;
    let request = fixtures_request();
    let native = measure(async || {
        let answer = fixtures.answer("POST", URL, request.as_bytes()).map(|answer| answer.body).unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        drop(black_box(body["data"]["orders"]["nodes"][0].to_string()));
    })
    .await;
    table.row(of, "store and instance alone", format!("{instance:.1} µs"));
    table.row(of, "fresh instance", format!("{fresh:.1} µs ({:.1}× warm)", fresh / kept));
    table.row(of, "warm instance", format!("{kept:.1} µs"));
    table.row(of, "fresh, by way of a guest thread", format!("{queued:.1} µs"));
    table.row(of, "the stub, parsing and building natively", format!("{native:.1} µs"));
    table.row(of, "fuel", format!("{}", first.cost.fuel));

    let input = response_of_4_kb();
    for (name, filter) in [
        ("pick members", ".data | {id, name, plan: .plan.name, items: [.items[] | {sku, price}]}"),
        ("select and map", ".data.items | map(select(.price > 10)) | sort_by(.price) | .[:5]"),
    ] {
        let apply = || map(&sandbox, organization, filter, &input, Allowance::default());
        let first = apply().await;
        ensure!(first.result.is_ok(), "the mapping under measurement failed: {:?}", first.result);
        let took = measure(async || drop(black_box(apply().await))).await;
        let of = format!("jq mapping of {} bytes, fresh instance", input.len());
        table.row(&of, name, format!("{took:.1} µs, {} fuel", first.cost.fuel));
    }
    Ok(())
}

const URL: &str = "https://acme-demo.myshopify.com/admin/api/2026-10/graphql.json";

fn fixtures_request() -> String {
    json!({"query": "query Orders(", "variables": {"query": "name:\"#1001\"", "first": 5}}).to_string()
}

fn response_of_4_kb() -> String {
    let items: Vec<_> = (0..36)
        .map(|n| json!({"sku": format!("sku-{n}"), "price": n * 3 % 50, "title": "A thing that is sold", "stock": {"here": n, "there": 0}}))
        .collect();
    json!({"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}, "items": items}}).to_string()
}

/// Microseconds for one, the median of rounds.
async fn measure(mut one: impl AsyncFnMut()) -> f64 {
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            one().await;
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    median(&mut rounds)
}
