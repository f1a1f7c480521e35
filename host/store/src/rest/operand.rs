//! A column, or a text in its JSON, as SQL.

use resly_rest::{
    plan::{Operand, Step},
    registry::Type,
};

use super::statement::Statement;

/// Pushes the operand of the table at this depth.
pub(super) fn push(statement: &mut Statement, depth: usize, operand: &Operand) {
    let name = operand.column.name;
    if operand.path.is_empty() {
        statement.column(depth, name);
        return;
    }
    if !statement.is_sqlite() {
        let last = operand.path.len() - 1;
        statement.push("(").column(depth, name);
        for (at, step) in operand.path.iter().enumerate() {
            statement.push(if at == last && operand.as_text { " ->> " } else { " -> " });
            match step {
                Step::Key(key) => statement.text(key).push("::text"),
                Step::Index(index) => statement.integer(i32::try_from(*index).unwrap_or(i32::MAX)).push("::int"),
            };
        }
        statement.push(")");
        return;
    }
    let path = sqlite_path(&operand.path);
    if operand.as_text {
        // Numbers and truths stay as they are written, which `json_extract` would turn into numbers of SQLite.
        statement.push("(CASE json_type(").column(depth, name).push(", ").text(&path);
        statement.push(") WHEN 'text' THEN json_extract(").column(depth, name).push(", ").text(&path);
        statement.push(") WHEN 'null' THEN NULL ELSE ").column(depth, name).push(" -> ").text(&path).push(" END)");
    } else {
        statement.push("json_type(").column(depth, name).push(", ").text(&path).push(")");
    }
}

/// The same for an order: texts are compared by their bytes on both databases.
pub(super) fn push_sorted(statement: &mut Statement, depth: usize, operand: &Operand) {
    push(statement, depth, operand);
    if operand.as_text || operand.column.kind == Type::Text {
        statement.pick("", " COLLATE \"C\"");
    }
}

/// A path as SQLite's JSON functions read it. Keys have no quotes or backslashes: `resly_rest` refuses them.
fn sqlite_path(steps: &[Step]) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        match step {
            Step::Key(key) => path.extend([".\"", key, "\""]),
            Step::Index(index) if *index < 0 => path.push_str(&format!("[#{index}]")),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}
