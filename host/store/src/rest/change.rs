//! Updates and deletes. A read with its deadline finds the rows, and what is returned of them where it would take long. The
//! write that follows names the rows by id and `updated_at` and asks no other condition, so that no search holds SQLite's one
//! writer. When a row has changed in between, nothing is written and the rows are found anew.

use std::collections::HashSet;

use resly_core::{boxed, id::OrganizationId, time::Timestamp};
use resly_rest::{
    RestError, limits,
    plan::Node,
    registry::{Column, Type},
    resolve,
    value::Value,
};
use sqlx::types::Uuid;

use super::{
    Halt, RestStoreError, budget, insert, read, reader,
    render::{RestRow, RestRows},
    scan,
    statement::{ALIASES, FoundRow, Statement},
};
use crate::{Backend, Store, error::OperationError, sql::Conn};

/// How often the rows of a change are found anew, when others change them at the same time.
const TRIES: usize = 5;

/// A change of the rows for which the conditions of a node hold.
#[derive(Clone, Debug)]
pub struct RestChange {
    pub organization: OrganizationId,
    pub node: Node,
    /// The columns to set; `None` deletes the rows.
    pub set: Option<Vec<(&'static Column, Value)>>,
    /// Whether what the node selects is returned.
    pub returns: bool,
    /// The most rows that may be changed.
    pub most: Option<u64>,
    /// Whether exactly one row is expected.
    pub single: bool,
    pub now: Timestamp,
}

/// The rows of a change, as they were found.
#[derive(Clone, Debug)]
pub struct FoundRows {
    rows: Vec<FoundRow>,
    /// What the change selects of them, where it has to be read before they are written.
    before: Vec<(Uuid, RestRow)>,
}

impl FoundRows {
    /// Their ids, in the order of the request.
    pub fn ids(&self) -> Vec<Uuid> {
        self.rows.iter().map(|row| row.id).collect()
    }
}

impl Store {
    /// Changes rows, all or none of them. Returns what is selected of them, and their number in `total`.
    #[boxed]
    pub async fn change_rest(&self, change: RestChange) -> Result<RestRows, RestStoreError> {
        for _ in 1..TRIES {
            let found = self.find_rest(&change).await?;
            match self.write_found_rest(&change, found).await {
                Err(RestStoreError::Refused(error)) if error.code == CHANGED_MEANWHILE => {}
                written => return written,
            }
        }
        let found = self.find_rest(&change).await?;
        self.write_found_rest(&change, found).await
    }

    /// The rows of a change, when there aren't more than it may change.
    #[boxed]
    pub async fn find_rest(&self, change: &RestChange) -> Result<FoundRows, RestStoreError> {
        let doing = "find the rows to change by REST";
        let mut reader = self.rest_reader(change.organization, doing, true).await?;
        let place = reader.place();
        let mut db = reader.conn();
        let (organization, mut node) = (change.organization, change.node.clone());
        let reads_rows = change.returns && (change.set.is_none() || self.returns_later(change));
        let work = async {
            scan::resolve(&mut db, &place, organization, &mut node).await?;
            let rows = read::found(&mut db, organization, &node).await?;
            check_number(change, rows.len())?;
            let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
            let before =
                if reads_rows { insert::rows_of(&mut db, organization, &node, &ids).await? } else { Vec::new() };
            Ok(FoundRows { rows, before })
        };
        reader::within_time(doing, work).await
    }

    /// Writes the rows that were found. Refused with `40001` when one of them has changed since.
    #[boxed]
    pub async fn write_found_rest(&self, change: &RestChange, found: FoundRows) -> Result<RestRows, RestStoreError> {
        let names = resolve::member_names(&change.node);
        if found.rows.is_empty() {
            return Ok(RestRows { names, rows: Vec::new(), total: Some(0) });
        }
        check_bytes(change, &found.rows)?;
        let ids = found.ids();
        let later = change.returns && change.set.is_some() && self.returns_later(change);
        let (organization, node) = (change.organization, change.node.clone());
        let written = RestChange { returns: change.returns && !later, ..change.clone() };
        let rows = self
            .write(organization, "change rows by REST", move |db| {
                Box::pin(async move { apply(db, written, found).await.map_err(OperationError::from) })
            })
            .await?;
        if later { self.rows_by_id(organization, node, ids).await } else { Ok(rows) }
    }

    /// Whether what an update returns is read after it, by a reader: what is embedded in the rows has conditions of its own,
    /// which would hold SQLite's one writer. It was read before the update as well, so what can't be read is refused then.
    fn returns_later(&self, change: &RestChange) -> bool {
        matches!(self.backend, Backend::Sqlite { .. }) && !change.node.embeds.is_empty()
    }

    /// What a node selects of the rows with these ids, in their order.
    #[boxed]
    pub async fn rows_by_id(
        &self,
        organization: OrganizationId,
        mut node: Node,
        ids: Vec<Uuid>,
    ) -> Result<RestRows, RestStoreError> {
        let doing = "read the rows that were written by REST";
        let mut reader = self.rest_reader(organization, doing, true).await?;
        let place = reader.place();
        let mut db = reader.conn();
        let work = async {
            node.filters.clear();
            scan::resolve(&mut db, &place, organization, &mut node).await?;
            insert::returned(&mut db, organization, Some(&node), &ids).await
        };
        reader::within_time(doing, work).await
    }
}

const CHANGED_MEANWHILE: &str = "40001";

fn changed_meanwhile() -> RestError {
    RestError::new(500, CHANGED_MEANWHILE, "could not serialize access due to concurrent update")
        .hint("Others changed the rows at the same time. Nothing was written: send the request again.")
}

fn check_number(change: &RestChange, rows: usize) -> Result<(), RestError> {
    if rows as u64 > change.most.unwrap_or(u64::MAX) {
        return Err(RestError::new(400, "PGRST124", "Query result exceeds max-affected preference constraint")
            .details(format!("The query affects {rows} rows")));
    }
    if rows > limits::WRITTEN {
        return Err(RestError::too_much(format!("a request changes {} rows at most", limits::WRITTEN)));
    }
    insert::check_single(change.single, rows)
}

/// Bounds how long a change holds SQLite's one writer: a row that changes is written whole, and one that is deleted is
/// overwritten.
fn check_bytes(change: &RestChange, rows: &[FoundRow]) -> Result<(), RestError> {
    let set: u64 = change.set.iter().flatten().map(|(_, value)| value_bytes(value)).sum();
    let set = set.saturating_mul(rows.len() as u64);
    budget::check_written(rows.iter().map(|row| row.bytes).sum::<u64>().saturating_add(set))
}

fn value_bytes(value: &Value) -> u64 {
    let bytes = match value {
        Value::Text(text) => text.len(),
        Value::Texts(texts) => texts.iter().map(String::len).sum(),
        Value::Json(json) => json.to_string().len(),
        Value::Null | Value::Uuid(_) | Value::Int(_) | Value::Bool(_) | Value::Time(_) => 0,
    };
    bytes as u64
}

async fn apply(mut db: Conn<'_>, change: RestChange, found: FoundRows) -> Result<RestRows, Halt> {
    let db = &mut db;
    let node = &change.node;
    for key in node.table.foreign_keys {
        let set = change.set.iter().flatten();
        let values = set.filter(|(column, _)| column.name == key.column).map(|(_, value)| value);
        insert::check_reference(db, change.organization, node.table, key, values).await?;
    }
    let rows = statement(db, &change, &found.rows).fetch(db, usize::MAX).await?;
    let written: HashSet<Uuid> = read::row_ids(&rows)?.into_iter().collect();
    if written.len() < found.rows.len() {
        return Err(changed_meanwhile().into());
    }
    let ids = found.ids();
    if change.set.is_some() {
        return insert::returned(db, change.organization, change.returns.then_some(node), &ids).await;
    }
    let names = resolve::member_names(node);
    let rows = found.before.into_iter().map(|(_, row)| row).collect();
    Ok(RestRows { names, rows, total: Some(ids.len() as u64) })
}

/// The write. Its text and its values don't depend on the conditions of the request.
fn statement(db: &Conn<'_>, change: &RestChange, found: &[FoundRow]) -> Statement {
    let table = change.node.table.name;
    let mut statement;
    match &change.set {
        None => {
            statement = Statement::new(db, change.organization, "DELETE FROM ");
            statement.push(table).push(" AS ").push(ALIASES[0]);
        }
        Some(set) => {
            statement = Statement::new(db, change.organization, "UPDATE ");
            statement.push(table).push(" AS ").push(ALIASES[0]).push(" SET updated_at = ");
            statement.value(Type::Timestamp, &Value::Time(change.now));
            for (column, value) in set {
                statement.push(", ").push(column.name).push(" = ").value(column.kind, value);
            }
        }
    }
    statement.push(" WHERE ").column(0, "organization_id").push(" = ").own_organization().push(" AND ");
    statement.unchanged(found).push(" RETURNING id AS c0");
    statement
}

#[cfg(test)]
mod tests {
    use resly_rest::{query::Query, registry};
    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn the_write_asks_no_condition_of_the_request() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let db = Conn::Sqlite(&mut conn);
        let table = registry::table("tickets").unwrap();
        let text = |query: &str, set: bool| {
            let node = resolve::plan(table, &Query::parse(query).unwrap()).unwrap();
            let value = (table.column("status").unwrap(), Value::Text("closed".to_owned()));
            let change = RestChange {
                organization: OrganizationId(Uuid::from_u128(1)),
                node,
                set: set.then(|| vec![value]),
                returns: false,
                most: None,
                single: false,
                now: Timestamp::from_micros(0),
            };
            let found =
                FoundRow { id: Uuid::from_u128(2), updated_at: "2026-10-10T12:00:00.000000Z".to_owned(), bytes: 0 };
            statement(&db, &change, &[found]).sql()
        };
        for set in [true, false] {
            let by_id = text("id=eq.00000000-0000-0000-0000-000000000002", set);
            let by_pattern = "body=like.*a*b*c*&or=(subject.ilike.*x*,body.match.^y)&conversations.name=like.*z*";
            let by_pattern = text(&format!("select=id,conversations!inner(id)&{by_pattern}"), set);
            assert_eq!(by_pattern, by_id);
            assert!(by_id.contains("t0.updated_at"), "{by_id}");
        }
    }
}
