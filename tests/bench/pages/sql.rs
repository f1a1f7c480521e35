//! Expressions that both databases understand, each in its own words, for rows that are numbered by `i`.

use std::time::Duration;

use anyhow::{Context, Result};
use resly_core::time::Timestamp;
use uuid::Uuid;

use crate::grow::Bare;

/// Rows that one statement inserts.
const CHUNK: u64 = 100_000;

/// An expression in SQLite and in PostgreSQL.
#[derive(Clone)]
pub struct Sql(pub [String; 2]);

impl Sql {
    /// With the type that PostgreSQL has to be told.
    pub fn cast(self, to: &str) -> Self {
        let Self([sqlite, postgres]) = self;
        Self([sqlite, format!("({postgres})::{to}")])
    }
}

/// An expression that both take.
pub fn both(text: impl Into<String>) -> Sql {
    let text = text.into();
    Sql([text.clone(), text])
}

pub fn json(text: &str) -> Sql {
    Sql([text.to_owned(), format!("({text})::jsonb")])
}

/// A list of one text, or of none.
pub fn tags(text: &str) -> Sql {
    Sql([
        format!("CASE WHEN ({text}) IS NULL THEN '[]' ELSE json_array({text}) END"),
        format!("CASE WHEN ({text}) IS NULL THEN ARRAY[]::text[] ELSE ARRAY[{text}] END"),
    ])
}

/// 32 bytes that differ from row to row.
pub fn bytes(number: &str) -> Sql {
    Sql([
        format!("CAST(printf('%032d', {number}) AS BLOB)"),
        format!("convert_to(lpad(({number})::text, 32, '0'), 'UTF8')"),
    ])
}

pub fn fixed(id: Uuid) -> Sql {
    Sql([format!("'{id}'"), format!("'{id}'::uuid")])
}

pub fn at(time: Timestamp) -> Sql {
    Sql([format!("'{time}'"), format!("'{time}'::timestamptz")])
}

/// The value where a condition holds, else nothing.
pub fn when(condition: &str, Sql([sqlite, postgres]): Sql) -> Sql {
    let case = |value: String| format!("CASE WHEN {condition} THEN {value} END");
    Sql([case(sqlite), case(postgres)])
}

/// The moments of rows that are spread evenly over the time before a moment.
#[derive(Clone, Copy)]
pub struct Spread {
    last: i64,
    span: i64,
    count: i64,
}

impl Spread {
    pub fn new(now: Timestamp, days: u64, count: u64) -> Self {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self {
            last: now.micros() / 1000 - 60_000,
            span: millis(Duration::from_secs(days * 86_400)),
            count: i64::try_from(count.max(1)).unwrap_or(i64::MAX),
        }
    }

    /// The milliseconds since 1970 of a row's moment.
    fn millis(self, number: &str) -> String {
        let Self { last, span, count } = self;
        format!("({last} - {span} + ({number}) * {span} / {count})")
    }

    pub fn at(self, number: &str) -> Sql {
        let ms = self.millis(number);
        Sql([
            format!("strftime('%Y-%m-%dT%H:%M:%f', ({ms}) / 1000.0, 'unixepoch') || '000Z'"),
            format!("to_timestamp(({ms}) / 1000.0)"),
        ])
    }

    /// The start of its month.
    pub fn month(self, number: &str) -> Sql {
        let ms = self.millis(number);
        Sql([
            format!("strftime('%Y-%m-01T00:00:00.000000Z', ({ms}) / 1000.0, 'unixepoch')"),
            format!("date_trunc('month', to_timestamp(({ms}) / 1000.0), 'UTC')"),
        ])
    }

    /// An id of this kind, with the row's moment in it as version 7 has it, so that indexes grow at their end as they do
    /// in use. It is made of the row's number, so that other tables can name it.
    pub fn id(self, kind: u32, number: &str) -> Sql {
        let ms = self.millis(number);
        Sql([
            format!("printf('%08x-%04x-7{kind:03}-8000-%012x', ({ms}) >> 16, ({ms}) & 65535, {number})"),
            format!(
                "(lpad(to_hex(({ms}) >> 16), 8, '0') || '-' || lpad(to_hex(({ms}) & 65535), 4, '0')
                  || '-7{kind:03}-8000-' || lpad(to_hex(({number})::bigint), 12, '0'))::uuid"
            ),
        ])
    }
}

/// Inserts `count` rows.
pub async fn insert(bare: &mut Bare, table: &str, count: u64, columns: &[(&str, Sql)]) -> Result<()> {
    insert_where(bare, table, count, columns, "TRUE").await
}

/// Inserts those of `count` rows for which a condition holds.
pub async fn insert_where(
    bare: &mut Bare,
    table: &str,
    count: u64,
    columns: &[(&str, Sql)],
    condition: &str,
) -> Result<()> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    let values = |at: usize| columns.iter().map(|(_, Sql(sql))| sql[at].as_str()).collect::<Vec<_>>().join(", ");
    let [sqlite, postgres] = [values(0), values(1)];
    let mut from = 0;
    while from < count {
        let last = count.min(from + CHUNK) - 1;
        bare.run(
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
                 INSERT INTO {table} ({names}) SELECT {sqlite} FROM n WHERE {condition}"
            ),
            &format!(
                "INSERT INTO {table} ({names}) SELECT {postgres}
                 FROM generate_series({from}::bigint, {last}::bigint) n(i) WHERE {condition}"
            ),
        )
        .await
        .with_context(|| format!("filling {table}"))?;
        from = last + 1;
    }
    Ok(())
}
