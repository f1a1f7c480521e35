//! Rows for every table of any version of the schema, made from the tables' definitions.
//!
//! Row `i` of every table belongs to organization `i` and refers to row `i` of the others. What a text, JSON or bytes hold
//! tells where they are from: see [`canary`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use resly_core::id::OrganizationId;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::backend::Backend;

/// Rows of each table.
pub const ROWS: usize = 3;
/// What PostgreSQL alone has, and what SQLite alone has.
const ONE_SIDED: [&str; 1] = ["database_roles"];

/// What is in the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// What a host might have written. In the last row, all that may be NULL is.
    Plain,
    /// The ends of every type.
    Extreme,
}

/// A column as it is in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// PostgreSQL's name of the type, in the newest version of the schema.
    pub kind: String,
    pub nullable: bool,
}

/// Columns by table, without generated ones.
pub type Schema = BTreeMap<String, Vec<Column>>;

/// A text that is in one place of the database alone.
pub fn canary(table: &str, column: &str, row: usize) -> String {
    format!("canary-{table}-{column}-{row}.")
}

/// The id of a row.
pub fn id(table: &str, row: usize) -> Uuid {
    let name = table
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Uuid::from_u64_pair(name, 0x8000_0000_0000_0000 | row as u64)
}

pub fn organization(row: usize) -> OrganizationId {
    OrganizationId(id("organizations", row))
}

/// The types of all columns: of PostgreSQL's newest version, since SQLite has hardly any types.
async fn kinds() -> &'static BTreeMap<(String, String), String> {
    static KINDS: OnceCell<BTreeMap<(String, String), String>> = OnceCell::const_new();
    KINDS
        .get_or_init(|| async {
            let newest = Backend::postgres().await;
            newest.open().await.close().await;
            let sql = "SELECT c.relname || '|' || a.attname || '|' || format_type(a.atttypid, NULL)
                       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                       WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped";
            let parts = newest.texts(sql).await;
            parts
                .iter()
                .map(|line| {
                    let parts: Vec<&str> = line.split('|').collect();
                    ((parts[0].to_owned(), parts[1].to_owned()), parts[2].to_owned())
                })
                .collect()
        })
        .await
}

/// What the database has now, without what triggers derive from it.
pub async fn schema(backend: &Backend) -> Schema {
    let sql = if backend.is_sqlite() {
        "SELECT t.name || '|' || c.name || '|' || (NOT c.\"notnull\") FROM sqlite_schema t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'passages_fts%' AND t.name NOT LIKE 'conversation_fts%' AND t.name NOT LIKE 'sqlite_%'
         AND t.name NOT IN ('_sqlx_migrations', 'key_origins') ORDER BY t.name, c.cid"
    } else {
        "SELECT c.relname || '|' || a.attname || '|' || (NOT a.attnotnull)::int
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
         AND c.relname NOT IN ('_sqlx_migrations', 'passage_refresh')
         AND NOT (c.relname = 'passages' AND a.attname IN ('search', 'embedding')) ORDER BY c.relname, a.attnum"
    };
    let kinds = kinds().await;
    let mut schema = Schema::new();
    for line in backend.texts(sql).await {
        let parts: Vec<&str> = line.split('|').collect();
        let (table, name) = (parts[0].to_owned(), parts[1].to_owned());
        // SQLite counts the passages.
        let kind = kinds.get(&(table.clone(), name.clone())).map_or("rowid", String::as_str).to_owned();
        schema.entry(table).or_default().push(Column { name, kind, nullable: parts[2] == "1" });
    }
    schema
}

/// Which table refers to which.
async fn references(backend: &Backend) -> BTreeSet<(String, String)> {
    let sql = if backend.is_sqlite() {
        "SELECT t.name || '|' || f.\"table\" FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'"
    } else {
        "SELECT c.relname || '|' || f.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         JOIN pg_class f ON f.oid = k.confrelid WHERE k.contype = 'f'"
    };
    let pairs = backend.texts(sql).await;
    pairs.iter().filter_map(|line| line.split_once('|')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// Fills every table. Returns what was filled.
pub async fn fill(backend: &Backend, style: Style) -> Schema {
    let schema = schema(backend).await;
    let references = references(backend).await;
    let mut waiting: BTreeSet<&String> = schema.keys().filter(|name| !ONE_SIDED.contains(&name.as_str())).collect();
    let mut script = String::new();
    if schema.contains_key("plans") {
        // A migration made one.
        script.push_str("DELETE FROM plans;\n");
    }
    while !waiting.is_empty() {
        let free =
            |name: &&&String| !references.iter().any(|(from, to)| from == **name && from != to && waiting.contains(to));
        let table = *waiting.iter().find(free).expect("tables refer to each other in a circle");
        waiting.remove(table);
        let columns: Vec<&Column> = schema[table].iter().filter(|column| column.kind != "rowid").collect();
        let names: Vec<_> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        for row in 0..ROWS {
            let values: Vec<_> =
                columns.iter().map(|column| literal(backend.is_sqlite(), table, column, row, style)).collect();
            let (names, values) = (names.join(", "), values.join(", "));
            writeln!(script, "INSERT INTO \"{table}\" ({names}) VALUES ({values});").unwrap();
        }
    }
    // One transaction, and so one sync of the disk.
    backend.script(&format!("BEGIN;\n{script}COMMIT;")).await;
    schema
}

/// Values that the host itself reads, and so can't be just anything.
fn fixed(table: &str, column: &str) -> Option<&'static str> {
    Some(match (table, column) {
        ("api_keys", "kind") => "'secret'",
        ("api_keys", "scopes") => "'[\"chat\"]'",
        ("api_keys", "origins") | ("connector_versions", "imports") => "'[]'",
        ("api_keys", "rate_limits") => "NULL",
        ("organizations", "overrides") | ("plans", "limits" | "per_minute") => "'{}'",
        ("organizations" | "plans", "features") => "NULL",
        ("organizations", "subscription_status") => "'active'",
        ("turns", "status") => "'complete'",
        ("conversations", "state") => "'ai'",
        ("conversations", "merged_into") => "NULL",
        ("knowledge_sources", "status") | ("connector_versions", "state") => "'ready'",
        ("knowledge_sources", "kind") => "'text'",
        // Nothing for the host to settle when it opens the tables.
        ("call_reservations", "released") => "TRUE",
        ("knowledge_sources" | "crawls", "lease" | "lease_until") => "NULL",
        _ => return None,
    })
}

/// Whether the host reads the column, so that it has no canary.
pub fn is_fixed(table: &str, column: &str) -> bool {
    fixed(table, column).is_some()
}

/// The table that a column's ids are of.
fn target(table: &str, column: &str) -> Option<&'static str> {
    Some(match (table, column) {
        (_, "organization_id" | "organization") => "organizations",
        (_, "person_id") => "people",
        (_, "conversation_id") => "conversations",
        (_, "connection_id") | ("connection_health", "id") => "connections",
        (_, "key_id") => "api_keys",
        (_, "visitor_id") => "visitors",
        (_, "message_id") => "messages",
        (_, "source_id") => "knowledge_sources",
        (_, "crawl_id") => "crawls",
        (_, "ticket_id") => "tickets",
        _ => return None,
    })
}

fn literal(sqlite: bool, table: &str, column: &Column, row: usize, style: Style) -> String {
    let name = column.name.as_str();
    if let Some(fixed) = fixed(table, name) {
        return fixed.to_owned();
    }
    if column.nullable && row == ROWS - 1 && name != "updated_at" {
        return "NULL".to_owned();
    }
    let canary = canary(table, name, row);
    let extreme = style == Style::Extreme;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let json = |text: &str| {
        format!(r#"{{"canary":{},"b":{{"z":1.50,"a":[true,null,"é\n"]}},"":12345678901234567890}}"#, json_text(text))
    };
    match column.kind.as_str() {
        "uuid" if name == "id" && target(table, name).is_none() => quoted(&id(table, row).to_string()),
        "uuid" => match target(table, name) {
            Some(target) => quoted(&id(target, row).to_string()),
            None => quoted(&id(&format!("{table}.{name}"), row).to_string()),
        },
        "text" if extreme && row == 1 => "''".to_owned(),
        "text" if extreme => quoted(&format!("{canary} '\"\\\\ \\N \t\u{1f600} {{}}, $1\u{202e} \r\nend")),
        "text" => quoted(&canary),
        "bigint" if extreme => ["9223372036854775807", "-9223372036854775807", "0"][row].to_owned(),
        "bigint" => (row + 1).to_string(),
        "boolean" => row.is_multiple_of(2).to_string(),
        "timestamp with time zone" if extreme => {
            quoted(["0001-01-01T00:00:00.000001Z", "9999-12-30T21:59:59.999999Z", "1970-01-01T00:00:00.000000Z"][row])
        }
        // In the future, so that nothing is too old to be kept.
        "timestamp with time zone" => quoted(&format!("2100-01-0{}T08:00:00.12345{row}Z", row + 1)),
        "bytea" => {
            let bytes = match (extreme, row) {
                (true, 0) => (0..=255).collect(),
                (true, 1) => vec![],
                _ => canary.into_bytes(),
            };
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if sqlite { format!("X'{hex}'") } else { format!("'\\x{hex}'") }
        }
        "jsonb" | "json" if extreme && row == 1 => "'{}'".to_owned(),
        "jsonb" | "json" => quoted(&json(&canary)),
        "text[]" => match (sqlite, extreme && row == 1) {
            (true, true) => "'[]'".to_owned(),
            (false, true) => "'{}'".to_owned(),
            (true, false) => quoted(&format!("[{},\"a\\\"\\\\,\",\"\"]", json_text(&canary))),
            (false, false) => quoted(&format!("{{\"{canary}\",\"a\\\"\\\\,\",\"\"}}")),
        },
        other => panic!("{table}.{name} has the type {other}: say here what a value of it is"),
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Every value of these columns as text, by table and sorted.
pub async fn dump(backend: &Backend, schema: &Schema) -> BTreeMap<String, Vec<String>> {
    let mut dump = BTreeMap::new();
    for (table, columns) in schema {
        let values: Vec<_> = columns
            .iter()
            .filter(|column| column.kind != "rowid")
            .map(|column| match backend.is_sqlite() {
                true => format!("quote(\"{}\")", column.name),
                false => format!("coalesce(quote_literal(\"{}\"::text), 'NULL')", column.name),
            })
            .collect();
        let mut rows = backend.texts(&format!("SELECT {} FROM \"{table}\"", values.join(" || ', ' || "))).await;
        rows.sort();
        dump.insert(table.clone(), rows);
    }
    dump
}
