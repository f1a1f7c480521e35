//! The tables that a copy takes over: what both stores have, with the types that PostgreSQL knows.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, SqliteConnection};

use super::CopyError;

/// Tables of PostgreSQL that stay behind. Logins are the server's, and are made anew.
const LEFT_OUT: &str = "database_roles";
/// What hosts write while nobody asks them for a change: the requests of this minute, and when a key was last used.
const PASSING: [(&str, Option<&str>); 2] = [("rate_windows", None), ("api_keys", Some("last_used_at"))];

/// A column's type, by what it holds. SQLite has most of them as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    Text,
    Int,
    Bool,
    Time,
    Bytes,
    /// `jsonb`: members have no order, and numbers no spelling.
    Json,
    /// `json`, which is kept as it is written.
    Written,
    Texts,
}

impl Kind {
    /// By PostgreSQL's name of the type.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "text" => Self::Text,
            "bigint" => Self::Int,
            "boolean" => Self::Bool,
            "timestamp with time zone" => Self::Time,
            "bytea" => Self::Bytes,
            "jsonb" => Self::Json,
            "json" => Self::Written,
            "text[]" => Self::Texts,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
    /// Whether a change of it alone says that somebody changed something.
    pub lasting: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// The places of the primary key's columns in `columns`.
    pub key: Vec<usize>,
    /// Whether a row that is new or gone says that somebody changed something.
    pub lasting: bool,
}

impl Table {
    /// The columns, quoted, with commas between.
    pub fn column_list(&self) -> String {
        let quoted: Vec<_> = self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        quoted.join(", ")
    }

    /// The key's columns likewise.
    pub fn key_list(&self) -> String {
        let quoted: Vec<_> = self.key.iter().map(|at| format!("\"{}\"", self.columns[*at].name)).collect();
        quoted.join(", ")
    }
}

/// The tables that both have, each after those that it refers to.
pub(super) async fn tables(
    postgres: &mut PgConnection,
    sqlite: &mut SqliteConnection,
) -> Result<Vec<Table>, CopyError> {
    let failed = |error: sqlx::Error| CopyError::database("read the tables' definitions", &error);
    let names: BTreeSet<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut *sqlite)
        .await
        .map_err(failed)?
        .into_iter()
        .collect();
    let mut found: BTreeMap<String, Table> = BTreeMap::new();
    let definitions: Vec<(String, String, String)> =
        sqlx::query_as(COLUMNS).fetch_all(&mut *postgres).await.map_err(failed)?;
    for (table, column, kind) in definitions {
        if !names.contains(&table) || table == LEFT_OUT {
            continue;
        }
        if !found.contains_key(&table) {
            found.insert(table.clone(), Table { name: table.clone(), columns: vec![], key: vec![], lasting: true });
        }
        let known = "SELECT EXISTS (SELECT 1 FROM pragma_table_info($1) WHERE name = $2)";
        let known = sqlx::query_scalar(known).bind(&table).bind(&column).fetch_one(&mut *sqlite).await;
        let known: bool = known.map_err(failed)?;
        if !known {
            continue;
        }
        let kind =
            Kind::of(&kind).ok_or_else(|| CopyError::Type { table: table.clone(), column: column.clone(), kind })?;
        if let Some(found) = found.get_mut(&table) {
            let lasting = !PASSING.contains(&(table.as_str(), Some(column.as_str())));
            found.lasting = !PASSING.contains(&(table.as_str(), None));
            found.columns.push(Column { name: column, kind, lasting });
        }
    }
    let keys: Vec<(String, String)> = sqlx::query_as(KEYS).fetch_all(&mut *postgres).await.map_err(failed)?;
    for (table, column) in keys {
        let Some(table) = found.get_mut(&table) else { continue };
        if let Some(at) = table.columns.iter().position(|own| own.name == column) {
            table.key.push(at);
        }
    }
    let references: Vec<(String, String)> =
        sqlx::query_as(REFERENCES).fetch_all(&mut *postgres).await.map_err(failed)?;
    Ok(ordered(found, &references))
}

/// Each table after those that it refers to.
fn ordered(mut tables: BTreeMap<String, Table>, references: &[(String, String)]) -> Vec<Table> {
    let mut ordered = Vec::new();
    while !tables.is_empty() {
        let waits = |name: &str| {
            references.iter().any(|(from, to)| from == name && to != name && tables.contains_key(to.as_str()))
        };
        // Tables that refer to each other have no order. There are none; a copy of such would fail by its constraint.
        let next = tables.keys().find(|name| !waits(name)).or_else(|| tables.keys().next()).cloned();
        ordered.extend(next.and_then(|name| tables.remove(&name)));
    }
    ordered
}

const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL)::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        AND c.relname NOT IN ('_sqlx_migrations', 'resly_copy_progress')
    ORDER BY c.relname, a.attnum";
const KEYS: &str = "SELECT c.relname::text, a.attname::text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS of_key (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = of_key.attnum
    WHERE k.contype = 'p' AND c.relnamespace = current_schema()::regnamespace
    ORDER BY c.relname, of_key.place";
const REFERENCES: &str = "SELECT c.relname::text, f.relname::text
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
    WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        let table = |name: &str| Table { name: name.to_owned(), columns: vec![], key: vec![], lasting: true };
        let tables = ["a", "b", "c"].map(|name| (name.to_owned(), table(name))).into();
        let refers = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let references = [refers("a", "c"), refers("b", "a"), refers("c", "c")];
        let ordered: Vec<_> = ordered(tables, &references).into_iter().map(|table| table.name).collect();
        assert_eq!(ordered, ["c", "a", "b"]);
    }
}
