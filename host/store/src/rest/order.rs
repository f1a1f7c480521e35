//! Orders as SQL.

use resly_rest::plan::{Node, OrderBy, OrderTerm};

use super::{
    condition, operand,
    statement::{ALIASES, Statement, separate},
};

/// Pushes the terms of an order. Rows that they leave equal are told apart by their ids, so that pages don't overlap.
/// `places` has the columns' places in the select of an aggregated node, by which groups are ordered.
pub(super) fn push(statement: &mut Statement, depth: usize, node: &Node, places: Option<&Places>) {
    let mut first = true;
    statement.push(" ORDER BY ");
    for term in &node.order {
        separate(statement, &mut first, ", ");
        match places {
            Some(places) => places.push(statement, depth, &term.by),
            None => push_term(statement, depth, node, &term.by),
        }
        push_direction(statement, term);
    }
    match places {
        Some(places) => {
            for place in &places.groups {
                separate(statement, &mut first, ", ");
                statement.place(*place).push(" ASC NULLS LAST");
            }
            if first {
                statement.place(1);
            }
        }
        None => {
            separate(statement, &mut first, ", ");
            statement.column(depth, "id");
            // In the direction of the term before, as the indexes have both.
            if node.order.last().is_some_and(|last| last.descending) {
                statement.push(" DESC");
            }
        }
    }
}

fn push_direction(statement: &mut Statement, term: &OrderTerm) {
    statement.push(if term.descending { " DESC" } else { " ASC" });
    // Where there are no nulls, saying so keeps the databases from using an index.
    if !matches!(&term.by, OrderBy::Operand(operand) if operand.path.is_empty() && !operand.column.nullable) {
        statement.push(if term.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
    }
}

fn push_term(statement: &mut Statement, depth: usize, node: &Node, by: &OrderBy) {
    match by {
        OrderBy::Operand(operand) => operand::push_sorted(statement, depth, operand),
        OrderBy::Related(at, operand) => {
            let embed = &node.embeds[*at];
            statement.push("(SELECT ");
            operand::push_sorted(statement, depth + 1, operand);
            statement.push(" FROM ").push(embed.node.table.name).push(" AS ").push(ALIASES[depth + 1]);
            statement.push(" WHERE ");
            condition::push_conditions(statement, depth + 1, &embed.node);
            statement.push(" AND ");
            condition::join(statement, depth, embed);
            statement.push(")");
        }
        // Groups are ordered by places.
        OrderBy::Item(_) => drop(statement.push("NULL")),
    }
}

/// Where the items of an aggregated node are in its select, from 1 on.
pub(super) struct Places {
    /// By the item.
    pub items: Vec<usize>,
    /// Those that rows are grouped by.
    pub groups: Vec<usize>,
    /// By the operands of the items.
    pub operands: Vec<(resly_rest::plan::Operand, usize)>,
    /// The sums, with their columns. They are selected as texts, which keep all digits.
    pub sums: Vec<(usize, &'static str)>,
}

impl Places {
    fn push(&self, statement: &mut Statement, depth: usize, by: &OrderBy) {
        let place = self.of(by);
        match self.sums.iter().find(|(sum, _)| *sum == place) {
            Some(&(_, column)) => drop(statement.push("SUM(").column(depth, column).push(")")),
            None => drop(statement.place(place)),
        }
    }

    fn of(&self, by: &OrderBy) -> usize {
        match by {
            OrderBy::Item(item) => self.items.get(*item).copied().unwrap_or(1),
            OrderBy::Operand(wanted) | OrderBy::Related(_, wanted) => {
                let same = |(operand, _): &&(resly_rest::plan::Operand, usize)| {
                    operand.column == wanted.column && operand.path == wanted.path && operand.as_text == wanted.as_text
                };
                self.operands.iter().find(same).map_or(1, |(_, place)| *place)
            }
        }
    }
}
