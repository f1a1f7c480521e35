//! The select of a node: which columns it reads, and what becomes of them in a row of the answer.

use resly_rest::{
    plan::{Aggregate, AggregateFunction, Cast, Field, Item, Node, Operand, Step},
    registry::{Column, Type},
};

use super::{cell::CellType, operand, order::Places, statement::Statement};

/// What a select reads.
#[derive(Clone, Debug)]
enum Source {
    Column(&'static Column),
    /// A text in JSON that rows are grouped by.
    Operand(Operand),
    /// The day (UTC) of a time that rows are grouped by.
    Day(&'static Column),
    Aggregate(AggregateFunction, Option<&'static Column>),
}

/// A column of a select.
#[derive(Clone, Debug)]
struct Slot {
    source: Source,
    kind: CellType,
}

/// A member of the answer's rows: a slot, and what is made of it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub slot: usize,
    pub path: Vec<Step>,
    pub as_text: bool,
    pub cast: Option<Cast>,
}

/// The select of a node.
pub(super) struct Selection {
    slots: Vec<Slot>,
    /// By the node's items; `None` for an embedded relation.
    pub members: Vec<Option<Member>>,
    /// The slots of the keys by which relations are embedded, by the node's embeds.
    pub keys: Vec<usize>,
    /// The slot of the key by which this node is embedded.
    pub own_key: Option<usize>,
}

impl Selection {
    /// `own_key` is the column by which this node is embedded.
    pub fn of(node: &Node, own_key: Option<&'static str>) -> Self {
        let mut selection = Self { slots: Vec::new(), members: Vec::new(), keys: Vec::new(), own_key: None };
        let grouped = node.is_aggregated();
        selection.own_key = own_key.and_then(|name| node.table.column(name)).map(|column| selection.column(column));
        for item in &node.items {
            let member = match item {
                Item::Field(field) if grouped && field.operand.as_text => {
                    let slot = selection.slots.len();
                    let source = Source::Operand(field.operand.clone());
                    selection.slots.push(Slot { source, kind: CellType::Column(Type::Text) });
                    Some(Member { slot, path: Vec::new(), as_text: false, cast: field.cast })
                }
                Item::Field(Field { operand, cast: Some(Cast::Date), .. })
                    if grouped && operand.column.kind == Type::Timestamp =>
                {
                    let slot = selection.slots.len();
                    let source = Source::Day(operand.column);
                    selection.slots.push(Slot { source, kind: CellType::Column(Type::Text) });
                    Some(Member { slot, path: Vec::new(), as_text: false, cast: None })
                }
                Item::Field(field) => {
                    let slot = selection.column(field.operand.column);
                    let Operand { path, as_text, .. } = field.operand.clone();
                    Some(Member { slot, path, as_text, cast: field.cast })
                }
                Item::Aggregate(aggregate) => Some(selection.aggregate(aggregate)),
                Item::Embed(_) => None,
            };
            selection.members.push(member);
        }
        for embed in &node.embeds {
            let key = if embed.to_one { embed.key.column } else { "id" };
            let slot = node.table.column(key).map_or(0, |column| selection.column(column));
            selection.keys.push(slot);
        }
        selection
    }

    fn column(&mut self, column: &'static Column) -> usize {
        let same = |slot: &Slot| matches!(slot.source, Source::Column(other) if other == column);
        self.slots.iter().position(same).unwrap_or_else(|| {
            self.slots.push(Slot { source: Source::Column(column), kind: CellType::Column(column.kind) });
            self.slots.len() - 1
        })
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Member {
        let kind = match (aggregate.function, aggregate.column) {
            (AggregateFunction::Count, _) => CellType::Column(Type::Bigint),
            (AggregateFunction::Sum, _) => CellType::Number,
            (AggregateFunction::Avg, _) => CellType::Float,
            (_, Some(column)) => CellType::Column(column.kind),
            (_, None) => CellType::Column(Type::Bigint),
        };
        self.slots.push(Slot { source: Source::Aggregate(aggregate.function, aggregate.column), kind });
        Member { slot: self.slots.len() - 1, path: Vec::new(), as_text: false, cast: aggregate.cast }
    }

    /// The type of a slot.
    pub fn kind(&self, slot: usize) -> CellType {
        self.slots.get(slot).map_or(CellType::Column(Type::Text), |slot| slot.kind)
    }

    /// Pushes the list of columns. One that is selected by name (`named`) is called `c` and its number.
    pub fn push(&self, statement: &mut Statement, depth: usize, grouped: bool) {
        if self.slots.is_empty() {
            statement.push("1");
        }
        for (at, slot) in self.slots.iter().enumerate() {
            if at > 0 {
                statement.push(", ");
            }
            match &slot.source {
                Source::Column(column) => {
                    statement.column(depth, column.name);
                    match column.kind {
                        Type::Jsonb => drop(statement.pick("", "::text")),
                        Type::Text if grouped => drop(statement.pick("", " COLLATE \"C\"")),
                        _ => {}
                    }
                }
                Source::Operand(operand) => operand::push_sorted(statement, depth, operand),
                Source::Day(column) => {
                    statement.pick("SUBSTR(", "TO_CHAR(").column(depth, column.name);
                    statement.pick(", 1, 10)", " AT TIME ZONE 'UTC', 'YYYY-MM-DD') COLLATE \"C\"");
                }
                Source::Aggregate(function, column) => push_aggregate(statement, depth, *function, *column),
            }
            statement.push(" AS c").place(at);
        }
    }

    /// Where things are, for the grouping and the order of an aggregated node.
    pub fn places(&self, node: &Node) -> Places {
        let (mut groups, mut sums) = (Vec::new(), Vec::new());
        for (at, slot) in self.slots.iter().enumerate() {
            match slot.source {
                Source::Aggregate(AggregateFunction::Sum, Some(column)) => sums.push((at + 1, column.name)),
                Source::Aggregate(..) => {}
                Source::Column(_) | Source::Operand(_) | Source::Day(_) => groups.push(at + 1),
            }
        }
        let place = |member: &Option<Member>| member.as_ref().map_or(1, |member| member.slot + 1);
        let items: Vec<usize> = self.members.iter().map(place).collect();
        let operand = |(item, place): (&Item, &usize)| match item {
            Item::Field(field) => Some((field.operand.clone(), *place)),
            _ => None,
        };
        let operands = node.items.iter().zip(&items).filter_map(operand).collect();
        Places { items, groups, operands, sums }
    }
}

fn push_aggregate(
    statement: &mut Statement,
    depth: usize,
    function: AggregateFunction,
    column: Option<&'static Column>,
) {
    let Some(column) = column else {
        statement.push("COUNT(*)");
        return;
    };
    let (start, end) = match function {
        AggregateFunction::Count => ("COUNT(", ")"),
        AggregateFunction::Sum => ("CAST(SUM(", ") AS TEXT)"),
        AggregateFunction::Avg => {
            ("CAST(AVG(", if statement.is_sqlite() { ") AS REAL)" } else { ") AS double precision)" })
        }
        AggregateFunction::Min => ("MIN(", ")"),
        AggregateFunction::Max => ("MAX(", ")"),
    };
    statement.push(start).column(depth, column.name);
    if column.kind == Type::Text {
        statement.pick("", " COLLATE \"C\"");
    }
    statement.push(end);
}
