//! What a request means: tables, columns and relations of the registry, and values of their types.

use uuid::Uuid;

use crate::{
    pattern::{Like, Regex},
    registry::{Column, ForeignKey, Table},
    search::{Form, TextQuery},
    value::Value,
};

/// A read of one table and of what is embedded in its rows.
#[derive(Clone, Debug)]
pub struct Node {
    pub table: &'static Table,
    /// In the order of the answer's members.
    pub items: Vec<Item>,
    pub embeds: Vec<Embed>,
    /// Each of them holds.
    pub filters: Vec<Filter>,
    pub order: Vec<OrderTerm>,
    pub limit: Option<u64>,
    pub offset: u64,
}

impl Node {
    /// Whether rows are grouped.
    pub fn is_aggregated(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Aggregate(_)))
    }
}

/// A member of an answer's rows.
#[derive(Clone, Debug)]
pub enum Item {
    Field(Field),
    Aggregate(Aggregate),
    /// By its place in [`Node::embeds`].
    Embed(usize),
}

/// A column, or a part of one that holds JSON.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub operand: Operand,
    pub cast: Option<Cast>,
}

/// A column and a path in its JSON.
#[derive(Clone, Debug)]
pub struct Operand {
    pub column: &'static Column,
    pub path: Vec<Step>,
    /// Whether the path ends as text (`->>`).
    pub as_text: bool,
}

/// A step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    /// From the end when negative.
    Index(i64),
}

/// A conversion of a value in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    Text,
    Integer,
    /// `numeric` and the types of floating-point numbers.
    Number,
    Boolean,
    Json,
    Date,
    Timestamp,
    Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AggregateFunction {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

/// A function over the rows of a group.
#[derive(Clone, Debug)]
pub struct Aggregate {
    pub name: String,
    pub function: AggregateFunction,
    /// `None` counts rows.
    pub column: Option<&'static Column>,
    pub cast: Option<Cast>,
}

/// A relation that is embedded in each row.
#[derive(Clone, Debug)]
pub struct Embed {
    /// The member's name.
    pub name: String,
    pub key: &'static ForeignKey,
    /// Whether the key is on the embedding table, so that there is one row or none.
    pub to_one: bool,
    /// Rows without it are left out.
    pub inner: bool,
    /// Its members are the row's own.
    pub spread: bool,
    pub node: Node,
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Test(Operand, Test),
    /// Whether there is an embedded row: by its place in [`Node::embeds`].
    Embedded(usize),
    /// Whether a search finds something of the row: see [`SEARCH`](crate::registry::SEARCH).
    Found(Search),
}

/// A search in what belongs to a row, for PostgreSQL to read.
#[derive(Clone, Debug)]
pub struct Search {
    pub form: Form,
    /// PostgreSQL's name of the configuration.
    pub config: &'static str,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsValue {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTest {
    Contains,
    ContainedIn,
    Overlaps,
}

/// What a condition asks of an operand. Nothing but `Is` and `Distinct` holds for null.
#[derive(Clone, Debug)]
pub enum Test {
    Compare(Comparison, Value),
    Like(Like),
    ILike(Like),
    Match(Regex),
    IMatch(Regex),
    In(Vec<Value>),
    Is(IsValue),
    Distinct(Value),
    Set(SetTest, Value),
    Search(TextQuery),
    /// The row is one of these, which were found by other means.
    Among(Vec<Uuid>),
}

/// A term of an order.
#[derive(Clone, Debug)]
pub struct OrderTerm {
    pub by: OrderBy,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Debug)]
pub enum OrderBy {
    Operand(Operand),
    /// A column of an embedded relation that has one row at most, by its place in [`Node::embeds`].
    Related(usize, Operand),
    /// What groups have in common, or an aggregate of them: by its place in [`Node::items`].
    Item(usize),
}
