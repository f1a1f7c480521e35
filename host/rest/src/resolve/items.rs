//! Resolves `select`.

use super::{check_aggregate, embed, operand};
use crate::{
    error::{RestError, short},
    limits,
    plan::{Aggregate, AggregateFunction, Cast, Embed, Field, Item, Node, Operand, Step},
    registry::{Column, Table, Type},
    syntax::select::{RawEmbed, RawItem},
};

pub fn node(table: &'static Table, raw: &[RawItem], embeds: &mut usize) -> Result<Node, RestError> {
    let mut node = Node {
        table,
        items: Vec::new(),
        embeds: Vec::new(),
        filters: Vec::new(),
        order: Vec::new(),
        limit: None,
        offset: 0,
    };
    for item in raw {
        match item {
            RawItem::All => table.columns.iter().try_for_each(|column| add_field(&mut node, whole(column)))?,
            RawItem::Field { alias, field, cast } => {
                let operand = operand(table, field)?;
                let name = alias.clone().unwrap_or_else(|| usual_name(&operand));
                let cast = cast.map(|cast| check_cast(&operand, cast)).transpose()?;
                add_field(&mut node, Field { name, operand, cast })?;
            }
            RawItem::Aggregate { alias, function, field, cast } => {
                let column = match field {
                    None => None,
                    Some(field) if !field.path.is_empty() => {
                        return Err(RestError::unsupported("an aggregate of a part of JSON"));
                    }
                    Some(field) => Some(operand(table, field)?.column),
                };
                if let Some(column) = column {
                    check_aggregate(*function, column.kind)?;
                }
                let name = alias.clone().unwrap_or_else(|| function_name(*function).to_owned());
                add_name(&node, &name)?;
                node.items.push(Item::Aggregate(Aggregate { name, function: *function, column, cast: *cast }));
            }
            RawItem::Embed(raw) => add_embed(&mut node, raw, embeds)?,
        }
    }
    if node.is_aggregated() {
        if !node.embeds.is_empty() {
            return Err(RestError::unsupported("an aggregate beside an embedded relation"));
        }
        let by_json = |item: &Item| matches!(item, Item::Field(field) if field.operand.column.kind == Type::Jsonb && !field.operand.as_text);
        if node.items.iter().any(by_json) {
            return Err(RestError::unsupported("groups by a value of jsonb"));
        }
        node.items.iter().try_for_each(check_group)?;
    }
    Ok(node)
}

/// Groups are of equal values. A cast that makes different values equal isn't supported, but for that of a time to its day.
fn check_group(item: &Item) -> Result<(), RestError> {
    let Item::Field(Field { name, operand, cast: Some(cast) }) = item else { return Ok(()) };
    let kind = if operand.as_text { Type::Text } else { operand.column.kind };
    let alike = match cast {
        Cast::Text => true,
        Cast::Integer | Cast::Number => kind == Type::Bigint,
        Cast::Boolean => kind == Type::Boolean,
        Cast::Uuid => kind == Type::Uuid,
        Cast::Timestamp | Cast::Date => kind == Type::Timestamp,
        Cast::Json => false,
    };
    if alike {
        return Ok(());
    }
    let what = format!("groups by \"{}\", which is {} and is cast to another type", short(name), kind.name());
    Err(RestError::unsupported(what).hint("Group by the column itself, or cast a time to date."))
}

fn add_embed(node: &mut Node, raw: &RawEmbed, embeds: &mut usize) -> Result<(), RestError> {
    *embeds += 1;
    if *embeds > limits::EMBEDS {
        return Err(RestError::too_much(format!("more than {} relations are embedded", limits::EMBEDS)));
    }
    let (key, to_one, target) = embed::relation(node.table, raw)?;
    if raw.spread && !to_one {
        return Err(RestError::unsupported(format!(
            "\"{}\" spread into its rows, of which there may be several",
            short(&raw.target)
        )));
    }
    let inner = self::node(target, &raw.items, embeds)?;
    if to_one && inner.is_aggregated() {
        return Err(RestError::unsupported("an aggregate of a relation that has one row at most"));
    }
    let name = raw.alias.clone().unwrap_or_else(|| raw.target.clone());
    if node.embeds.iter().any(|embed| embed.name == name) {
        return Err(twice(&name));
    }
    if raw.spread {
        for member in member_names(&inner) {
            add_name(node, &member)?;
        }
    } else if !raw.items.is_empty() {
        add_name(node, &name)?;
    }
    node.items.push(Item::Embed(node.embeds.len()));
    node.embeds.push(Embed { name, key, to_one, inner: raw.inner, spread: raw.spread, node: inner });
    Ok(())
}

/// The members that a row of this node has.
pub fn member_names(node: &Node) -> Vec<String> {
    let mut names = Vec::new();
    for item in &node.items {
        match item {
            Item::Field(field) => names.push(field.name.clone()),
            Item::Aggregate(aggregate) => names.push(aggregate.name.clone()),
            Item::Embed(at) => {
                let embed = &node.embeds[*at];
                if embed.spread {
                    names.extend(member_names(&embed.node));
                } else if !embed.node.items.is_empty() {
                    names.push(embed.name.clone());
                }
            }
        }
    }
    names
}

fn twice(name: &str) -> RestError {
    RestError::new(400, "42712", format!("\"{}\" is selected more than once; rename one of them", short(name)))
}

fn add_name(node: &Node, name: &str) -> Result<(), RestError> {
    if member_names(node).iter().any(|other| other == name) { Err(twice(name)) } else { Ok(()) }
}

/// Adds a column. One that is there already isn't added again.
fn add_field(node: &mut Node, field: Field) -> Result<(), RestError> {
    let same = |item: &Item| match item {
        Item::Field(other) => {
            let (own, new) = (&other.operand, &field.operand);
            other.name == field.name
                && (own.column.name, &own.path, own.as_text, other.cast)
                    == (new.column.name, &new.path, new.as_text, field.cast)
        }
        _ => false,
    };
    if !node.items.iter().any(same) {
        add_name(node, &field.name)?;
        node.items.push(Item::Field(field));
    }
    Ok(())
}

fn whole(column: &'static Column) -> Field {
    let operand = Operand { column, path: Vec::new(), as_text: false };
    Field { name: column.name.to_owned(), operand, cast: None }
}

/// A part of JSON is called after the last key on its path.
fn usual_name(operand: &Operand) -> String {
    let key = operand.path.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key.clone()),
        Step::Index(_) => None,
    });
    key.unwrap_or_else(|| operand.column.name.to_owned())
}

fn function_name(function: AggregateFunction) -> &'static str {
    match function {
        AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Avg => "avg",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
    }
}

fn check_cast(operand: &Operand, cast: Cast) -> Result<Cast, RestError> {
    let kind = if operand.as_text { Type::Text } else { operand.column.kind };
    let good = match cast {
        Cast::Text => true,
        Cast::Json => kind == Type::Jsonb,
        Cast::Integer | Cast::Number => matches!(kind, Type::Bigint | Type::Text | Type::Jsonb),
        Cast::Boolean => matches!(kind, Type::Boolean | Type::Text | Type::Jsonb),
        Cast::Date | Cast::Timestamp => matches!(kind, Type::Timestamp | Type::Text),
        Cast::Uuid => matches!(kind, Type::Uuid | Type::Text),
    };
    if good {
        return Ok(cast);
    }
    Err(RestError::new(400, "42846", format!("cannot cast type {} to what is asked for", kind.name())))
}
