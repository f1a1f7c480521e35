//! Rows with their embedded relations: each relation is read by one statement for all rows at once.

use std::collections::{HashMap, HashSet};

use futures::{FutureExt, future::BoxFuture};
use resly_core::id::OrganizationId;
use resly_rest::{
    RestError, limits,
    plan::{AggregateFunction, Embed, Item, Node},
    resolve,
};
use sqlx::types::Uuid;

use super::{
    Halt,
    cell::{self, Cell},
    condition, order,
    order::Places,
    render::{self, RestRow},
    select::{Member, Selection},
    statement::{AnyRow, Statement},
};
use crate::sql::Conn;

/// What an answer may still take.
pub(super) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rows: limits::ALL_ROWS, bytes: limits::BYTES }
    }
}

impl Budget {
    fn take_rows(&mut self, rows: usize) -> Result<(), Halt> {
        self.rows = self.rows.checked_sub(rows).ok_or_else(|| {
            RestError::too_much(format!("the answer has more than {} rows, embedded ones included", limits::ALL_ROWS))
                .hint("Set a limit, also on what is embedded: `relation.limit=10`.")
        })?;
        Ok(())
    }

    fn take_bytes(&mut self, bytes: usize) -> Result<(), Halt> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            RestError::too_much(format!("the answer is larger than {} MiB", limits::BYTES >> 20))
                .hint("Select fewer columns, or set a limit.")
        })?;
        Ok(())
    }
}

/// Where rows are embedded: the column that refers to their embedding rows, and those rows' keys.
pub(super) struct Parents<'p> {
    pub column: &'static str,
    pub keys: &'p [Uuid],
}

/// Rows, each with the key of its embedding row.
type KeyedRows = Vec<(Option<Uuid>, RestRow)>;

/// The rows of a node in its order.
pub(super) fn fetch<'f>(
    db: &'f mut Conn<'_>,
    organization: OrganizationId,
    node: &'f Node,
    parents: Option<Parents<'f>>,
    budget: &'f mut Budget,
) -> BoxFuture<'f, Result<KeyedRows, Halt>> {
    async move {
        let selection = Selection::of(node, parents.as_ref().map(|parents| parents.column));
        let rows = statement(db, organization, node, &selection, parents.as_ref()).fetch(db, budget.rows + 1).await?;
        budget.take_rows(rows.len())?;
        let mut embedded = Vec::with_capacity(node.embeds.len());
        for (embed, slot) in node.embeds.iter().zip(&selection.keys) {
            let mut keys = HashSet::new();
            for row in &rows {
                keys.extend(cell::uuid_at(row, *slot)?);
            }
            let mut keys: Vec<Uuid> = keys.into_iter().collect();
            keys.sort_unstable();
            embedded.push(Embedded::read(db, organization, embed, &keys, budget).await?);
        }
        let mut found: KeyedRows = Vec::with_capacity(rows.len());
        for row in &rows {
            let key = match selection.own_key {
                Some(slot) => cell::uuid_at(row, slot)?,
                None => None,
            };
            // The rows of a table have similar sizes.
            let room = found.last().map_or(0, |(_, last)| last.len());
            let row = self::row(node, &selection, &embedded, row, room)?;
            budget.take_bytes(row.len())?;
            found.push((key, row));
        }
        Ok(found)
    }
    .boxed()
}

/// A row of the answer.
fn row(node: &Node, selection: &Selection, embedded: &[Embedded], read: &AnyRow, room: usize) -> Result<RestRow, Halt> {
    let mut row = RestRow::with_room(node.items.len(), room);
    for (item, member) in node.items.iter().zip(&selection.members) {
        match (item, member) {
            (Item::Embed(at), _) => {
                let key = cell::uuid_at(read, selection.keys[*at])?;
                embedded[*at].add_to(&mut row, &node.embeds[*at], key);
            }
            (_, Some(member)) => {
                let kind = selection.kind(member.slot);
                if member.path.is_empty() && member.cast.is_none() {
                    row.try_add(|out| Cell::copy(read, member.slot, kind, out))?;
                } else {
                    let cell = value(Cell::read(read, member.slot, kind)?, member)?;
                    row.add(|out| cell.write(out));
                }
            }
            _ => {}
        }
    }
    Ok(row)
}

fn value(cell: Cell, member: &Member) -> Result<Cell, RestError> {
    let cell = if member.path.is_empty() { cell } else { cell.at(&member.path, member.as_text) };
    match member.cast {
        Some(cast) => cell.cast(cast),
        None => Ok(cell),
    }
}

/// What is embedded in the rows of a node by one relation.
struct Embedded {
    keys: Vec<String>,
    members: usize,
    rows: HashMap<Uuid, Vec<RestRow>>,
    /// The row of an aggregate over nothing.
    empty: Option<RestRow>,
}

impl Embedded {
    async fn read(
        db: &mut Conn<'_>,
        organization: OrganizationId,
        embed: &Embed,
        keys: &[Uuid],
        budget: &mut Budget,
    ) -> Result<Self, Halt> {
        let names = resolve::member_names(&embed.node);
        let mut read =
            Self { keys: render::keys(&names), members: names.len(), rows: HashMap::new(), empty: empty(&embed.node) };
        // A relation without members is a condition only.
        if keys.is_empty() || embed.node.items.is_empty() {
            return Ok(read);
        }
        let column = if embed.to_one { "id" } else { embed.key.column };
        let parents = Some(Parents { column, keys });
        for (key, row) in fetch(db, organization, &embed.node, parents, budget).await? {
            if let Some(key) = key {
                read.rows.entry(key).or_default().push(row);
            }
        }
        if embed.node.is_aggregated() {
            let (skip, most) = (embed.node.offset, embed.node.limit.unwrap_or(u64::MAX));
            let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            for rows in read.rows.values_mut() {
                rows.drain(..index(skip).min(rows.len()));
                rows.truncate(index(most));
            }
        }
        Ok(read)
    }

    fn add_to(&self, row: &mut RestRow, embed: &Embed, key: Option<Uuid>) {
        if embed.node.items.is_empty() {
            return;
        }
        let rows = key.and_then(|key| self.rows.get(&key));
        let first = rows.and_then(|rows| rows.first());
        match first {
            Some(one) if embed.spread => row.append(one),
            None if embed.spread => (0..self.members).for_each(|_| row.add(|out| out.push_str("null"))),
            Some(one) if embed.to_one => row.add(|out| one.write(&self.keys, out)),
            None if embed.to_one => row.add(|out| out.push_str("null")),
            _ => {
                let rows = rows.map(Vec::as_slice).unwrap_or_default();
                let empty = self.empty.iter().filter(|_| rows.is_empty());
                row.add(|out| render::write_array(&self.keys, rows.iter().chain(empty), out));
            }
        }
    }
}

/// An aggregate that isn't grouped has one row even of nothing.
fn empty(node: &Node) -> Option<RestRow> {
    let grouped = node.items.iter().any(|item| matches!(item, Item::Field(_)));
    if !node.is_aggregated() || grouped {
        return None;
    }
    let mut row = RestRow::default();
    for item in &node.items {
        let is_count = matches!(item, Item::Aggregate(one) if one.function == AggregateFunction::Count);
        row.add(|out| out.push_str(if is_count { "0" } else { "null" }));
    }
    Some(row)
}

fn statement(
    db: &Conn<'_>,
    organization: OrganizationId,
    node: &Node,
    selection: &Selection,
    parents: Option<&Parents<'_>>,
) -> Statement {
    let places = node.is_aggregated().then(|| selection.places(node));
    let windowed = parents.is_some() && places.is_none() && (node.limit.is_some() || node.offset > 0);
    let start = if windowed { "SELECT * FROM (SELECT " } else { "SELECT " };
    let mut statement = Statement::new(db, organization, start);
    selection.push(&mut statement, 0, places.is_some());
    if let (Some(parents), true) = (parents, windowed) {
        statement.push(", ROW_NUMBER() OVER (PARTITION BY ").column(0, parents.column);
        order::push(&mut statement, 0, node, None);
        statement.push(") AS number");
    }
    condition::push_from(&mut statement, 0, node);
    if let Some(parents) = parents {
        statement.push(" AND ").column(0, parents.column).among(parents.keys);
    }
    if let Some(places) = &places {
        push_groups(&mut statement, places);
    }
    if windowed {
        statement.push(") AS windowed WHERE number > ").number(node.offset);
        if let Some(limit) = node.limit {
            statement.push(" AND number <= ").number(node.offset.saturating_add(limit));
        }
        statement.push(" ORDER BY number");
        return statement;
    }
    order::push(&mut statement, 0, node, places.as_ref());
    if parents.is_none() {
        if let Some(limit) = node.limit {
            statement.push(" LIMIT ").number(limit);
        }
        if node.offset > 0 {
            if node.limit.is_none() {
                statement.pick(" LIMIT -1", "");
            }
            statement.push(" OFFSET ").number(node.offset);
        }
    }
    statement
}

/// Pushes the columns by which rows are grouped.
pub(super) fn push_groups(statement: &mut Statement, places: &Places) {
    let mut first = true;
    for place in &places.groups {
        let lead = if first { " GROUP BY " } else { ", " };
        first = false;
        statement.push(lead).place(*place);
    }
}
