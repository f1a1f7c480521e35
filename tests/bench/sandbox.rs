//! A connector's call in a fresh instance, in a warm one, by way of a guest thread, and the same work natively; jq
//! mappings of a 4 KB response; what a neighbour feels of endless loops; what a thousand connectors weigh. Services are
//! stubs that answer at once.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use resly_core::{
    connector::{
        fixture::Fixtures,
        sandbox::{Invocation, Sandbox},
    },
    id::OrganizationId,
};
use resly_manifest::{Allowance, Digest, Manifest};
use resly_plugin_mapping::jq;
use resly_plugin_shopify::api;
use resly_sandbox::bench::{Bench, map};
use resly_sdk::{Call, http::Response};
use resly_tests::guest::{GuestCall, Guests, ORGANIZATION, Says};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{median, memory, table::Table};

const CALLS: u32 = 1_000;
const ROUNDS: usize = 9;
const SHOPIFY: &str = "https://acme-demo.myshopify.com/admin/api/2026-10/graphql.json";
const ECHO: &str = include_str!("echo.wat");

pub async fn run(table: &mut Table) -> Result<()> {
    let guests = Guests::load()?;
    let minimal = Bytes::from(wat::parse_str(ECHO)?);
    let echo = Digest::of(&minimal);
    guests.sandbox.prepare(echo, &minimal).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let said = r#"{"data":{"id":"1","name":"Acme","plan":{"name":"Pro"}}}"#;
    let call = GuestCall {
        action: "act",
        input: json!({"id": "1"}),
        settings: json!({}),
        definition: Value::Null,
        outbound: Arc::new(Says(said.to_owned())),
    };
    let minimal = || Invocation { component: echo, ..guests.invocation("http", call.clone()) };
    connector(table, "call: a minimal connector, one request", &guests, minimal, None).await?;

    let manifest: Manifest = toml::from_str(include_str!("../../plugins/shopify/connector.toml"))?;
    let fixtures = Arc::new(Fixtures::new(Arc::new(manifest)));
    let (input, settings) = (json!({"number": "#1001"}), json!({"shop": "acme-demo", "verify_email": false}));
    let call = GuestCall {
        action: "find_order",
        input: input.clone(),
        settings: settings.clone(),
        definition: Value::Null,
        outbound: Arc::clone(&fixtures) as _,
    };
    let native = || {
        let call = Call::for_test("find_order", &input, &settings);
        resly_plugin_shopify::run(&call, &|query, variables| {
            let asked = query.body(&variables).to_string();
            let answer = fixtures.answer("POST", SHOPIFY, asked.as_bytes()).map(|answer| answer.body);
            api::data(&Response { status: 200, body: answer.unwrap_or_default().to_vec(), ..Response::default() })
        })
        .map(|output| output.to_string())
        .unwrap_or_default()
    };
    ensure!(native().contains("#1001"), "the connector's native run failed");
    let shopify = || guests.invocation("shopify", call.clone());
    connector(table, "call: Shopify, find an order, one request", &guests, shopify, Some(&native)).await?;

    let call = GuestCall {
        action: "get",
        input: json!({"id": "1"}),
        settings: json!({}),
        definition: json!({
            "request": {"url": "https://api.example.com/customers/{{ input.id }}", "query": {"expand": "plan"}},
            "response": {"mapping": ".data | {id, name, plan: .plan.name}"},
        }),
        outbound: Arc::new(Says(said.to_owned())),
    };
    let declarative = || guests.invocation("http", call.clone());
    connector(table, "call: declarative, one request, mapped", &guests, declarative, None).await?;

    mappings(table, &guests).await?;
    neighbour(table, &guests, minimal).await?;
    thousand(table).await
}

/// One connector's call in its ways.
async fn connector(
    table: &mut Table,
    of: &str,
    guests: &Guests,
    invocation: impl Fn() -> Invocation,
    native: Option<&dyn Fn() -> String>,
) -> Result<()> {
    let bench = Bench::new(&guests.sandbox, invocation().component).await?;
    let first = bench.fresh(invocation()).await;
    ensure!(first.result.is_ok(), "{of}: {:?}", first.result);
    let Invocation { action, input, settings, context, .. } = invocation();
    let mut warm = bench.warm(invocation()).await?;
    let instance = measure(async || drop(black_box(bench.instantiate(invocation()).await))).await;
    let fresh = measure(async || drop(black_box(bench.fresh(invocation()).await))).await;
    let kept = measure(async || drop(black_box(warm.call(&action, &input, &settings, &context).await))).await;
    let queued = measure(async || drop(black_box(guests.sandbox.invoke(invocation()).await))).await;
    table.row(of, "store and instance alone", format!("{instance:.1} µs"));
    table.row(of, "fresh instance", format!("{fresh:.1} µs ({:.1}× warm), {} fuel", fresh / kept, first.cost.fuel));
    table.row(of, "warm instance", format!("{kept:.1} µs"));
    table.row(of, "fresh, by way of a guest thread", format!("{queued:.1} µs"));
    if let Some(native) = native {
        let native = measure(async || drop(black_box(native()))).await;
        table.row(of, "the same code natively", format!("{native:.1} µs"));
    }
    Ok(())
}

/// jq in a fresh instance of the mapper, beside the same code natively.
async fn mappings(table: &mut Table, guests: &Guests) -> Result<()> {
    let input = response_of_4_kb();
    let of = format!("jq mapping of {} bytes", input.len());
    for (name, filter) in [
        ("three members", ".data | {id, name, plan: .plan.name}"),
        ("a list of 45, made anew", ".data | {id, name, plan: .plan.name, items: [.items[] | {sku, price}]}"),
        ("a list of 45, select and sort", ".data.items | map(select(.price > 10)) | sort_by(.price) | .[:5]"),
    ] {
        let apply = || map(&guests.sandbox, ORGANIZATION, filter, &input, Allowance::default());
        let first = apply().await;
        ensure!(first.result.is_ok(), "{filter}: {:?}", first.result);
        let sandboxed = measure(async || drop(black_box(apply().await))).await;
        let native = measure(async || drop(black_box(jq::apply(filter, input.clone())))).await;
        table.row(&of, &format!("{name}, fresh instance"), format!("{sandboxed:.1} µs, {} fuel", first.cost.fuel));
        table.row(&of, &format!("{name}, the same code natively"), format!("{native:.1} µs"));
    }
    Ok(())
}

fn response_of_4_kb() -> String {
    let items: Vec<_> = (0..45)
        .map(|n| {
            let stock = json!({"here": n, "there": 0});
            json!({"sku": format!("sku-{n}"), "price": n * 3 % 50, "title": "A thing that is sold", "stock": stock})
        })
        .collect();
    json!({"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}, "items": items}}).to_string()
}

/// What a neighbour waits for its answers, alone and beside another organization's 32 endless loops.
async fn neighbour(table: &mut Table, guests: &Guests, invocation: impl Fn() -> Invocation) -> Result<()> {
    const ASKED: usize = 500;
    let looping = ECHO.replace("(call $fetch)", "(loop $again (br $again))");
    ensure!(looping != ECHO, "the minimal connector has changed");
    let looping = Bytes::from(wat::parse_str(looping)?);
    let component = Digest::of(&looping);
    guests.sandbox.prepare(component, &looping).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    for (what, storm) in [("alone", 0), ("beside 32 endless loops of another organization", 32)] {
        let loops: Vec<_> = (0..storm)
            .map(|_| {
                let allowance =
                    Allowance { fuel: u64::MAX >> 1, deadline: Duration::from_secs(600), ..Allowance::default() };
                let organization = OrganizationId(Uuid::from_u128(1));
                let call = Invocation { organization, component, allowance, ..invocation() };
                let sandbox = Arc::clone(&guests.sandbox);
                tokio::spawn(async move { sandbox.invoke(call).await })
            })
            .collect();
        let mut waits = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let (sandbox, call, started) = (Arc::clone(&guests.sandbox), invocation(), Instant::now());
            drop(tokio::spawn(async move { sandbox.invoke(call).await }).await);
            waits.push(started.elapsed());
        }
        waits.sort();
        let at = |share: usize| waits[ASKED * share / 100 - 1];
        table.row("neighbour's answers", what, format!("p50 {:.1?}, p99 {:.1?}", at(50), at(99)));
        loops.iter().for_each(tokio::task::JoinHandle::abort);
        for ended in loops {
            drop(ended.await);
        }
    }
    Ok(())
}

/// What connectors weigh once they have been called: a thousand components, each other code, in a sandbox of their own.
async fn thousand(table: &mut Table) -> Result<()> {
    const MANY: usize = 1_000;
    let guests = Guests::load()?;
    let mut before = 0;
    for nth in 0..=MANY {
        let text = ECHO.replace("(i32.const 32768)", &format!("(i32.const {})", 32_768 + 8 * nth));
        let bytes = Bytes::from(wat::parse_str(text)?);
        let component = Digest::of(&bytes);
        guests.sandbox.prepare(component, &bytes).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let call = GuestCall {
            action: "act",
            input: json!({}),
            settings: json!({}),
            definition: Value::Null,
            outbound: Arc::new(Says("{}".to_owned())),
        };
        let outcome = guests.sandbox.invoke(Invocation { component, ..guests.invocation("http", call) }).await;
        ensure!(outcome.result.is_ok(), "{:?}", outcome.result);
        if nth == 0 {
            before = memory::resident_kib("self")?;
        }
    }
    let grown = memory::resident_kib("self")?.saturating_sub(before);
    table.row("memory", "1,000 connectors' code, each called once", format!("{:.1} MiB", grown as f64 / 1024.0));
    Ok(())
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
