//! `updated_at` moves whenever anything changes that REST shows, also by what is written past the store.

use resly_rest::registry::{self, Column, Table, Type};

use crate::{
    backend::Backend,
    both,
    fill::{Style, fill, id},
};

/// No clock is at this time.
const BEFORE: &str = "2100-06-01T00:00:00.000000Z";
/// What doesn't change, and what tells that the rest does.
const OTHERS: [&str; 4] = ["id", "organization_id", "created_at", "updated_at"];

/// Another value than the column has in the first row.
fn other(table: &Table, column: &Column, sqlite: bool) -> String {
    let target = table.foreign_keys.iter().find(|key| key.column == column.name).map(|key| key.target);
    match column.kind {
        Type::Uuid => format!("'{}'", id(target.unwrap_or("other"), 1)),
        // A source that is ready is read again.
        Type::Text if column.name == "status" => "'reading'".to_owned(),
        Type::Text => "'changed'".to_owned(),
        Type::Bigint => "4711".to_owned(),
        Type::Boolean => format!("NOT {}", column.name),
        Type::Timestamp => "'2101-01-01T00:00:00.000000Z'".to_owned(),
        Type::Jsonb => r#"'{"changed":true}'"#.to_owned(),
        Type::Texts if sqlite => r#"'["changed"]'"#.to_owned(),
        Type::Texts => "'{changed}'".to_owned(),
    }
}

both! {
    async fn every_change_that_rest_shows_moves_the_row(backend: Backend) {
        backend.open().await.close().await;
        fill(&backend, Style::Plain).await;
        let mut unmoved = Vec::new();
        for table in registry::TABLES {
            let (name, row) = (table.name, id(table.name, 0));
            for column in table.columns.iter().filter(|column| !OTHERS.contains(&column.name)) {
                // Each conversation has one outcome, and an outcome stays its conversation's.
                if (table.name, column.name) == ("conversation_outcomes", "conversation_id") {
                    continue;
                }
                let (changed, value) = (column.name, other(table, column, backend.is_sqlite()));
                backend
                    .script(&format!(
                        "UPDATE {name} SET updated_at = '{BEFORE}' WHERE id = '{row}';
                         UPDATE {name} SET \"{changed}\" = {value} WHERE id = '{row}';"
                    ))
                    .await;
                let same = format!("SELECT 'same' FROM {name} WHERE id = '{row}' AND updated_at = '{BEFORE}'");
                if !backend.texts(&same).await.is_empty() {
                    unmoved.push(format!("{name}.{changed}"));
                }
            }
        }
        assert!(unmoved.is_empty(), "{unmoved:?}");
    }
}
