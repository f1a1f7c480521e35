//! Rows with their embedded relations: each relation is read by one statement for all rows at once.

use std::collections::{BTreeSet, HashMap, hash_map::Entry};

use futures::{FutureExt, future::BoxFuture};
use resly_core::id::OrganizationId;
use resly_rest::{
    plan::{AggregateFunction, Embed, Item, Node},
    resolve,
};
use serde_json::Value as Json;
use sqlx::types::Uuid;

use super::{
    Halt,
    budget::Budget,
    cell::{self, AnyRow, Cell, CellType},
    condition, order,
    order::Places,
    render::{self, RestRow},
    select::{Member, Selection},
    statement::{Statement, Turn},
};
use crate::sql::Conn;

/// Where rows are embedded: the column that refers to their embedding rows, and those rows' keys.
pub(super) struct Parents<'p> {
    pub column: &'static str,
    pub keys: &'p [Uuid],
}

/// Rows, each with the key of its embedding row.
type KeyedRows = Vec<(Option<Uuid>, RestRow)>;

/// What stands around a member's name in JSON.
const PUNCTUATION: usize = "\"\":,".len();

/// The rows of a node in its order. Each is made as it is read, and the budget ends the read where it is spent.
pub(super) fn fetch<'f>(
    db: &'f mut Conn<'_>,
    organization: OrganizationId,
    node: &'f Node,
    parents: Option<Parents<'f>>,
    budget: &'f mut Budget,
) -> BoxFuture<'f, Result<KeyedRows, Halt>> {
    async move {
        let selection = Selection::of(node, parents.as_ref().map(|parents| parents.column));
        let statement = statement(db, organization, node, &selection, parents.as_ref());
        let mut found: Vec<OwnRow> = Vec::new();
        let names: usize = resolve::member_names(node).iter().map(|name| name.len() + PUNCTUATION).sum();
        let mut add = |read: AnyRow| -> Result<bool, Halt> {
            budget.take_row()?;
            // The rows of a table have similar sizes.
            let room = found.last().map_or(0, |last| last.row.len());
            let own = OwnRow::read(node, &selection, &read, room, budget)?;
            budget.take_bytes(own.row.len() + names)?;
            found.push(own);
            Ok(true)
        };
        statement.visit(db, &mut add).await?;
        if node.embeds.is_empty() {
            return Ok(found.into_iter().map(|own| (own.key, own.row)).collect());
        }
        let mut embedded = Vec::with_capacity(node.embeds.len());
        for (at, embed) in node.embeds.iter().enumerate() {
            let keys: BTreeSet<Uuid> = found.iter().filter_map(|own| own.embedded_keys[at]).collect();
            let keys: Vec<Uuid> = keys.into_iter().collect();
            embedded.push(Embedded::read(db, organization, embed, &keys, budget).await?);
        }
        let mut whole: KeyedRows = Vec::with_capacity(found.len());
        let mut turn = Turn::begin();
        for own in &found {
            let row = own.with_embedded(node, &embedded, budget)?;
            budget.take_bytes(row.len().saturating_sub(own.row.len()))?;
            whole.push((own.key, row));
            turn.share().await;
        }
        Ok(whole)
    }
    .boxed()
}

/// A row without what is embedded in it.
struct OwnRow {
    key: Option<Uuid>,
    /// The keys of what is embedded, by the node's embeds.
    embedded_keys: Vec<Option<Uuid>>,
    row: RestRow,
}

impl OwnRow {
    fn read(node: &Node, selection: &Selection, read: &AnyRow, room: usize, budget: &Budget) -> Result<Self, Halt> {
        let key = match selection.own_key {
            Some(slot) => cell::uuid_at(read, slot)?,
            None => None,
        };
        let embedded_keys = selection.keys.iter().map(|slot| cell::uuid_at(read, *slot)).collect::<Result<_, _>>()?;
        let mut row = RestRow::with_room(node.items.len(), room);
        let mut documents = Documents::default();
        for member in selection.members.iter().flatten() {
            let kind = selection.kind(member.slot);
            let left = budget.left(row.len())?;
            let fits = if member.path.is_empty() && member.cast.is_none() {
                row.try_add(|out| Cell::copy(read, member.slot, kind, left, out))?
            } else if cell::text_exceeds(read, member.slot, kind, left)? {
                false
            } else {
                let cell = value(read, member, kind, &mut documents)?;
                row.add(|out| cell.write(out));
                true
            };
            if !fits {
                return Err(Budget::spent().into());
            }
            budget.left(row.len())?;
        }
        Ok(Self { key, embedded_keys, row })
    }

    /// The row with what is embedded in it, in the order of the select.
    fn with_embedded(&self, node: &Node, embedded: &[Embedded], budget: &Budget) -> Result<RestRow, Halt> {
        let mut row = RestRow::with_room(node.items.len(), self.row.len());
        let mut own = self.row.values();
        for item in &node.items {
            match item {
                Item::Embed(at) => embedded[*at].add_to(&mut row, &node.embeds[*at], self.embedded_keys[*at]),
                _ => row.add(|out| out.push_str(own.next().unwrap_or("null"))),
            }
            budget.left(row.len().saturating_sub(self.row.len()))?;
        }
        Ok(row)
    }
}

/// The values in JSON that a row's members are parts of, by their slots: each is parsed once.
type Documents = HashMap<usize, Json>;

fn value(read: &AnyRow, member: &Member, kind: CellType, documents: &mut Documents) -> Result<Cell, Halt> {
    let cell = if member.path.is_empty() {
        Cell::read(read, member.slot, kind)?
    } else {
        let document = match documents.entry(member.slot) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Cell::read(read, member.slot, kind)?.document()),
        };
        Cell::part(document, &member.path, member.as_text)
    };
    match member.cast {
        Some(cast) => Ok(cell.cast(cast)?),
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
