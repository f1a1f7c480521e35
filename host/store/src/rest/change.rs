//! Updates and deletes. The rows are found by a read with its deadline; the write that follows names them and asks the
//! conditions again, so that the one writer of SQLite is never held by a search.

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
    Halt, RestStoreError, condition, insert, read, reader,
    render::RestRows,
    scan,
    statement::{ALIASES, Statement},
};
use crate::{Store, error::OperationError, sql::Conn};

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

impl Store {
    /// Changes rows, all or none of them. Returns what is selected of them, and their number in `total`.
    #[boxed]
    pub async fn change_rest(&self, mut change: RestChange) -> Result<RestRows, RestStoreError> {
        let ids = self.find_rest(&mut change).await?;
        if ids.is_empty() {
            return Ok(RestRows { names: resolve::member_names(&change.node), rows: Vec::new(), total: Some(0) });
        }
        self.write("change rows by REST", move |db| {
            Box::pin(async move { apply(db, change, ids).await.map_err(OperationError::from) })
        })
        .await
    }

    /// The rows of a change, when there aren't more than it may change. Its conditions are then such that a write can ask
    /// them again.
    #[boxed]
    pub async fn find_rest(&self, change: &mut RestChange) -> Result<Vec<Uuid>, RestStoreError> {
        let doing = "find the rows to change by REST";
        let mut reader = self.rest_reader(change.organization, doing, true).await?;
        let mut db = reader.conn();
        let (organization, node) = (change.organization, &mut change.node);
        let work = async {
            scan::resolve(&mut db, organization, node).await?;
            read::ids(&mut db, organization, node).await
        };
        let ids = reader::within_time(doing, work).await?;
        let most = change.most.unwrap_or(u64::MAX);
        if ids.len() as u64 > most {
            return Err(RestError::new(400, "PGRST124", "Query result exceeds max-affected preference constraint")
                .details(format!("The query affects {} rows", ids.len()))
                .into());
        }
        if ids.len() > limits::WRITTEN {
            return Err(RestError::too_much(format!("a request changes {} rows at most", limits::WRITTEN)).into());
        }
        insert::check_single(change.single, ids.len())?;
        Ok(ids)
    }

    /// What a node selects of the rows with these ids, in their order.
    #[boxed]
    pub async fn rows_by_id(
        &self,
        organization: OrganizationId,
        node: Node,
        ids: Vec<Uuid>,
    ) -> Result<RestRows, RestStoreError> {
        let doing = "read the rows that were written by REST";
        let mut reader = self.rest_reader(organization, doing, true).await?;
        let mut db = reader.conn();
        let work = insert::returned(&mut db, organization, Some(&node), &ids);
        reader::within_time(doing, work).await
    }
}

async fn apply(mut db: Conn<'_>, change: RestChange, ids: Vec<Uuid>) -> Result<RestRows, Halt> {
    let db = &mut db;
    let node = &change.node;
    let Some(set) = &change.set else {
        let before =
            if change.returns { insert::rows_of(db, change.organization, node, &ids).await? } else { Vec::new() };
        let mut statement = Statement::new(db, change.organization, "DELETE FROM ");
        statement.push(node.table.name).push(" AS ").push(ALIASES[0]);
        let deleted = finish(db, statement, &change, &ids).await?;
        let deleted: HashSet<Uuid> = deleted.into_iter().collect();
        let rows = before.into_iter().filter(|(id, _)| deleted.contains(id)).map(|(_, row)| row).collect();
        return Ok(RestRows { names: resolve::member_names(node), rows, total: Some(deleted.len() as u64) });
    };
    for key in node.table.foreign_keys {
        let values = set.iter().filter(|(column, _)| column.name == key.column).map(|(_, value)| value);
        insert::check_reference(db, change.organization, node.table, key, values).await?;
    }
    let mut statement = Statement::new(db, change.organization, "UPDATE ");
    statement.push(node.table.name).push(" AS ").push(ALIASES[0]).push(" SET updated_at = ");
    statement.value(Type::Timestamp, &Value::Time(change.now));
    for (column, value) in set {
        statement.push(", ").push(column.name).push(" = ").value(column.kind, value);
    }
    let changed = finish(db, statement, &change, &ids).await?;
    insert::returned(db, change.organization, change.returns.then_some(node), &changed).await
}

/// Adds the conditions and runs the statement. Returns the rows that it changed, in the order in which they were found.
async fn finish(
    db: &mut Conn<'_>,
    mut statement: Statement,
    change: &RestChange,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, Halt> {
    statement.push(" WHERE ");
    condition::push_conditions(&mut statement, 0, &change.node);
    statement.push(" AND ").column(0, "id").among(ids).push(" RETURNING id AS c0");
    let rows = statement.fetch(db, usize::MAX).await?;
    let changed: HashSet<Uuid> = read::row_ids(&rows)?.into_iter().collect();
    insert::check_single(change.single, changed.len())?;
    Ok(ids.iter().copied().filter(|id| changed.contains(id)).collect())
}
