//! What a call costs: in a fresh instance, in a warm one, by way of a guest thread, and the instance alone.
//!
//! `cargo bench -p resly-sandbox --profile release [-- component.wasm [action [input [settings [context]]]]]`, or
//! `… -- --mapper mapper.wasm filter input`. The product's table is `make bench`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and ends when it can't go on")]

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::sandbox::{Allowance, CallState, ComponentSource, Digest, Invocation, Sandbox, StateRefusal},
    error::StoreError,
    id::OrganizationId,
    outbound::{Outbound, OutboundFailure, OutboundRequest, OutboundResponse},
    time::{Random, SystemClock},
};
use resly_sandbox::{
    Compiler, SandboxConfig, WasmSandbox,
    bench::{Bench, map},
};
use uuid::Uuid;

const CALLS: u32 = 2_000;
const RUNS: usize = 9;

struct World(Mutex<HashMap<Digest, Bytes>>);

#[async_trait]
impl ComponentSource for World {
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.lock().unwrap().get(&digest).cloned())
    }
}

#[async_trait]
impl Outbound for World {
    async fn send(&self, _: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        let body = br#"{"data":{"id":"1","name":"Acme","plan":{"name":"Pro"}}}"#;
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Ok(OutboundResponse { status: 200, headers, body: Bytes::from_static(body), truncated: false })
    }

    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

#[async_trait]
impl CallState for World {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn set(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<Result<(), StateRefusal>, StoreError> {
        Ok(Ok(()))
    }
}

impl Random for World {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mapper = arguments.first().filter(|first| *first == "--mapper").and(arguments.get(1));
    let bytes = match mapper.or(arguments.first()) {
        Some(path) => std::fs::read(path).unwrap(),
        None => wat::parse_str(include_str!("echo.wat")).unwrap(),
    };
    let arguments = &arguments[usize::from(mapper.is_some())..];
    let action = arguments.get(1).cloned().unwrap_or_else(|| "act".to_owned());
    let input = arguments.get(2).cloned().unwrap_or_else(|| r#"{"id":"1"}"#.to_owned());
    let settings = arguments.get(3).cloned().unwrap_or_else(|| "{}".to_owned());
    let context = arguments.get(4).cloned().unwrap_or_else(|| "{}".to_owned());
    let digest = Digest::of(&bytes);
    let world = Arc::new(World(Mutex::new(HashMap::from([(digest, bytes.into())]))));
    let folder = tempfile::tempdir().unwrap();
    let config = SandboxConfig::new(
        folder.path().to_owned(),
        Compiler::InProcess,
        [0; 32],
        Arc::new(SystemClock),
        Arc::clone(&world) as Arc<dyn Random>,
    );
    let sandbox = WasmSandbox::new(config, digest, Arc::clone(&world) as Arc<dyn ComponentSource>).unwrap();
    let organization = OrganizationId(Uuid::nil());
    if mapper.is_some() {
        let map = || map(&sandbox, organization, &action, &input, Allowance::default());
        let first = map().await;
        println!("{:?} {:?}", first.result, first.cost);
        measure("mapping", async || drop(black_box(map().await))).await;
        println!("resident {} KiB", resident());
        return;
    }
    let invocation = || Invocation {
        organization,
        component: digest,
        action: action.clone(),
        input: input.clone(),
        settings: settings.clone(),
        context: context.clone(),
        allowance: Allowance::default(),
        outbound: Arc::clone(&world) as Arc<dyn Outbound>,
        state: Arc::clone(&world) as Arc<dyn CallState>,
    };
    let bench = Bench::new(&sandbox, digest).await.unwrap();
    let first = bench.fresh(invocation()).await;
    println!("{:?} {:?}", first.result, first.cost);
    let mut warm = bench.warm(invocation()).await.unwrap();
    measure("instance", async || bench.instantiate(invocation()).await.unwrap()).await;
    measure("fresh", async || drop(black_box(bench.fresh(invocation()).await))).await;
    measure("by a guest thread", async || drop(black_box(sandbox.invoke(invocation()).await))).await;
    measure("warm", async || drop(black_box(warm.call(&action, &input, &settings, &context).await))).await;
    neighbour(&sandbox, invocation).await;
    println!("resident {} KiB", resident());
}

/// What a neighbour waits for its answer, alone and beside 32 endless loops of another organization.
async fn neighbour(sandbox: &Arc<WasmSandbox>, invocation: impl Fn() -> Invocation) {
    let loops: Bytes =
        wat::parse_str(include_str!("echo.wat").replace("(call $fetch)", "(loop $again (br $again))")).unwrap().into();
    let component = Digest::of(&loops);
    sandbox.prepare(component, &loops).await.unwrap();
    for (name, storm) in [("neighbour, alone", 0), ("beside 32 loops", 32)] {
        let loops: Vec<_> = (0..storm)
            .map(|_| {
                let allowance =
                    Allowance { fuel: u64::MAX >> 1, deadline: Duration::from_secs(600), ..Allowance::default() };
                let organization = OrganizationId(Uuid::from_u128(1));
                let call = Invocation { organization, component, allowance, ..invocation() };
                let sandbox = Arc::clone(sandbox);
                tokio::spawn(async move { sandbox.invoke(call).await })
            })
            .collect();
        let mut waits = Vec::new();
        for _ in 0..500 {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let (sandbox, call, started) = (Arc::clone(sandbox), invocation(), Instant::now());
            drop(tokio::spawn(async move { sandbox.invoke(call).await }).await);
            waits.push(started.elapsed());
        }
        waits.sort();
        println!("{name:>20} p50 {:.1?}, p99 {:.1?}, worst {:.1?}", waits[250], waits[494], waits[499]);
        loops.iter().for_each(tokio::task::JoinHandle::abort);
        for ended in loops {
            drop(ended.await);
        }
    }
}

async fn measure(name: &str, mut call: impl AsyncFnMut()) {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        for _ in 0..CALLS {
            call().await;
        }
        runs.push(started.elapsed() / CALLS);
    }
    runs.sort();
    println!("{name:>20} {:>9.1?} ({:.1?} to {:.1?})", runs[RUNS / 2], runs[0], runs[RUNS - 1]);
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4
}
