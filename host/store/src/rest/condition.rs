//! Conditions as SQL.

use resly_rest::{
    plan::{Comparison, Embed, Filter, IsValue, Node, Operand, Search, SetTest, Test},
    registry::Type,
    search::Form,
    value::Value,
};

use super::{
    operand,
    statement::{ALIASES, Statement, separate},
};

/// Pushes `FROM … WHERE …`: the organization's rows for which every condition of the node holds.
pub(super) fn push_from(statement: &mut Statement, depth: usize, node: &Node) {
    statement.push(" FROM ").push(node.table.name).push(" AS ").push(ALIASES[depth]).push(" WHERE ");
    push_conditions(statement, depth, node);
}

/// Pushes the conditions alone, which begin with that on the organization.
pub(super) fn push_conditions(statement: &mut Statement, depth: usize, node: &Node) {
    statement.column(depth, "organization_id").push(" = ").own_organization();
    if let Some((column, value)) = hidden(node.table.name) {
        statement.push(" AND ").column(depth, column).push(value);
    }
    for filter in &node.filters {
        statement.push(" AND ");
        push(statement, depth, node, filter);
    }
    for embed in node.embeds.iter().filter(|embed| embed.inner) {
        statement.push(" AND ");
        exists(statement, depth, embed);
    }
}

/// The condition that hides rows which no read shows: what of a source that is being deleted is still there.
pub(crate) fn hidden(table: &str) -> Option<(&'static str, &'static str)> {
    (table == "knowledge_sources").then_some(("status", " <> 'deleting'"))
}

/// Pushes one condition, in parentheses where it needs them.
pub(super) fn push(statement: &mut Statement, depth: usize, node: &Node, filter: &Filter) {
    match filter {
        Filter::And(filters) => joined(statement, depth, node, filters, " AND ", "TRUE"),
        Filter::Or(filters) => joined(statement, depth, node, filters, " OR ", "FALSE"),
        Filter::Not(filter) => {
            statement.push("(NOT ");
            push(statement, depth, node, filter);
            statement.push(")");
        }
        Filter::Embedded(at) => exists(statement, depth, &node.embeds[*at]),
        Filter::Found(search) => push_found(statement, depth, search),
        Filter::Test(operand, test) => {
            statement.push("(");
            push_test(statement, depth, operand, test);
            statement.push(")");
        }
    }
}

fn joined(
    statement: &mut Statement,
    depth: usize,
    node: &Node,
    filters: &[Filter],
    by: &'static str,
    none: &'static str,
) {
    if filters.is_empty() {
        statement.push(none);
        return;
    }
    let mut first = true;
    statement.push("(");
    for filter in filters {
        separate(statement, &mut first, by);
        push(statement, depth, node, filter);
    }
    statement.push(")");
}

/// Whether there is a row of the embedded table, for which its own conditions hold.
fn exists(statement: &mut Statement, depth: usize, embed: &Embed) {
    let inner = depth + 1;
    statement.push("EXISTS (SELECT 1");
    push_from(statement, inner, &embed.node);
    statement.push(" AND ");
    join(statement, depth, embed);
    statement.push(")");
}

/// The condition that joins the embedded table, one deeper, to its embedding row.
pub(super) fn join(statement: &mut Statement, depth: usize, embed: &Embed) {
    let (own, other) = if embed.to_one { (embed.key.column, "id") } else { ("id", embed.key.column) };
    statement.column(depth + 1, other).push(" = ").column(depth, own);
}

/// The condition that a search finds a passage of the source. On SQLite there is none by then: see `scan`.
///
/// PostgreSQL's function uses the index of words, which a condition on `passages` can't under row-level security. It sees the
/// organization of the transaction. Where the host isn't bound to one, it takes the one that is named.
fn push_found(statement: &mut Statement, depth: usize, search: &Search) {
    statement.push("(").column(depth, "id").push(" IN (SELECT found.source_id FROM resly_search(");
    statement.push(match search.form {
        Form::Query => "to_tsquery",
        Form::Plain => "plainto_tsquery",
        Form::Phrase => "phraseto_tsquery",
        Form::Web => "websearch_to_tsquery",
    });
    statement.push("(resly_text_config('").push(search.config).push("'), ").text(&search.text).push("), ");
    statement.own_organization().push(") AS found))");
}

fn push_test(statement: &mut Statement, depth: usize, operand: &Operand, test: &Test) {
    let kind = if operand.as_text { Type::Text } else { operand.column.kind };
    match test {
        Test::Compare(comparison, value) => compare(statement, depth, operand, kind, *comparison, value),
        Test::Like(like) => {
            operand::push(statement, depth, operand);
            let pattern = if statement.is_sqlite() { like.glob() } else { like.like() };
            statement.pick(" GLOB ", " LIKE ").text(&pattern);
        }
        Test::ILike(like) => {
            operand::push(statement, depth, operand);
            statement.pick(" LIKE ", " ILIKE ").text(&like.like()).push(" ESCAPE '\\'");
        }
        // SQLite's are resolved by then: see `scan`.
        Test::Match(regex) => {
            operand::push(statement, depth, operand);
            statement.push(" ~ ").text(regex.as_str());
        }
        Test::IMatch(regex) => {
            operand::push(statement, depth, operand);
            statement.push(" ~* ").text(regex.as_str());
        }
        Test::Search(search) => {
            statement.push("to_tsvector('").push(search.config.name()).push("', ");
            operand::push(statement, depth, operand);
            statement.push(") @@ ").text(&search.to_tsquery().unwrap_or_default()).push("::tsquery");
        }
        Test::In(values) => {
            operand::push(statement, depth, operand);
            statement.among_values(kind, values);
        }
        Test::Is(value) => {
            operand::push(statement, depth, operand);
            statement.push(match value {
                IsValue::Null | IsValue::Unknown => " IS NULL",
                IsValue::NotNull => " IS NOT NULL",
                IsValue::True => " IS TRUE",
                IsValue::False => " IS FALSE",
            });
        }
        Test::Distinct(value) => {
            operand::push(statement, depth, operand);
            statement.push(" IS DISTINCT FROM ").value(kind, value);
        }
        Test::Set(test, Value::Texts(texts)) if kind == Type::Texts => {
            set_of_texts(statement, depth, operand, *test, texts);
        }
        Test::Set(test, value) => {
            operand::push(statement, depth, operand);
            statement.push(if *test == SetTest::ContainedIn { " <@ " } else { " @> " }).value(kind, value);
        }
        Test::Among(ids) => {
            // Null where the column is null, so that its negation doesn't hold either.
            statement.push("CASE WHEN ");
            operand::push(statement, depth, operand);
            statement.push(" IS NULL THEN NULL ELSE ").column(depth, "id").among(ids).push(" END");
        }
    }
}

fn compare(
    statement: &mut Statement,
    depth: usize,
    operand: &Operand,
    kind: Type,
    comparison: Comparison,
    value: &Value,
) {
    let sign = match comparison {
        Comparison::Equal => " = ",
        Comparison::NotEqual => " <> ",
        Comparison::Greater => " > ",
        Comparison::GreaterOrEqual => " >= ",
        Comparison::Less => " < ",
        Comparison::LessOrEqual => " <= ",
    };
    if matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
        operand::push(statement, depth, operand);
    } else {
        operand::push_sorted(statement, depth, operand);
    }
    statement.push(sign).value(kind, value);
}

/// SQLite holds `text[]` as JSON.
fn set_of_texts(statement: &mut Statement, depth: usize, operand: &Operand, test: SetTest, texts: &[String]) {
    let name = operand.column.name;
    if !statement.is_sqlite() {
        statement.column(depth, name);
        statement.push(match test {
            SetTest::Contains => " @> ",
            SetTest::ContainedIn => " <@ ",
            SetTest::Overlaps => " && ",
        });
        statement.texts(texts);
        return;
    }
    let (start, middle) = match test {
        SetTest::Contains => ("NOT EXISTS (SELECT 1 FROM json_each(", " NOT IN "),
        SetTest::ContainedIn => ("NOT EXISTS (SELECT 1 FROM json_each(", " NOT IN "),
        SetTest::Overlaps => ("EXISTS (SELECT 1 FROM json_each(", " IN "),
    };
    let outer_is_column = test == SetTest::ContainedIn;
    let list = |statement: &mut Statement, is_column: bool| {
        if is_column {
            statement.column(depth, name)
        } else {
            statement.texts(texts)
        };
    };
    statement.push(start);
    list(statement, outer_is_column);
    statement.push(") AS wanted WHERE wanted.value").push(middle).push("(SELECT value FROM json_each(");
    list(statement, !outer_is_column);
    statement.push(")))");
}
