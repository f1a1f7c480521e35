//! Inserts and upserts.

use std::collections::{HashMap, HashSet};

use resly_core::{boxed, id::OrganizationId, time::Timestamp};
use resly_rest::{
    RestError,
    body::{Row, Rows},
    plan::Node,
    prefer::Resolution,
    registry::{Column, Default, ForeignKey, Table, Type},
    resolve,
    value::Value,
};
use sqlx::types::Uuid;

use super::{
    Halt, RestStoreError,
    budget::{self, Budget},
    embed::{self, Parents},
    read,
    render::{RestRow, RestRows},
    statement::{ALIASES, Statement, separate},
};
use crate::{
    Store,
    error::{OperationError, violates_policy},
    sql::Conn,
};

/// Rows to insert.
#[derive(Clone, Debug)]
pub struct RestInsert {
    pub organization: OrganizationId,
    pub table: &'static Table,
    pub rows: Rows,
    /// For the rows that bring no id.
    pub ids: Vec<Uuid>,
    /// What becomes of a row whose value of the column is there already.
    pub conflict: Option<(&'static Column, Resolution)>,
    /// What is selected of the rows. Its conditions don't count.
    pub returned: Option<Node>,
    /// Whether exactly one row is expected.
    pub single: bool,
    pub now: Timestamp,
}

impl Store {
    /// Inserts rows, all or none of them. Returns what is selected of them, and their number in `total`.
    #[boxed]
    pub async fn insert_rest(&self, insert: RestInsert) -> Result<RestRows, RestStoreError> {
        self.write(insert.organization, "insert rows by REST", move |db| {
            Box::pin(async move { self::insert(db, insert).await.map_err(OperationError::from) })
        })
        .await
    }
}

async fn insert(mut db: Conn<'_>, insert: RestInsert) -> Result<RestRows, Halt> {
    let db = &mut db;
    check_conflicts(&insert)?;
    check_merged(db, &insert).await?;
    for key in insert.table.foreign_keys {
        if let Some(at) = insert.rows.columns.iter().position(|column| column.name == key.column) {
            let values = insert.rows.rows.iter().filter_map(|row| row[at].as_ref());
            check_reference(db, insert.organization, insert.table, key, values).await?;
        }
    }
    let written = if insert.rows.rows.is_empty() { Vec::new() } else { run(db, &insert).await? };
    check_single(insert.single, written.len())?;
    returned(db, insert.organization, insert.returned.as_ref(), &written).await
}

async fn run(db: &mut Conn<'_>, insert: &RestInsert) -> Result<Vec<Uuid>, Halt> {
    let table = insert.table;
    let mut statement = Statement::new(db, insert.organization, "INSERT INTO ");
    let columns: Vec<&'static Column> = table.columns.iter().filter(|column| column.writable.in_insert()).collect();
    let times: Vec<&'static str> =
        ["created_at", "updated_at", "last_seen_at"].into_iter().filter(|name| table.column(name).is_some()).collect();
    statement.push(table.name).push(" AS ").push(ALIASES[0]).push(" (organization_id");
    for name in columns.iter().map(|column| column.name).chain(times.iter().copied()) {
        statement.push(", ").push(name);
    }
    statement.push(") VALUES ");
    let mut first = true;
    for (row, id) in insert.rows.rows.iter().zip(&insert.ids) {
        separate(&mut statement, &mut first, ", ");
        statement.push("(").own_organization();
        for column in &columns {
            statement.push(", ").value(column.kind, &given(&insert.rows.columns, row, column, *id));
        }
        for _ in &times {
            statement.push(", ").value(Type::Timestamp, &Value::Time(insert.now));
        }
        statement.push(")");
    }
    push_conflict(&mut statement, insert);
    statement.push(" RETURNING id AS c0");
    let rows = match statement.fetch(db, usize::MAX).await {
        Err(error) if violates_policy(&error) => return Err(not_own(table).into()),
        rows => rows?,
    };
    let written = read::row_ids(&rows)?;
    let merges = matches!(insert.conflict, Some((_, Resolution::Merge)));
    if merges && written.len() < insert.rows.rows.len() {
        return Err(not_own(table).into());
    }
    Ok(written)
}

/// The row is there, and isn't the organization's. PostgreSQL says so itself where policies bind the host.
fn not_own(table: &Table) -> RestError {
    let table = table.name;
    RestError::denied(format!("new row violates row-level security policy for table \"{table}\""))
}

/// The value of a column in a row: the given one, or the column's default.
fn given(columns: &[&'static Column], row: &Row, column: &'static Column, id: Uuid) -> Value {
    let given = columns.iter().position(|known| *known == column).and_then(|at| row[at].clone());
    given.unwrap_or_else(|| match column.default {
        Default::Text(text) => Value::Text(text.to_owned()),
        Default::Host if column.name == "id" => Value::Uuid(id),
        Default::Host | Default::None => Value::Null,
    })
}

fn push_conflict(statement: &mut Statement, insert: &RestInsert) {
    let Some((column, resolution)) = insert.conflict else { return };
    statement.push(" ON CONFLICT (");
    if column.name != "id" {
        statement.push("organization_id, ");
    }
    statement.push(column.name).push(")");
    match resolution {
        Resolution::Ignore => drop(statement.push(" DO NOTHING")),
        Resolution::Merge => {
            statement.push(" DO UPDATE SET updated_at = excluded.updated_at");
            for set in insert.rows.columns.iter().filter(|set| **set != column && set.writable.in_update()) {
                statement.push(", ").push(set.name).push(" = excluded.").push(set.name);
            }
            statement.push(" WHERE ").column(0, "organization_id").push(" = ").own_organization();
        }
    }
}

/// The rows of one request may not meet each other: PostgreSQL refuses that, and SQLite doesn't.
fn check_conflicts(insert: &RestInsert) -> Result<(), RestError> {
    let Some((column, Resolution::Merge)) = insert.conflict else { return Ok(()) };
    let Some(at) = insert.rows.columns.iter().position(|known| *known == column) else { return Ok(()) };
    let mut seen = HashSet::new();
    let again =
        insert.rows.rows.iter().filter_map(|row| row[at].as_ref()).any(|value| !seen.insert(format!("{value:?}")));
    if again {
        return Err(RestError::new(400, "21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
            .hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
            ));
    }
    Ok(())
}

/// Rows that are there already and are merged with new ones are written whole. That is bounded as a change is.
async fn check_merged(db: &mut Conn<'_>, insert: &RestInsert) -> Result<(), Halt> {
    let Some((column, Resolution::Merge)) = insert.conflict else { return Ok(()) };
    let Some(at) = insert.rows.columns.iter().position(|known| *known == column) else { return Ok(()) };
    let values: Vec<Value> = insert.rows.rows.iter().filter_map(|row| row[at].clone()).collect();
    let bytes = read::bytes_of(db, insert.organization, insert.table, column, &values).await?;
    Ok(budget::check_written(bytes)?)
}

/// A row may only refer to rows of its own organization. Another one's row and none look the same.
pub(super) async fn check_reference<'v>(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    table: &Table,
    key: &ForeignKey,
    values: impl Iterator<Item = &'v Value>,
) -> Result<(), Halt> {
    let wanted: HashSet<Uuid> =
        values.filter_map(|value| if let Value::Uuid(id) = value { Some(*id) } else { None }).collect();
    let wanted: Vec<Uuid> = wanted.into_iter().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut statement = Statement::new(db, organization, "SELECT t0.id AS c0 FROM ");
    statement.push(key.target).push(" AS t0 WHERE ").column(0, "organization_id").push(" = ").own_organization();
    statement.push(" AND ").column(0, "id").among(&wanted);
    let rows = statement.fetch(db, wanted.len()).await?;
    let found: HashSet<Uuid> = read::row_ids(&rows)?.into_iter().collect();
    match wanted.iter().find(|id| !found.contains(id)) {
        None => Ok(()),
        Some(missing) => {
            let (table, name, column, target) = (table.name, key.name, key.column, key.target);
            let message = format!("insert or update on table \"{table}\" violates foreign key constraint \"{name}\"");
            let details = format!("Key ({column})=({missing}) is not present in table \"{target}\".");
            Err(RestError::new(409, "23503", message).details(details).into())
        }
    }
}

pub(super) fn check_single(single: bool, rows: usize) -> Result<(), RestError> {
    if single && rows != 1 { Err(RestError::not_single(rows)) } else { Ok(()) }
}

/// What is selected of the rows with these ids, in their order, and their number.
pub(super) async fn returned(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    node: Option<&Node>,
    ids: &[Uuid],
) -> Result<RestRows, Halt> {
    let total = Some(ids.len() as u64);
    let Some(node) = node else { return Ok(RestRows { total, ..RestRows::default() }) };
    let mut found: Vec<(Uuid, RestRow)> = rows_of(db, organization, node, ids).await?;
    if node.order.is_empty() {
        let places: HashMap<Uuid, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        found.sort_by_key(|(id, _)| places.get(id).copied());
    }
    let rows = found.into_iter().map(|(_, row)| row).collect();
    Ok(RestRows { names: resolve::member_names(node), rows, total })
}

/// The rows with these ids, each with its id.
pub(super) async fn rows_of(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    node: &Node,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, RestRow)>, Halt> {
    let node = Node { filters: Vec::new(), limit: None, offset: 0, ..node.clone() };
    if node.is_aggregated() {
        return Err(RestError::unsupported("an aggregate of the rows that are written").into());
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let parents = Some(Parents { column: "id", keys: ids });
    let found = embed::fetch(db, organization, &node, parents, &mut Budget::default()).await?;
    Ok(found.into_iter().filter_map(|(id, row)| Some((id?, row))).collect())
}
