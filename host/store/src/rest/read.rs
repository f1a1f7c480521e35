//! Reads: a node's rows with all that is embedded in them.

use resly_core::{boxed, id::OrganizationId};
use resly_rest::{
    RestError, limits,
    plan::Node,
    registry::{Column, Table, Type},
    resolve,
    value::Value,
};

use super::{
    Halt, RestStoreError,
    budget::Budget,
    cell::{self, AnyRow, Cell, CellType},
    condition, embed, order,
    reader::{self, Place},
    render::RestRows,
    scan,
    select::Selection,
    statement::{ALIASES, FoundRow, Statement},
};
use crate::{Store, error::unexpected, sql::Conn};

/// A read of an organization's rows.
#[derive(Clone, Debug)]
pub struct RestRead {
    pub organization: OrganizationId,
    pub node: Node,
    /// Whether all rows for which the conditions hold are counted.
    pub count: bool,
    /// Whether the rows themselves are wanted.
    pub rows: bool,
}

impl Store {
    /// Reads rows as one snapshot.
    #[boxed]
    pub async fn read_rest(&self, read: RestRead) -> Result<RestRows, RestStoreError> {
        let doing = "read rows by REST";
        let snapshot = read.count || !read.node.embeds.is_empty();
        let mut reader = self.rest_reader(read.organization, doing, snapshot).await?;
        let place = reader.place();
        let mut db = reader.conn();
        let work = self::read(&mut db, &place, read);
        reader::within_time(doing, work).await
    }
}

/// The rows of a read, on a connection.
pub(super) async fn read(db: &mut Conn<'_>, place: &Place, read: RestRead) -> Result<RestRows, Halt> {
    let RestRead { organization, mut node, count, rows: wants_rows } = read;
    scan::resolve(db, place, organization, &mut node).await?;
    let names = resolve::member_names(&node);
    let mut budget = Budget::default();
    let rows = if wants_rows {
        embed::fetch(db, organization, &node, None, &mut budget).await?.into_iter().map(|(_, row)| row).collect()
    } else {
        Vec::new()
    };
    let total = if count { Some(total(db, organization, &node).await?) } else { None };
    Ok(RestRows { names, rows, total })
}

/// The number of rows for which the conditions hold; of groups where rows are grouped.
async fn total(db: &mut Conn<'_>, organization: OrganizationId, node: &Node) -> Result<u64, Halt> {
    let mut statement = if node.is_aggregated() {
        let selection = Selection::of(node, None);
        let mut statement = Statement::new(db, organization, "SELECT COUNT(*) FROM (SELECT ");
        selection.push(&mut statement, 0, true);
        condition::push_from(&mut statement, 0, node);
        embed::push_groups(&mut statement, &selection.places(node));
        statement.push(") AS counted");
        statement
    } else {
        let mut statement = Statement::new(db, organization, "SELECT COUNT(*)");
        condition::push_from(&mut statement, 0, node);
        statement
    };
    statement.push("");
    let rows = statement.fetch(db, 1).await?;
    let count = rows.first().map(|row| Cell::read(row, 0, BIGINT)).transpose()?;
    match count {
        Some(Cell::Int(count)) => Ok(u64::try_from(count).unwrap_or(0)),
        _ => Err(Halt::Refused(RestError::too_much("the rows could not be counted"))),
    }
}

const BIGINT: CellType = CellType::Column(Type::Bigint);
const TIMESTAMP: CellType = CellType::Column(Type::Timestamp);

/// The rows that a change is about, which may be one more than a request may write.
pub(super) async fn found(db: &mut Conn<'_>, organization: OrganizationId, node: &Node) -> Result<Vec<FoundRow>, Halt> {
    let start = "SELECT t0.id AS c0, t0.updated_at AS c1, ";
    let mut statement = Statement::new(db, organization, start);
    push_bytes(&mut statement, node.table);
    statement.push(" AS c2");
    condition::push_from(&mut statement, 0, node);
    order::push(&mut statement, 0, node, None);
    statement.push(" LIMIT ").number(limits::WRITTEN as u64 + 1);
    let rows = statement.fetch(db, limits::WRITTEN + 1).await?;
    let found = |row: &AnyRow| match (cell::uuid_at(row, 0)?, Cell::read(row, 1, TIMESTAMP)?, bytes_at(row, 2)?) {
        (Some(id), Cell::Time(updated_at), bytes) => Ok(FoundRow { id, updated_at, bytes }),
        _ => Err(unexpected("a row without an id or a time")),
    };
    Ok(rows.iter().map(found).collect::<Result<_, sqlx::Error>>()?)
}

/// Pushes the bytes of a row's texts.
fn push_bytes(statement: &mut Statement, table: &Table) {
    statement.push("CAST(0 AS BIGINT)");
    for column in table.columns {
        let cast = match column.kind {
            Type::Text => "",
            Type::Jsonb | Type::Texts => "::text",
            Type::Uuid | Type::Bigint | Type::Boolean | Type::Timestamp => continue,
        };
        statement.push(" + COALESCE(OCTET_LENGTH(").column(0, column.name).pick("", cast).push("), 0)");
    }
}

/// The bytes of the texts of those of an organization's rows that have one of the values in a column.
pub(super) async fn bytes_of(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    table: &Table,
    column: &Column,
    values: &[Value],
) -> Result<u64, Halt> {
    let mut statement = Statement::new(db, organization, "SELECT CAST(COALESCE(SUM(");
    push_bytes(&mut statement, table);
    statement.push("), 0) AS BIGINT) AS c0 FROM ").push(table.name).push(" AS ").push(ALIASES[0]).push(" WHERE ");
    statement.column(0, "organization_id").push(" = ").own_organization().push(" AND ").column(0, column.name);
    statement.among_values(column.kind, values);
    let rows = statement.fetch(db, 1).await?;
    Ok(rows.first().map(|row| bytes_at(row, 0)).transpose()?.unwrap_or(0))
}

fn bytes_at(row: &AnyRow, at: usize) -> Result<u64, sqlx::Error> {
    match Cell::read(row, at, BIGINT)? {
        Cell::Int(bytes) => Ok(u64::try_from(bytes).unwrap_or(0)),
        _ => Ok(0),
    }
}

/// The ids in the first column of rows.
pub(super) fn row_ids(rows: &[AnyRow]) -> Result<Vec<sqlx::types::Uuid>, Halt> {
    let ids = rows.iter().map(|row| cell::uuid_at(row, 0)).collect::<Result<Vec<_>, _>>()?;
    Ok(ids.into_iter().flatten().collect())
}
