//! Fills a store past the host, by statements that make thousands of rows each, as a year of use would have.

use std::time::Duration;

use anyhow::{Context, Result};
use resly_core::{
    id::OrganizationId,
    time::{Clock, SystemClock, Timestamp},
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Conversations that one transaction inserts.
const CHUNK: u64 = 50_000;
const YEAR: Duration = Duration::from_secs(365 * 86_400);
/// The log of connector calls is kept for 30 days.
const LOG: Duration = Duration::from_secs(29 * 86_400);

/// What a store is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub conversations: u64,
    /// The conversations are spread evenly over them.
    pub organizations: u64,
    /// Of the first organization.
    pub passages: u64,
}

/// A connection past the store.
pub enum Bare {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bare {
    pub async fn connect(folder: &std::path::Path, database_url: Option<&str>) -> Result<Self> {
        let Some(url) = database_url else {
            let options = SqliteConnectOptions::new().filename(folder.join("resly.db")).foreign_keys(false);
            return Ok(Self::Sqlite(options.connect().await?));
        };
        Ok(Self::Postgres(PgConnection::connect(url).await?))
    }

    pub async fn run(&mut self, sqlite: &str, postgres: &str) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(conn) => conn.execute(AssertSqlSafe(sqlite.to_owned())).await?.rows_affected(),
            Self::Postgres(conn) => conn.execute(AssertSqlSafe(postgres.to_owned())).await?.rows_affected(),
        })
    }

    /// A number that the query gives.
    pub async fn number(&mut self, sql: &str) -> Result<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_one(conn).await?,
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_one(conn).await?,
        })
    }

    /// The bytes that the database takes on the disk.
    pub async fn disk_bytes(&mut self) -> Result<i64> {
        match self {
            Self::Sqlite(_) => {
                self.number("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").await
            }
            Self::Postgres(_) => self.number("SELECT pg_database_size(current_database())").await,
        }
    }

    pub async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.close().await?,
            Self::Postgres(conn) => conn.close().await?,
        }
        Ok(())
    }
}

/// Inserts all rows of a size. Returns how many there were, and how long it took.
pub async fn fill(bare: &mut Bare, organization: OrganizationId, size: Size) -> Result<(u64, Duration)> {
    let started = Instant::now();
    let mut rows = 0;
    bare.run(
        "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000",
        "SET session_replication_role = replica; SET synchronous_commit = off",
    )
    .await?;
    let dialect = Dialect { organization, size, now: SystemClock.now() };
    rows += dialect.insert(bare, &dialect.organizations(), 1, size.organizations).await?;
    rows += dialect.insert(bare, &dialect.keys(), 0, size.organizations).await?;
    let mut from = 0;
    while from < size.conversations {
        let to = size.conversations.min(from + CHUNK);
        bare.run("BEGIN", "BEGIN").await?;
        for table in dialect.tables() {
            rows += dialect.insert(bare, &table, from, to).await?;
        }
        bare.run("COMMIT", "COMMIT").await?;
        from = to;
    }
    let took = started.elapsed();
    // As autovacuum does in time.
    bare.run("PRAGMA journal_mode = WAL", "VACUUM ANALYZE").await?;
    Ok((rows, took))
}

/// The texts of both databases for rows that are numbered by `i`.
struct Dialect {
    organization: OrganizationId,
    size: Size,
    now: Timestamp,
}

/// Rows of one table: its columns, and each column's value in SQLite and in PostgreSQL.
struct Rows {
    table: &'static str,
    columns: &'static str,
    values: [String; 2],
    /// Which numbers have a row.
    filter: &'static str,
}

impl Dialect {
    async fn insert(&self, bare: &mut Bare, rows: &Rows, from: u64, to: u64) -> Result<u64> {
        if from >= to {
            return Ok(0);
        }
        let Rows { table, columns, values: [sqlite, postgres], filter } = rows;
        let last = to - 1;
        bare.run(
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
                 INSERT INTO {table} ({columns}) SELECT {sqlite} FROM n, (SELECT 0 AS k UNION SELECT 1 UNION SELECT 2 UNION SELECT 3) {filter}"
            ),
            &format!(
                "INSERT INTO {table} ({columns}) SELECT {postgres}
                 FROM generate_series({from}::bigint, {last}::bigint) n(i), generate_series(0, 3) m(k) {filter}"
            ),
        )
        .await
        .with_context(|| format!("filling {table}"))
    }

    /// An id of this kind with the time of row `i` in it, as version 7 has it, so that indexes grow at their end as they do
    /// in use. It is made of the row's number, so that other tables can name it.
    fn id(&self, kind: u32, number: &str, within: Duration) -> [String; 2] {
        let ms = self.millis(within);
        [
            format!("printf('%08x-%04x-7{kind:03}-8000-%012x', ({ms}) >> 16, ({ms}) & 65535, {number})"),
            format!(
                "(lpad(to_hex(({ms}) >> 16), 8, '0') || '-' || lpad(to_hex(({ms}) & 65535), 4, '0') || '-7{kind:03}-8000-'
                  || lpad(to_hex({number}), 12, '0'))::uuid"
            ),
        ]
    }

    /// The row's time, in milliseconds since 1970: all rows are spread over `within`.
    fn millis(&self, within: Duration) -> String {
        let last = self.now.micros() / 1000 - 60_000;
        let span = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let count = self.size.conversations.max(1);
        format!("({last} - {span} + i * {span} / {count})")
    }

    fn at(&self, within: Duration) -> [String; 2] {
        let ms = self.millis(within);
        [
            format!("strftime('%Y-%m-%dT%H:%M:%f', ({ms}) / 1000.0, 'unixepoch') || '000Z'"),
            format!("to_timestamp(({ms}) / 1000.0)"),
        ]
    }

    /// The organization of row `i`.
    fn organization(&self) -> [String; 2] {
        let (first, count) = (self.organization, self.size.organizations);
        let others = |text: &str| format!("CASE WHEN i % {count} = 0 THEN '{first}' ELSE {text} END");
        [
            others(&format!("printf('00000000-0000-7000-8000-%012x', i % {count})")),
            format!("({})::uuid", others(&format!("'00000000-0000-7000-8000-' || lpad(to_hex(i % {count}), 12, '0')"))),
        ]
    }

    fn rows(&self, table: &'static str, columns: &'static str, filter: &'static str, values: &[[String; 2]]) -> Rows {
        let join = |at: usize| values.iter().map(|value| value[at].as_str()).collect::<Vec<_>>().join(", ");
        Rows { table, columns, values: [join(0), join(1)], filter }
    }

    fn organizations(&self) -> Rows {
        let at = self.at(YEAR);
        let name = both("'Organization ' || i");
        self.rows("organizations", "id, name, created_at", "WHERE k = 0", &[self.organization(), name, at])
    }

    /// A publishable key of each organization.
    fn keys(&self) -> Rows {
        let id = [
            "printf('00000000-0001-7000-8000-%012x', i)".to_owned(),
            "('00000000-0001-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid".to_owned(),
        ];
        let json = |text: &str| [format!("'{text}'"), format!("'{text}'::jsonb")];
        let origins = [
            "'[\"https://shop-' || i || '.example\"]'".to_owned(),
            "jsonb_build_array('https://shop-' || i || '.example')".to_owned(),
        ];
        let hash = ["zeroblob(32)".to_owned(), "decode(repeat('00', 32), 'hex')".to_owned()];
        self.rows(
            "api_keys",
            "id, organization_id, lineage, name, kind, scopes, origins, secret_hash, created_at",
            "WHERE k = 0",
            &[
                id.clone(),
                self.organization(),
                id,
                both("'widget'"),
                both("'publishable'"),
                json("[\"chat\"]"),
                origins,
                hash,
                self.at(YEAR),
            ],
        )
    }

    /// For each conversation two or four messages, and of other tables what a conversation leaves.
    fn tables(&self) -> Vec<Rows> {
        let (org, at) = (self.organization(), self.at(YEAR));
        let conversation = self.id(1, "i", YEAR);
        let visitor = self.id(2, "i / 3", YEAR);
        let key = same_uuid(7);
        // A visitor's id has the time of each of its conversations unless it is made of the number alone.
        let visitor =
            [visitor[0].replace(&self.millis(YEAR), "i / 3"), visitor[1].replace(&self.millis(YEAR), "(i / 3)")];
        let message = self.id(3, "i * 4 + k", YEAR);
        let answer = both(
            "CASE WHEN k % 2 = 0 THEN 'Where is my order number ' || i || '? It should have been here days ago.' ELSE 'Your order ' || i || ' has left our warehouse. You can follow it with the link in the mail that we sent when it left. It takes three working days in most countries, and a day more on islands. If it is not there after a week, answer here, and a person will look for it.' END",
        );
        vec![
            self.rows(
                "visitors",
                "id, organization_id, external_id, created_at, last_seen_at, updated_at",
                "WHERE k = 0 AND i % 3 = 0",
                &[visitor.clone(), org.clone(), both("'visitor-' || (i / 3)"), at.clone(), at.clone(), at.clone()],
            ),
            self.rows(
                "conversations",
                "id, organization_id, key_id, visitor_id, next_position, created_at, updated_at",
                "WHERE k = 0",
                &[conversation.clone(), org.clone(), key.clone(), visitor, both("2 + 2 * (i % 2)"), at.clone(), at.clone()],
            ),
            self.rows(
                "messages",
                "id, organization_id, conversation_id, position, role, content, status, citations, steps, input_tokens, output_tokens, created_at, updated_at",
                "WHERE k < 2 + 2 * (i % 2)",
                &[
                    message.clone(),
                    org.clone(),
                    conversation.clone(),
                    both("k"),
                    both("CASE WHEN k % 2 = 0 THEN 'user' ELSE 'assistant' END"),
                    answer,
                    both("CASE WHEN i % 50 = 0 AND k = 1 THEN 'failed' ELSE 'complete' END"),
                    both("'[]'"),
                    both("'[]'"),
                    both("CASE WHEN k % 2 = 1 THEN 700 END"),
                    both("CASE WHEN k % 2 = 1 THEN 90 END"),
                    at.clone(),
                    at.clone(),
                ]
                .map(|[sqlite, postgres]| {
                    let postgres = if postgres == "'[]'" { "'[]'::jsonb".to_owned() } else { postgres };
                    [sqlite, postgres]
                }),
            ),
            self.rows(
                "billing_events",
                "id, organization_id, kind, meter, quantity, period_start, subject_id, created_at, updated_at",
                "WHERE k < 1 + i % 2",
                &[
                    self.id(4, "i * 2 + k", YEAR),
                    org.clone(),
                    both("'chat'"),
                    both("'messages'"),
                    both("1"),
                    at.clone(),
                    message,
                    at.clone(),
                    at.clone(),
                ],
            ),
            self.rows(
                "tickets",
                "id, organization_id, conversation_id, subject, body, status, created_at, updated_at",
                "WHERE k = 0 AND i % 10 = 0",
                &[
                    self.id(5, "i", YEAR),
                    org.clone(),
                    conversation.clone(),
                    both("'Order ' || i"),
                    both("'The customer asks for a refund of order ' || i"),
                    both("CASE WHEN i % 40 = 0 THEN 'open' ELSE 'closed' END"),
                    at.clone(),
                    at,
                ],
            ),
            self.log(org, conversation, key),
        ]
    }

    fn log(&self, org: [String; 2], conversation: [String; 2], key: [String; 2]) -> Rows {
        let at = self.at(LOG);
        let json = ["'[]'".to_owned(), "'[]'::jsonb".to_owned()];
        self.rows(
            "connector_logs",
            "id, organization_id, connection_id, connector, version, action, environment, caller, key_id, conversation_id, status, cached, fuel, http_calls, response_bytes, duration_us, log, requests, created_at, bytes, updated_at",
            "WHERE k = 0 AND i % 5 = 0",
            &[
                self.id(6, "i", LOG),
                org,
                same_uuid(8),
                both("'shop'"),
                both("'1.0.0'"),
                both("'find_orders'"),
                both("'production'"),
                both("'chat'"),
                key,
                conversation,
                both("CASE WHEN i % 100 = 0 THEN 'upstream' ELSE 'ok' END"),
                ["0".to_owned(), "false".to_owned()],
                both("900000"),
                both("1"),
                both("2000"),
                both("180000"),
                json.clone(),
                json,
                at.clone(),
                both("400"),
                at,
            ],
        )
    }
}

/// A value that both databases take.
fn both(value: &str) -> [String; 2] {
    [value.to_owned(), value.to_owned()]
}

fn same_uuid(number: u128) -> [String; 2] {
    let id = Uuid::from_u128(number);
    [format!("'{id}'"), format!("'{id}'::uuid")]
}
