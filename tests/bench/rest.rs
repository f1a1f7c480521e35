//! REST: 100 rows by REST beside the same query by bare sqlx, on both databases, in turns.
//!
//! The store's part, from the plan to the body's text, is measured apart from the whole request over HTTP.

use std::path::Path;

use anyhow::{Context, Result};
use resly_core::{
    id::OrganizationId,
    time::{Clock, SystemClock},
};
use resly_rest::{media::Media, plan::Node, query::Query, registry, resolve, window};
use resly_store::{NewOrganization, RestRead, Store, StoreConfig};
use resly_tests::{load::Target, postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Row, SqliteConnection, SqlitePool};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{median, served::Served, table::Table};

const ROUNDS: usize = 400;
const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(0xa));
const QUERY: &str =
    "select=id,conversation_id,subject,body,status,created_at,updated_at&order=created_at.desc&limit=100";
const COLUMNS: &str = "id, conversation_id, subject, body, status, created_at, updated_at";

/// One database: the store on it, and a pool of sqlx beside it.
enum Bare {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = |database_url: Option<String>| StoreConfig {
        database_url,
        direct_url: None,
        data_dir: folder.path().to_owned(),
        read_connections: 4,
    };
    let sqlite = Store::open(&config(None)).await?;
    let file = format!("sqlite://{}", folder.path().join("resly.db").display());
    let url = postgres::database().await;
    let postgres = Store::open(&config(Some(url.clone()))).await?;
    let stores = [
        ("SQLite", &sqlite, Bare::Sqlite(SqlitePool::connect(&file).await?)),
        ("PostgreSQL", &postgres, Bare::Postgres(PgPool::connect(&url).await?)),
    ];
    let fill = rows(ORGANIZATION.0);
    for (_, store, _) in &stores {
        let new =
            NewOrganization { id: ORGANIZATION, name: "bench".to_owned(), limits: [].into(), now: SystemClock.now() };
        store.create_organization(new).await?;
    }
    SqliteConnection::connect(&file).await?.execute(AssertSqlSafe(fill.clone())).await?;
    PgConnection::connect(&url).await?.execute(AssertSqlSafe(fill)).await?;

    let node = node()?;
    let mut times = vec![(Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)); stores.len()];
    for round in 0..ROUNDS + 20 {
        for ((_, store, bare), (by_rest, by_sqlx)) in stores.iter().zip(&mut times) {
            let started = Instant::now();
            let read = RestRead { organization: ORGANIZATION, node: node.clone(), count: false, rows: true };
            let body = store.read_rest(read).await?.body(Media::Array);
            let rest = started.elapsed();
            let started = Instant::now();
            let size = bare.read().await?;
            let sqlx = started.elapsed();
            anyhow::ensure!(body.len() > size && size > 0, "both read the rows");
            // The first rounds prepare statements.
            if round >= 20 {
                by_rest.push(rest.as_secs_f64() * 1e6);
                by_sqlx.push(sqlx.as_secs_f64() * 1e6);
            }
        }
    }
    for ((name, ..), (by_rest, by_sqlx)) in stores.iter().zip(&mut times) {
        let (rest, sqlx) = (median(by_rest), median(by_sqlx));
        table.row(
            &format!("REST on {name}"),
            "100 rows as JSON by the store, beside bare sqlx",
            format!("{rest:.0} µs beside {sqlx:.0} µs: {:.2} times", rest / sqlx),
        );
    }
    drop(stores);
    for (name, url) in [("SQLite", None), ("PostgreSQL", Some(postgres::database().await))] {
        let whole = over_http(binary, url).await?;
        table.row(&format!("REST on {name}"), "the same over HTTP, one request at a time", format!("{whole:.0} µs"));
    }
    Ok(())
}

fn node() -> Result<Node> {
    let refused = |error: resly_rest::RestError| anyhow::anyhow!(error.message);
    let tickets = registry::table("tickets").context("there is a table of tickets")?;
    let mut node = resolve::plan(tickets, &Query::parse(QUERY).map_err(refused)?).map_err(refused)?;
    window::narrow(&mut node, None).map_err(refused)?;
    Ok(node)
}

/// A statement that inserts 1,000 tickets.
fn rows(organization: Uuid) -> String {
    let row = |n: u32| {
        let (hour, minute) = (n / 60, n % 60);
        let at = format!("2026-10-{:02}T{:02}:{minute:02}:00.000000Z", 1 + hour / 24, hour % 24);
        let id = Uuid::from_u128(u128::from(n) + 1);
        format!(
            "('{id}', '{organization}', NULL, 'Ticket {n}', 'Where is my order \"#{n}\"? I want it.', 'open', '{at}', '{at}')"
        )
    };
    let rows: Vec<String> = (0..1000).map(row).collect();
    let columns = "id, organization_id, conversation_id, subject, body, status, created_at, updated_at";
    format!("INSERT INTO tickets ({columns}) VALUES {}", rows.join(","))
}

impl Bare {
    /// Reads the rows into values, and returns the bytes of their texts.
    async fn read(&self) -> Result<usize> {
        let from = "FROM tickets WHERE organization_id = $1 ORDER BY tickets.created_at DESC, id DESC LIMIT $2";
        let mut size = 0;
        match self {
            Self::Sqlite(pool) => {
                let query = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} {from}")));
                for row in query.bind(ORGANIZATION.to_string()).bind(100_i64).fetch_all(pool).await? {
                    for column in [0, 2, 3, 4, 5, 6] {
                        size += row.try_get::<String, _>(column)?.len();
                    }
                    size += row.try_get::<Option<String>, _>(1)?.map_or(0, |id| id.len());
                }
            }
            Self::Postgres(pool) => {
                let query = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} {from}")));
                for row in query.bind(ORGANIZATION.0).bind(100_i64).fetch_all(pool).await? {
                    for column in [2, 3, 4] {
                        size += row.try_get::<String, _>(column)?.len();
                    }
                    // Times, as they come over the wire.
                    for column in [5, 6] {
                        size += row.try_get_raw(column)?.as_bytes().map_err(anyhow::Error::from_boxed)?.len();
                    }
                    size += row.try_get::<Uuid, _>(0)?.as_bytes().len();
                    size += row.try_get::<Option<Uuid>, _>(1)?.map_or(0, |id| id.as_bytes().len());
                }
            }
        }
        Ok(size)
    }
}

/// The median of whole requests, in microseconds.
async fn over_http(binary: &Path, database_url: Option<String>) -> Result<f64> {
    let served = Served::start(binary, database_url).await?;
    let key = served.organization("bench").await?;
    let http = resly_tests::app::client();
    let rows: Vec<_> =
        (0..100).map(|n| serde_json::json!({"subject": format!("Ticket {n}"), "body": "Where is it?"})).collect();
    let made = http.post(format!("{}/rest/v1/tickets", served.base)).bearer_auth(&key).json(&rows).send().await?;
    anyhow::ensure!(made.status().is_success(), "{}", made.text().await?);
    let address = served.base.trim_start_matches("http://").parse()?;
    let bearer = format!("Bearer {key}");
    let target = Target::get(address, &format!("/rest/v1/tickets?{QUERY}"), &[("authorization", &bearer)]);
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS + 20 {
        let sample = target.ask(Instant::now()).await?;
        if round >= 20 {
            times.push(sample.whole.as_secs_f64() * 1e6);
        }
    }
    Ok(median(&mut times))
}
