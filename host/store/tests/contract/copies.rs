//! Moving between the stores: every value of every table arrives, and a copy that ended early goes on.

use std::collections::BTreeSet;

use resly_store::{CopyError, CopyLimits, CopyPlace, CopyReport, OpenError, Store, Verdict, copy_store};

use crate::{
    backend::Backend,
    fill::{ROWS, Schema, Style, canary, dump, fill, id, schema},
};

/// Small batches, so that every table takes several.
const LIMITS: CopyLimits = CopyLimits { rows: 2, bytes: 1 << 20, batches: None };

/// Tables that stay with the source.
const STAYS: [&str; 2] = ["database_roles", "hosts"];

fn place(backend: &Backend) -> CopyPlace {
    match backend.url() {
        Some(url) => CopyPlace::Postgres(url.to_owned()),
        None => CopyPlace::Folder(backend.config().data_dir),
    }
}

async fn copy(from: &Backend, to: &Backend, limits: CopyLimits) -> Result<CopyReport, CopyError> {
    copy_store(&place(from), &place(to), limits).await
}

/// A store with rows in every table.
async fn filled(backend: Backend, style: Style) -> (Backend, Schema) {
    backend.open().await.close().await;
    let schema = fill(&backend, style).await;
    (backend, schema)
}

fn copied(schema: &Schema) -> impl Iterator<Item = (&String, &Vec<crate::fill::Column>)> {
    schema.iter().filter(|(table, _)| !STAYS.contains(&table.as_str()))
}

/// Batches of a copy: two for each table of three rows.
fn batches(schema: &Schema) -> u64 {
    2 * copied(schema).count() as u64
}

fn assert_equal(report: &CopyReport) {
    for table in &report.tables {
        assert_eq!(table.verdict, Verdict::Equal, "{table:?}");
        assert_eq!((table.source_rows, table.target_rows), (ROWS as u64, ROWS as u64), "{}", table.name);
        assert_eq!(table.source_digest, table.target_digest, "{}", table.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_have_the_same_tables_and_columns() {
    let (postgres, sqlite) = (Backend::postgres().await, Backend::sqlite());
    for backend in [&postgres, &sqlite] {
        backend.open().await.close().await;
    }
    let of = |schema: Schema| -> BTreeSet<String> {
        let names = |(table, columns): (String, Vec<crate::fill::Column>)| {
            columns
                .into_iter()
                .map(move |column| format!("{table}.{} {}", column.name, column.kind))
                .collect::<Vec<_>>()
        };
        schema.into_iter().filter(|(table, _)| table != "database_roles").flat_map(names).collect()
    };
    let (postgres, mut sqlite) = (of(schema(&postgres).await), of(schema(&sqlite).await));
    for numbered in ["passages.number rowid", "conversation_words.number rowid"] {
        assert!(sqlite.remove(numbered), "SQLite numbers the rows of its indexes of words");
    }
    let different: Vec<_> = postgres.symmetric_difference(&sqlite).collect();
    assert!(different.is_empty(), "a copy between the stores would lose {different:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_makes_the_way_there_and_back() {
    for style in [Style::Extreme, Style::Plain] {
        let (from, schema) = filled(Backend::sqlite(), style).await;
        let (there, back) = (Backend::postgres().await, Backend::sqlite());
        // A row or two in each batch.
        let limits = CopyLimits { bytes: 512, ..LIMITS };
        let report = copy(&from, &there, limits).await.unwrap();
        assert_equal(&report);
        assert_eq!(report.tables.len(), copied(&schema).count());
        let report = copy(&there, &back, limits).await.unwrap();
        assert_equal(&report);

        // Told by SQLite itself. JSON has another order of members since PostgreSQL held it.
        let (before, after) = (dump(&from, &schema).await, dump(&back, &schema).await);
        for (table, columns) in copied(&schema) {
            let json = columns.iter().any(|column| column.kind == "jsonb");
            if !json {
                assert_eq!(before[table], after[table], "{table}");
            }
        }
        let settings = "SELECT settings FROM connections ORDER BY id";
        let parsed =
            |texts: Vec<String>| texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect::<Vec<_>>();
        let (before, after): (Vec<serde_json::Value>, Vec<serde_json::Value>) =
            (parsed(from.texts(settings).await), parsed(back.texts(settings).await));
        assert_eq!(before, after);
        // A host takes over.
        if style == Style::Plain {
            for backend in [&there, &back] {
                backend.open().await.close().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_ended_early_goes_on_where_it_was() {
    for (from, to) in [(Backend::sqlite(), Backend::postgres().await), (Backend::postgres().await, Backend::sqlite())] {
        let (from, schema) = filled(from, Style::Plain).await;
        let step = CopyLimits { batches: Some(9), ..LIMITS };
        let mut runs = 0;
        let report = loop {
            runs += 1;
            match copy(&from, &to, step).await {
                Ok(report) => break report,
                Err(error) => assert!(matches!(error, CopyError::Stopped), "{error}"),
            }
            // No host opens what is half there, and no other source is mixed in.
            assert!(matches!(Store::open(&to.config()).await.err(), Some(OpenError::UnfinishedCopy)));
            if to.is_sqlite() {
                assert!(matches!(Store::open_beside(&to.config()).await.err(), Some(OpenError::UnfinishedCopy)));
            }
            if runs == 1 {
                let other = if from.is_sqlite() { Backend::sqlite() } else { Backend::postgres().await };
                other.open().await.close().await;
                assert!(matches!(copy(&other, &to, LIMITS).await, Err(CopyError::OtherSource { .. })));
            }
        };
        assert_eq!(runs, batches(&schema).div_ceil(9), "no batch is copied twice");
        assert_equal(&report);
        Store::open(&to.config()).await.unwrap().close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_served_is_copied_as_of_one_moment() {
    let (from, _) = filled(Backend::sqlite(), Style::Plain).await;
    let to = Backend::postgres().await;
    let host = from.open().await;
    assert_equal(&copy(&from, &to, LIMITS).await.unwrap());
    host.schema().await.unwrap();
    host.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_the_source_since_is_told() {
    let (from, schema) = filled(Backend::sqlite(), Style::Plain).await;
    let to = Backend::postgres().await;
    let stopped = copy(&from, &to, CopyLimits { batches: Some(batches(&schema) - 1), ..LIMITS }).await;
    assert!(matches!(stopped, Err(CopyError::Stopped)));
    from.script(&format!(
        "UPDATE visitors SET external_id = 'new', updated_at = '2100-02-02T00:00:00.000000Z' WHERE id = '{}';
         UPDATE api_keys SET last_used_at = '2100-02-02T00:00:00.000000Z';
         DELETE FROM rate_windows;",
        id("visitors", 0)
    ))
    .await;
    let report = copy(&from, &to, LIMITS).await.unwrap();
    assert_eq!(report.with(Verdict::Written), ["visitors"], "the others are written by reads too");
    assert!(report.with(Verdict::Different).is_empty());
    Store::open(&to.config()).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_no_copy_is_told_and_stays_closed() {
    let (from, schema) = filled(Backend::postgres().await, Style::Plain).await;
    let to = Backend::sqlite();
    let stopped = copy(&from, &to, CopyLimits { batches: Some(batches(&schema) - 1), ..LIMITS }).await;
    assert!(matches!(stopped, Err(CopyError::Stopped)));
    to.script("UPDATE organizations SET name = name || '!' WHERE id = (SELECT MIN(id) FROM organizations)").await;
    let report = copy(&from, &to, LIMITS).await.unwrap();
    assert_eq!(report.with(Verdict::Different), ["organizations"]);
    assert!(matches!(Store::open(&to.config()).await.err(), Some(OpenError::UnfinishedCopy)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_not_right_is_refused() {
    let (from, _) = filled(Backend::sqlite(), Style::Plain).await;
    let (to, _) = filled(Backend::postgres().await, Style::Plain).await;
    let refused = copy(&from, &to, LIMITS).await.unwrap_err();
    assert!(matches!(&refused, CopyError::NotEmpty { table } if !table.is_empty()), "{refused}");
    assert!(matches!(copy(&to, &from, LIMITS).await, Err(CopyError::NotEmpty { .. })));
    assert!(matches!(copy(&from, &Backend::sqlite(), LIMITS).await, Err(CopyError::SameKind("SQLite"))));

    let empty = Backend::postgres().await;
    let nothing = copy(&Backend::sqlite(), &empty, LIMITS).await;
    assert!(matches!(nothing, Err(CopyError::Open(OpenError::NoDatabase { .. }))));
    // A source that a running host keeps to itself can be read, and can't be a target.
    let served = Backend::sqlite();
    let _host = served.open().await;
    assert!(matches!(copy(&to, &served, LIMITS).await, Err(CopyError::Open(OpenError::InUse { .. }))));
    from.script("DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)").await;
    assert!(matches!(copy(&from, &empty, LIMITS).await, Err(CopyError::Version)));
}

/// A login that policies bind would see some rows or none, and its copy would look complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_from_which_rows_are_hidden_copies_nothing() {
    let (from, _) = filled(Backend::postgres().await, Style::Plain).await;
    let role = format!("reader_{}", crate::backend::uuid().simple());
    from.script(&format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")).await;
    let url = from.url().unwrap().replace("resly@", &format!("{role}@"));
    let to = Backend::sqlite();
    let refused = copy_store(&CopyPlace::Postgres(url), &place(&to), LIMITS).await.unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");
    from.script(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// A value that one store can hold and the other can't is named with its row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_has_no_place_in_the_other_store_is_named() {
    let first = canary("tickets", "subject", 0);
    for (spoil, table, column) in [
        ("UPDATE connections SET settings = '{\"a\":' WHERE id = '{id}'", "connections", "settings"),
        ("UPDATE connections SET created_at = 'yesterday' WHERE id = '{id}'", "connections", "created_at"),
        ("UPDATE connections SET wanted = 2 WHERE id = '{id}'", "connections", "wanted"),
        ("UPDATE connections SET settings = '\"\\u0000\"' WHERE id = '{id}'", "connections", ""),
        ("UPDATE tickets SET subject = 'a' || char(0) WHERE id = '{id}'", "tickets", ""),
    ] {
        let (from, _) = filled(Backend::sqlite(), Style::Plain).await;
        from.script(&spoil.replace("{id}", &id(table, 1).to_string())).await;
        let refused = copy(&from, &Backend::postgres().await, CopyLimits::default()).await.unwrap_err();
        match &refused {
            CopyError::Value { table: found, column: of, key, .. } => {
                assert_eq!((found.as_str(), of.as_str()), (table, column));
                assert!(key.contains(&id(table, 1).to_string()), "{refused}");
            }
            CopyError::Write { table: found, key, .. } => {
                assert_eq!((found.as_str(), column), (table, ""), "{refused}");
                assert!(key.contains(&id(table, 1).to_string()), "{refused}");
            }
            other => panic!("{other}"),
        }
        assert!(!refused.to_string().contains(&first), "{refused}");
    }
    let (from, _) = filled(Backend::postgres().await, Style::Plain).await;
    from.script("UPDATE tickets SET created_at = 'infinity'").await;
    let refused = copy(&from, &Backend::sqlite(), LIMITS).await.unwrap_err();
    assert!(matches!(&refused, CopyError::Value { table, column, .. } if table == "tickets" && column == "created_at"));
}
