//! Resolves the names of a query in the registry: a query becomes a plan.

mod embed;
mod filter;
mod items;

pub use items::member_names;

use crate::{
    error::{RestError, short},
    limits,
    plan::{AggregateFunction, Cast, Embed, Filter, Item, Node, Operand, OrderBy, OrderTerm},
    query::{Kind, Query},
    registry::{Table, Type},
    syntax::{order::RawTerm, path::RawField, select::RawItem},
};

/// The plan of a read, or of what a write returns.
pub fn plan(table: &'static Table, query: &Query) -> Result<Node, RestError> {
    let mut embeds = 0;
    let all = [RawItem::All];
    let mut root = items::node(table, query.select.as_deref().unwrap_or(&all), &mut embeds)?;
    let mut conditions = 0;
    for parameter in &query.parameters {
        let node = descend(&mut root, &parameter.path)?;
        match &parameter.kind {
            Kind::Filter(raw) => {
                let filter = filter::resolve(node, raw, &mut conditions)?;
                node.filters.push(filter);
            }
            Kind::Order(terms) => {
                node.order = terms.iter().map(|term| order_term(node, term)).collect::<Result<_, _>>()?;
            }
            Kind::Limit(limit) => node.limit = Some(*limit),
            Kind::Offset(offset) => node.offset = *offset,
        }
    }
    check_windows(&root)?;
    Ok(root)
}

/// A relation with one row takes no limit, and one that isn't shown is only a condition.
fn check_windows(node: &Node) -> Result<(), RestError> {
    for embed in &node.embeds {
        let windowed = embed.node.limit.is_some() || embed.node.offset > 0;
        if windowed && embed.to_one {
            let what = format!("a limit or an offset on \"{}\", of which there is one row at most", short(&embed.name));
            return Err(RestError::unsupported(what));
        }
        check_windows(&embed.node)?;
    }
    Ok(())
}

fn descend<'n>(node: &'n mut Node, path: &[String]) -> Result<&'n mut Node, RestError> {
    let Some((name, rest)) = path.split_first() else { return Ok(node) };
    let found = node.embeds.iter_mut().find(|embed| embed.name == *name);
    let embed = found.ok_or_else(|| {
        let name = short(name);
        RestError::new(400, "PGRST108", format!("'{name}' is not an embedded resource in this request"))
            .hint(format!("Verify that '{name}' is included in the 'select' query parameter."))
    })?;
    descend(&mut embed.node, rest)
}

fn operand(table: &'static Table, field: &RawField) -> Result<Operand, RestError> {
    let column = table.column(&field.column).ok_or_else(|| RestError::no_column(table.name, &field.column))?;
    if !field.path.is_empty() && column.kind != Type::Jsonb {
        return Err(RestError::no_operator("->", column.kind.name()));
    }
    Ok(Operand { column, path: field.path.clone(), as_text: field.as_text })
}

fn order_term(node: &Node, term: &RawTerm) -> Result<OrderTerm, RestError> {
    let by = match &term.relation {
        Some(relation) => {
            let at = find_embed(&node.embeds, relation).ok_or_else(|| {
                let name = short(relation);
                RestError::new(400, "PGRST108", format!("'{name}' is not an embedded resource in this request"))
                    .hint(format!("Verify that '{name}' is included in the 'select' query parameter."))
            })?;
            if !node.embeds[at].to_one {
                let (table, name) = (node.table.name, short(relation));
                return Err(RestError::new(400, "PGRST118", format!("A related order on '{name}' is not possible"))
                    .details(format!("'{table}' and '{name}' do not form a many-to-one or one-to-one relationship")));
            }
            if node.is_aggregated() {
                return Err(RestError::unsupported("an order by a relation beside an aggregate"));
            }
            OrderBy::Related(at, sortable(operand(node.embeds[at].node.table, &term.field)?)?)
        }
        None if node.is_aggregated() => grouped(node, &term.field)?,
        None => OrderBy::Operand(sortable(operand(node.table, &term.field)?)?),
    };
    Ok(OrderTerm { by, descending: term.descending, nulls_first: term.nulls_first })
}

fn find_embed(embeds: &[Embed], name: &str) -> Option<usize> {
    embeds.iter().position(|embed| embed.name == name)
}

fn sortable(operand: Operand) -> Result<Operand, RestError> {
    let is_json = operand.column.kind == Type::Jsonb && !operand.as_text;
    if is_json || operand.column.kind == Type::Texts {
        let what = format!("an order by \"{}\", which is {}", operand.column.name, operand.column.kind.name());
        return Err(RestError::unsupported(what).hint("Order by a text in it: `column->>member`."));
    }
    Ok(operand)
}

/// What groups are ordered by: a column that they share, or an item of the select by its name.
fn grouped(node: &Node, field: &RawField) -> Result<OrderBy, RestError> {
    for (at, item) in node.items.iter().enumerate() {
        match item {
            Item::Aggregate(aggregate) if field.path.is_empty() && aggregate.name == field.column => {
                return Ok(OrderBy::Item(at));
            }
            Item::Field(shown) => {
                let own = &shown.operand;
                let same = own.column.name == field.column && own.path == field.path && own.as_text == field.as_text;
                if same && shown.cast != Some(Cast::Date) {
                    return Ok(OrderBy::Operand(sortable(own.clone())?));
                }
                if field.path.is_empty() && shown.name == field.column {
                    sortable(own.clone())?;
                    return Ok(OrderBy::Item(at));
                }
            }
            _ => {}
        }
    }
    let table = node.table.name;
    Err(RestError::new(
        400,
        "42803",
        format!(
            "column \"{table}.{}\" must appear in the select of an aggregate to be ordered by",
            short(&field.column)
        ),
    ))
}

/// Whether the function can be used on the type.
fn check_aggregate(function: AggregateFunction, kind: Type) -> Result<(), RestError> {
    let (name, good) = match function {
        AggregateFunction::Count => return Ok(()),
        AggregateFunction::Sum => ("sum", kind == Type::Bigint),
        AggregateFunction::Avg => ("avg", kind == Type::Bigint),
        AggregateFunction::Min => ("min", matches!(kind, Type::Bigint | Type::Text | Type::Timestamp)),
        AggregateFunction::Max => ("max", matches!(kind, Type::Bigint | Type::Text | Type::Timestamp)),
    };
    if good {
        return Ok(());
    }
    Err(RestError::new(404, "42883", format!("function {name}({}) does not exist", kind.name()))
        .hint("No function matches the given name and argument types."))
}

/// Adds to the number of conditions, which is bounded.
fn count_condition(conditions: &mut usize, more: usize) -> Result<(), RestError> {
    *conditions += more;
    if *conditions > limits::CONDITIONS {
        return Err(RestError::too_much(format!("there are more than {} conditions", limits::CONDITIONS)));
    }
    Ok(())
}

/// A filter on an embedded relation, for those that ask whether it is there.
fn embedded(at: usize, exists: bool) -> Filter {
    if exists { Filter::Embedded(at) } else { Filter::Not(Box::new(Filter::Embedded(at))) }
}

#[cfg(test)]
mod tests;
