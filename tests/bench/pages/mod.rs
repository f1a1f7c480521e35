//! Every page of the console and every list of the admin API in a large organization, on both databases, with the real
//! binary: how long the host takes, and how much goes over the wire.
//!
//! The organization has 100,000 conversations, a million connector calls and 500 connections. `PAGES_DIVISOR` divides the
//! first two, for a quick look; `PAGES_ON` is `sqlite` or `postgres`, and both when it is unset.

mod browser;
mod client;
mod fill;
mod inbox;
mod journal;
mod places;
mod sql;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use resly_core::time::{Clock, SystemClock};
use resly_store::{Store, StoreConfig};
use serde_json::json;

use self::{
    client::{Asking, Timed},
    fill::{Filling, Size},
    places::{Ids, Place},
};
use crate::{
    grow::{Bare, passages},
    served::Served,
    table::Table,
};

/// What a page may take at the host, in milliseconds, and on the wire, in bytes.
const MOST_MILLIS: f64 = 50.0;
const MOST_BYTES: usize = 100 << 10;
const DATABASES: [(&str, &str); 2] = [("SQLite", "sqlite"), ("PostgreSQL", "postgres")];

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let only = std::env::var("PAGES_ON").ok();
    let divisor = std::env::var("PAGES_DIVISOR").ok().map_or(Ok(1), |text| text.parse()).context("PAGES_DIVISOR")?;
    let mut found: BTreeMap<String, BTreeMap<&str, Timed>> = BTreeMap::new();
    let mut asked = Vec::new();
    for (database, kind) in DATABASES {
        if only.as_deref().is_none_or(|only| only == kind) {
            let url = if kind == "postgres" { Some(resly_tests::postgres::database().await) } else { None };
            let in_browser = asked.is_empty();
            let timed = measure(binary, url, Size::large(divisor), in_browser, table).await;
            for (name, timed) in timed.with_context(|| format!("pages on {database}"))? {
                found.entry(name).or_default().insert(database, timed);
            }
            asked.push(database);
        }
    }
    report(&asked, &found, table);
    Ok(())
}

async fn measure(
    binary: &Path,
    url: Option<String>,
    size: Size,
    in_browser: bool,
    table: &mut Table,
) -> Result<Vec<(String, Timed)>> {
    let data = tempfile::tempdir()?;
    resly_tests::host::share_compiled(data.path());
    let settings = vec![("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "20000".to_owned())];
    let host = Served::on(binary, data.path(), url.clone(), settings.clone()).await?;
    let key = host.organization("bench").await?;
    host.organization("neighbour").await?;
    host.stop().await?;
    fill_both(data.path(), url.clone(), size).await?;

    let host = Served::on(binary, data.path(), url, settings).await?;
    host.ready().await?;
    let link = host.sign_in_link("bench").await?;
    let asking = Asking::sign_in(&host.base, key, &link).await?;
    let ids = ids(&asking).await?;
    let now = SystemClock.now();
    let (mut places, unknown) = places::console(&ids, now)?;
    if !unknown.is_empty() {
        table.note(format!("pages without an example in `tests/bench/pages/places.rs`: {}", unknown.join(", ")));
    }
    places.extend(places::admin(&asking.json("/openapi.json").await?, &ids, now));
    let mut found = Vec::new();
    for place in places {
        let timed = asking.timed(&place.path).await?;
        tracing::info!(place.name, timed.p50, timed.p95, timed.bytes);
        let second = places::second(&place, &timed.text);
        found.push((place.name, timed));
        if let Some(Place { name, path }) = second {
            found.push((name, asking.timed(&path).await?));
        }
    }
    if in_browser {
        browser::run(&host, table).await?;
    }
    host.stop().await?;
    Ok(found)
}

async fn fill_both(data: &Path, url: Option<String>, size: Size) -> Result<()> {
    let config =
        StoreConfig { database_url: url.clone(), direct_url: None, data_dir: data.to_owned(), read_connections: 4 };
    let store = Store::open(&config).await?;
    let named = async |name: &str| anyhow::Ok(store.organization_named(name).await?.context("no organization")?);
    let (large, small) = (named("bench").await?, named("neighbour").await?);
    passages::add(&store, large, 20 * passages::PASSAGES).await?;
    store.close().await;
    let mut bare = Bare::connect(data, url.as_deref()).await?;
    bare.run(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000",
        "SET session_replication_role = replica; SET synchronous_commit = off",
    )
    .await?;
    bare.run("BEGIN", "BEGIN").await?;
    Filling::new(1, large, size).insert(&mut bare).await?;
    Filling::new(2, small, Size::small()).insert(&mut bare).await?;
    bare.run("COMMIT", "COMMIT").await?;
    // As autovacuum does in time.
    bare.run("PRAGMA journal_mode = WAL", "VACUUM ANALYZE").await?;
    bare.close().await
}

/// Ids of rows that there are. What can't be filled past the host is made by it.
async fn ids(asking: &Asking) -> Result<Ids> {
    let definition = json!({
        "id": "crm", "name": "Acme CRM", "version": "1.0.0", "hosts": ["crm.example.com"],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
        "actions": [{
            "id": "get_account", "title": "Look up an account", "description": "Finds a customer's account by its id.",
            "side_effect": "read",
            "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            "request": {"method": "GET", "url": "https://crm.example.com/accounts/{{ input.id }}"},
            "response": {"mapping": ".data"},
        }],
    });
    asking.post("/api/admin/connectors", &definition).await?;
    asking.put("/api/admin/webhook", &json!({"url": "https://hooks.example.com/resly"})).await?;
    let mut ids = Ids::new();
    for (name, path, list) in [
        ("conversation", "/api/admin/conversations", "conversations"),
        ("ticket", "/api/admin/tickets", "tickets"),
        ("log", "/api/admin/logs?status=upstream", "logs"),
        ("source", "/api/admin/sources", "sources"),
        ("crawl", "/api/admin/crawls", "crawls"),
        ("key", "/api/admin/keys", "keys"),
    ] {
        let found = asking.json(path).await?;
        let id = found[list][0]["id"].as_str().with_context(|| format!("{path} has no {list}"))?;
        ids.insert(name, id.to_owned());
    }
    let connections = asking.json("/api/admin/connections").await?;
    let mut all = connections["connections"].as_array().context("no connections")?.iter();
    let busy = all.find(|one| one["connector"] == "shopify" && one["status"] == "enabled");
    ids.insert("connection", busy.and_then(|one| one["id"].as_str()).context("no connection")?.to_owned());
    let changes = asking.json("/api/admin/audit").await?;
    let person = changes["entries"][0]["actor_id"].as_str().unwrap_or("00000000-0000-0000-0000-000000000000");
    ids.insert("person", person.to_owned());
    Ok(ids)
}

/// The table of all addresses, the slowest first, and what is above the bounds.
fn report(databases: &[&str], found: &BTreeMap<String, BTreeMap<&str, Timed>>, table: &mut Table) {
    let slowest = |of: &BTreeMap<&str, Timed>| of.values().map(|timed| timed.p95).fold(0.0, f64::max);
    let mut rows: Vec<_> = found.iter().collect();
    rows.sort_by(|(_, one), (_, other)| slowest(other).total_cmp(&slowest(one)));
    let mut header = vec!["page".to_owned()];
    header.extend(databases.iter().map(|database| format!("{database}: p50, p95 in ms")));
    header.extend(["KB", "status"].map(str::to_owned));
    let cells = |(name, of): &(&String, &BTreeMap<&str, Timed>)| {
        let times = databases.iter().map(|database| {
            of.get(database).map_or_else(String::new, |timed| format!("{:.1}, {:.1}", timed.p50, timed.p95))
        });
        let any = of.values().next();
        let bytes = of.values().map(|timed| timed.bytes).max().unwrap_or(0);
        let status = any.map_or_else(String::new, |timed| timed.status.as_u16().to_string());
        let size = format!("{:.1}", bytes as f64 / 1024.0);
        [(*name).clone()].into_iter().chain(times).chain([size, status]).collect()
    };
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    table.grid(
        "Pages of a large organization, the slowest first".to_owned(),
        &header,
        rows.iter().map(cells).collect(),
    );
    let mut above = 0;
    for (name, of) in rows {
        for (database, timed) in of {
            if timed.p95 > MOST_MILLIS || timed.bytes > MOST_BYTES {
                above += 1;
                let (p95, size) = (timed.p95, timed.bytes as f64 / 1024.0);
                table.note(format!("above 50 ms or 100 KB: {name} on {database}, {p95:.1} ms, {size:.1} KB"));
            }
        }
    }
    table.row("pages", "addresses above 50 ms or 100 KB", format!("{above} of {}", found.len() * databases.len()));
}
